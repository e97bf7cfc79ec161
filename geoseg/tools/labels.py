"""Labels of a scene, from footprints or from a mask raster, window by window on the scene's grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rasterio.windows import Window

from geoseg.core.burn import Burner, repair
from geoseg.core.grid import Grid
from geoseg.errors import InputError, UnsuitableError
from geoseg.io.chips import IGNORE
from geoseg.io.raster import open_scene

RASTERS = (".tif", ".tiff", ".png", ".vrt")
VECTORS = (".gpkg", ".geojson", ".json", ".fgb", ".parquet", ".shp")
Reader = Callable[[Window], np.ndarray]


def find(labels: Path, scene: str) -> Path:
    """The labels of ``scene``: ``labels`` itself, or in a folder the file of the scene's name (``NAME`` or ``NAME_mask``)."""
    if not labels.is_dir():
        if not labels.is_file():
            raise InputError(f"{labels}: does not exist")
        return labels
    stem = Path(scene).stem
    for name in (stem, f"{stem}_mask"):
        for suffix in VECTORS + RASTERS:
            if (labels / f"{name}{suffix}").is_file():
                return labels / f"{name}{suffix}"
    raise InputError(f"{labels}: has no labels for {scene}", f"name them {stem}.gpkg, {stem}.geojson or {stem}_mask.tif")


@contextmanager
def open_labels(path: Path, grid: Grid, warnings: list[str]) -> Iterator[Reader]:
    """A function from a window of ``grid`` to its mask: uint8 (row, col), 1 building, 0 not, 255 beyond the labels.

    Footprints in another CRS are reprojected and ``warnings`` says so; a mask raster is read on the grid by nearest
    neighbour, anything but 0 being building. Raises UnsuitableError where labels and grid do not meet.
    """
    if path.suffix.lower() in VECTORS:
        burner = _footprints(path, grid, warnings)
        yield lambda window: burner.burn(grid.window(window))
        return
    with open_scene(path, like=grid) as mask:

        def read(window: Window) -> np.ndarray:
            chip = mask.read(window, bands=(1,))
            return np.where(chip.valid, chip.image[0] != 0, IGNORE).astype("uint8")

        yield read


def _footprints(path: Path, grid: Grid, warnings: list[str]) -> Burner:
    from geoseg.io.vector import read_footprints

    layer = read_footprints(path)
    if grid.crs is None:
        raise UnsuitableError(f"{path}: footprints need a scene with a CRS")
    if layer.crs != grid.crs:
        warnings.append(f"{path}: reprojected from {layer.crs.to_string()} to {grid.crs.to_string()}")
        layer = layer.to_crs(grid.crs)
    geometry, repaired = repair(layer.geometry.to_numpy())
    if repaired:
        warnings.append(f"{path}: {repaired} invalid footprints repaired")
    burner = Burner(geometry)
    if len(geometry) and not len(burner.inside(grid)):
        raise UnsuitableError(f"{path}: does not overlap the scene")
    return burner
