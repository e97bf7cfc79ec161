"""Labels of a scene, from footprints or from a mask raster, window by window on the scene's
grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS, Transformer
from rasterio.windows import Window

from geoseg.core.encoding import VOID
from geoseg.core.grid import Grid
from geoseg.core.tiling import row_windows
from geoseg.errors import InputError, UnsuitableError
from geoseg.geometry.burn import Burner
from geoseg.io.formats import HEAD, vector_format
from geoseg.io.raster.scene import open_scene
from geoseg.io.safety import first_bytes
from geoseg.labels.class_raster import check_masks, is_vector, multilabel_names
from geoseg.labels.footprints import footprints_in

RASTERS = (".tif", ".tiff", ".png", ".vrt")
VECTORS = (".gpkg", ".geojson", ".json", ".fgb", ".parquet", ".shp", ".csv")
STRIP_PIXELS = 2**22
Reader = Callable[[Window], np.ndarray]


def find(labels: Path, scene: str) -> Path:
    """The labels of ``scene``: ``labels`` itself, or in a folder the file of the scene's name,
    ``NAME`` or ``NAME_mask``.

    Without one it is the folder's one CSV, which may hold footprints of many images.
    """
    if not labels.is_dir():
        if not labels.is_file():
            raise InputError(f"{labels}: does not exist")
        return labels
    stem, own = Path(scene).stem, Path(scene).absolute()
    for name in (stem, f"{stem}_mask"):
        for suffix in VECTORS + RASTERS:
            candidate = labels / f"{name}{suffix}"
            if candidate.is_file() and candidate.absolute() != own:
                return candidate
    tables = list(labels.glob("*.csv"))
    if len(tables) == 1:
        return tables[0]
    raise InputError(
        f"{labels}: has no labels for {scene}",
        f"name them {stem}.gpkg, {stem}.geojson or {stem}_mask.tif",
    )


@contextmanager
def open_labels(
    path: Path,
    grid: Grid,
    warnings: list[str],
    *,
    scene: str | None = None,
    own: Grid | None = None,
) -> Iterator[Reader]:
    """A function from a window of ``grid`` to its mask: uint8 (row, col), 1 building, 0 not, 255
    beyond the labels.

    Of a multi-label mask (:func:`classes`) it is (class, row, col)
    of 1, 0 and 255.

    Footprints in another CRS are reprojected, a mask raster is read on the grid by nearest
    neighbour, and ``warnings`` says so. Of a SpaceNet CSV the footprints of ``scene``, a file name,
    are taken; those in pixels lie on its ``own`` grid, by default ``grid``. In a mask anything but
    0 is building, unless it names more classes (:func:`classes`); 255 is unknown where it stands
    beside other labels or geoseg wrote the mask. Raises UnsuitableError where labels and grid do
    not meet, or cannot be compared.
    """
    if is_vector(str(path)):
        burnt = burner(path, grid, warnings, scene=scene, own=own)
        yield lambda window: burnt.burn(grid.window(window))
        return
    with open_scene(path, like=grid) as mask:
        names, multilabel = classes(path)
        if mask.bands != 1 and not multilabel:
            raise UnsuitableError(
                f"{path}: has {mask.bands} bands; a mask has one",
                "or several uint8 bands with names",
            )
        bounds = _bounds(mask.source, grid)
        _meet(path, bounds, grid)
        tenth = 0.1 * abs(grid.transform.determinant) ** 0.5
        if mask.source.crs != grid.crs or not np.allclose(bounds, grid.bounds, rtol=0, atol=tenth):
            warnings.append(f"{path}: lies on another grid, read by nearest neighbour")
        void = _void(path, _stamp(path))
        many = len(names) > 2 and not multilabel

        def read(window: Window) -> np.ndarray:
            chip = mask.read(window)
            image = chip.image if multilabel else chip.image[0]
            if multilabel:
                check_masks(mask, image)
            known = chip.valid & (image != void) if void else chip.valid
            return np.where(known, image if many else image != 0, VOID).astype("uint8")

        yield read


def burner(
    path: Path,
    grid: Grid,
    warnings: list[str],
    *,
    scene: str | None = None,
    own: Grid | None = None,
) -> Burner:
    """Footprints ready to be burned on windows of ``grid``, as :func:`open_labels` takes and
    refuses them.
    """
    table = vector_format(first_bytes(path, HEAD)) == "csv"
    if grid.crs is None and not table:
        raise UnsuitableError(
            f"{path}: footprints need a scene with a CRS",
            "burn them into a mask by `geoseg rasterize` in pixel coordinates, and give that",
        )
    image = (scene, own or grid) if table else (None, None)
    warnings += _layer(path, _stamp(path), grid.crs, *image)[1]
    return _burner(path, _stamp(path), grid, *image)


def classes(path: Path) -> tuple[tuple[str, ...], bool]:
    """Names of the classes that labels hold, and whether they are multi-label, a band each.

    Classes that exclude each other are named by a mask's tags, as `geoseg rasterize --class-field`
    writes them, bands by their descriptions, as of `geoseg rasterize --kind footprint,boundary`.
    """
    if not is_vector(str(path)):
        with open_scene(path) as mask:
            bands = multilabel_names(mask) if mask.dtype == "uint8" else ()
            names = tuple(filter(None, mask.tags.get("GEOSEG_CLASSES", "").split(",")))
        if bands or len(names) > 2:
            return bands or names, bool(bands)
    return ("background", "building"), False


def layer(path: Path, crs: CRS) -> tuple[np.ndarray, tuple[str, ...]]:
    """Valid polygons of a vector file in ``crs``, and what had to be done to them."""
    return _layer(path, _stamp(path), crs, None, None)


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns


# Tiles come in groups, each of which opens its labels again, and many scenes may share one file of
# footprints.
@lru_cache(maxsize=1)
def _layer(
    path: Path, stamp: int, crs: CRS | None, scene: str | None, own: Grid | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    warnings: list[str] = []
    return footprints_in(path, crs, warnings, scene=scene, grid=own).geometry, tuple(warnings)


@lru_cache(maxsize=1)
def _burner(path: Path, stamp: int, grid: Grid, scene: str | None, own: Grid | None) -> Burner:
    geometry = _layer(path, stamp, grid.crs, scene, own)[0]
    if shapely.is_empty(geometry).all():
        return Burner(geometry, grid)
    _meet(path, tuple(shapely.total_bounds(geometry)), grid)
    return Burner(geometry[shapely.intersects(geometry, shapely.box(*grid.bounds))], grid)


@lru_cache(maxsize=1)
def _void(path: Path, stamp: int) -> int | None:
    """The value of a mask that means unknown."""
    with open_scene(path) as mask:
        if mask.dtype != "uint8":
            return None
        if "GEOSEG_KIND" in mask.tags:
            return VOID
        for window in row_windows(mask.grid, STRIP_PIXELS):
            image = mask.read(window).image
            if ((image > 0) & (image < VOID)).any():
                return VOID
    return None


def _bounds(own: Grid, grid: Grid) -> tuple[float, float, float, float]:
    """Bounds of ``own`` in the CRS of ``grid``."""
    if own.crs is None or own.crs == grid.crs:
        return own.bounds
    return Transformer.from_crs(own.crs, grid.crs, always_xy=True).transform_bounds(*own.bounds)


def _meet(path: Path, bounds: tuple[float, ...], grid: Grid) -> None:
    # a scene without a single building has labels that merely lie around it
    left, bottom, right, top = grid.bounds
    if bounds[0] >= right or bounds[2] <= left or bounds[1] >= top or bounds[3] <= bottom:
        raise UnsuitableError(
            f"{path}: does not overlap the scene", "compare the two with `geoseg info`"
        )
