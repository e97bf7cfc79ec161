"""Scenes to cut into chips, and what the chips are."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import rasterio
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.io.chip_index import read_index
from geoseg.io.raster.write import write_array

UTM = CRS.from_epsg(32737)
GRID = Grid(UTM, Affine(0.5, 0, 512_000, 0, -0.5, 9_300_000), 90, 140)
HOLE = (slice(20, 60), slice(60, 110))


def noise(bands=3, dtype="uint8", shape=GRID.shape, high=200):
    return np.random.default_rng(bands).uniform(1, high, (bands, *shape)).astype(dtype)


def scene(path, image=None, grid=GRID, **keywords):
    image = noise() if image is None else image
    write_array(path, image, grid and Grid(grid.crs, grid.transform, *image.shape[1:]), **keywords)
    return str(path)


def plain(path):
    """Image and profile as a plain client reads them."""
    with rasterio.open(path) as chip:
        return chip.read(), SimpleNamespace(**chip.profile, valid=chip.dataset_mask() > 0)


def ground(x0, y0, x1, y1):
    return shapely.box(*(GRID.transform * (x0, y1)), *(GRID.transform * (x1, y0)))


def windows(folder):
    """(col, row, width, height) in the scene's pixels of each chip, from its own georeference."""
    found = {}
    for name in read_index(folder).table["image"]:
        with rasterio.open(folder / name) as chip:
            col, row = ~GRID.transform * (chip.transform.c, chip.transform.f)
            found[Path(name).stem] = (round(col), round(row), chip.width, chip.height)
    return found


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
