"""Labels of a scene, from footprints or from a mask raster, window by window on the scene's
grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeGuard

import numpy as np
import shapely
from pyproj import CRS
from rasterio.windows import Window

from geoseg.core.class_map import BINARY
from geoseg.core.encoding import BACKGROUND, VOID, RasterTags
from geoseg.core.grid import Grid
from geoseg.core.transformation import between
from geoseg.errors import UnsuitableError
from geoseg.geometry.burn import Burner
from geoseg.io.formats import vector_kind
from geoseg.io.raster.scene import open_scene
from geoseg.labels.class_raster import is_vector
from geoseg.labels.footprints import far_wider, footprints_in
from geoseg.labels.interpret import interpret
from geoseg.labels.interpretation import Interpretation
from geoseg.labels.label_files import Labels, find
from geoseg.report import Remarks
from geoseg.specs.vectors import VectorFiles

Reader = Callable[[Window], np.ndarray]

__all__ = ["burner", "check_overlap", "classes", "find", "open_labels"]


@contextmanager
def open_labels(
    path: Labels,
    grid: Grid,
    remarks: Remarks,
    *,
    scene: str | None = None,
    own: Grid | None = None,
) -> Iterator[Reader]:
    """A function from a window of ``grid`` to its mask: uint8 (row, col), 1 building, 0 not, 255
    beyond the labels.

    Of multilabel masks (:func:`classes`) it is (class, row, col) of 1, 0 and 255.

    Footprints in another CRS are reprojected, a mask raster is read on the grid by nearest
    neighbour, and ``remarks`` says so. Of a SpaceNet CSV the footprints of ``scene``, a file name,
    are taken; those in pixels lie on its ``own`` grid, by default ``grid``. What the values of a
    raster mean is decided by :func:`geoseg.labels.interpret.interpret`; probabilities are cut at
    the threshold of their file. Raises UnsuitableError where labels and grid do not meet, or cannot
    be compared, and for rasters that are no labels.
    """
    if _is_vector(path):
        burnt = burner(path, grid, remarks, scene=scene, own=own)
        yield lambda window: burnt.burn(grid.window(window))
        return
    classes(path)  # raises for what is no labels
    meaning = _interpreted(str(path), _stamp(path))
    with open_scene(str(path), like=grid) as mask:
        check_overlap(path, mask.source, grid)
        bounds = _bounds(path, mask.source, grid)
        # less than a tenth of a pixel is the rounding of a writer, not another grid
        tenth = 0.1 * abs(grid.transform.determinant) ** 0.5
        if mask.source.crs != grid.crs or not np.allclose(bounds, grid.bounds, rtol=0, atol=tenth):
            remarks.append(f"{path}: lies on another grid, read by nearest neighbour")
        if meaning.left_out:
            remarks.append(f"{path}: only {meaning.taken} is taken as labels")
        if meaning.unit is not None:
            remarks.append(f"{path}: holds probabilities, cut at {meaning.threshold:g}")

        def read(window: Window) -> np.ndarray:
            chip = mask.read(window, meaning.bands)
            valid = meaning.known(chip.image, chip.valid)
            if meaning.kind == "multilabel":
                labels = meaning.masks(chip.image)
            elif meaning.unit is None:
                labels = meaning.class_ids(chip.image[0])
            else:
                labels = meaning.probabilities(chip.image[0]) >= np.float32(meaning.threshold)
            # what the labels do not cover is unknown, not background: it is not learned from and
            # not scored
            return np.where(valid, labels, VOID).astype("uint8")

        yield read


def burner(
    path: Labels,
    grid: Grid,
    remarks: Remarks,
    *,
    scene: str | None = None,
    own: Grid | None = None,
) -> Burner:
    """Footprints ready to be burned on windows of ``grid``, as :func:`open_labels` takes and
    refuses them.
    """
    table = any(vector_kind(each) == "csv" for each in VectorFiles.of(path).paths)
    if grid.crs is None and not table:
        raise UnsuitableError(
            f"{path}: footprints need a scene with a CRS",
            "burn them into a mask by `geoseg rasterize` in pixel coordinates, and give that",
        )
    image = (scene, own or grid) if table else (None, None)
    remarks += _layer(path, _stamp(path), grid.crs, *image)[1]
    return _burner(path, _stamp(path), grid, *image)


def classes(path: Labels) -> tuple[tuple[str, ...], bool]:
    """Names of the classes that labels hold, and whether they are multilabel, a band each.

    Exclusive classes are named by a mask's tags, as `geoseg rasterize --class-field` writes them,
    multilabel ones by the descriptions of their bands, as of `geoseg rasterize --kind
    footprint,boundary`. Raises UnsuitableError for several classes without names, and for
    probabilities of several classes.
    """
    if _is_vector(path):
        return BINARY, False
    meaning = _interpreted(str(path), _stamp(path))
    if meaning.kind == "multilabel" and meaning.unit is None:
        return tuple(meaning.names.values()), True
    if len(meaning.bands) > 1:
        raise UnsuitableError(
            f"{path}: has {len(meaning.bands)} bands; a mask has one",
            "predict classes, not probabilities",
        )
    if meaning.kind in ("probability", "instance"):
        return BINARY, False
    names = meaning.class_names or (dict(enumerate(BINARY)) if meaning.kind == "mask" else {})
    if not names:
        labels = [label for label in meaning.ids if label]
        example = RasterTags(classes={0: BACKGROUND} | {label: f"NAME{label}" for label in labels})
        raise UnsuitableError(
            f"{path}: holds the classes {', '.join(map(str, labels))}, which have no names",
            f"name them: rio edit-info {example} {path}",
        )
    return tuple(names[number] for number in sorted(names)), False


def label_tags(path: Labels) -> dict[str, str]:
    """Tags of chips of these labels, so that they are read back as what they are."""
    names, multilabel = classes(path)
    kind = "multilabel" if multilabel else "classes"
    return RasterTags(kind=kind, classes=dict(enumerate(names))).to_dict()


@lru_cache(maxsize=16)
def _interpreted(path: str, stamp: tuple[int, ...]) -> Interpretation:
    """What the values of a mask mean, looked at once for all groups of tiles."""
    with open_scene(path) as mask:
        return interpret(mask)


def _stamp(path: Labels) -> tuple[int, ...]:
    return tuple(each.stat().st_mtime_ns for each in VectorFiles.of(path).paths)


def _is_vector(path: Labels) -> TypeGuard[VectorFiles]:
    return isinstance(path, VectorFiles) or is_vector(str(path))


# Each group of tiles opens its labels, and many scenes may share one file of
# footprints.
@lru_cache(maxsize=1)
def _layer(
    path: Labels, stamp: tuple[int, ...], crs: CRS | None, scene: str | None, own: Grid | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    remarks = Remarks()
    return footprints_in(path, crs, remarks, scene=scene, grid=own).geometry, tuple(remarks)


@lru_cache(maxsize=1)
def _burner(
    path: Labels, stamp: tuple[int, ...], grid: Grid, scene: str | None, own: Grid | None
) -> Burner:
    geometry = _layer(path, stamp, grid.crs, scene, own)[0]
    left, bottom, right, top = grid.bounds
    if own is None and far_wider(geometry, right - left, top - bottom).any():
        # cut to each grid in its own CRS before it is reprojected, which no layer of all scenes is
        geometry = footprints_in(path, grid.crs, Remarks(), grid=grid).geometry
    if shapely.is_empty(geometry).all():
        return Burner(geometry, grid)
    _meet(path, tuple(shapely.total_bounds(geometry)), grid)
    return Burner(geometry[shapely.intersects(geometry, shapely.box(*grid.bounds))], grid)


def _bounds(path: Labels | str, own: Grid, grid: Grid) -> tuple[float, float, float, float]:
    """Bounds of ``own``, the grid of ``path``, in the CRS of ``grid``."""
    if own.crs is None or own.crs == grid.crs:
        return own.bounds
    return between(own.crs, grid.crs, path).transform_bounds(*own.bounds)


def check_overlap(path: Labels | str, own: Grid, grid: Grid) -> None:
    """Raise UnsuitableError where ``own``, the grid of the raster at ``path``, lies beside
    ``grid``.
    """
    _meet(path, _bounds(path, own, grid), grid)


def _meet(path: Labels | str, bounds: tuple[float, ...], grid: Grid) -> None:
    # a scene without a single building has labels that merely lie around it
    left, bottom, right, top = grid.bounds
    if bounds[0] >= right or bounds[2] <= left or bounds[1] >= top or bounds[3] <= bottom:
        raise UnsuitableError(
            f"{path}: does not overlap the scene", "compare the two with `geoseg info`"
        )
