"""A small grid and rasters on it, as plain rasterio clients write them."""

import numpy as np
import rasterio
from affine import Affine
from pyproj import CRS

from geoseg.core.grid import Grid

UTM = CRS.from_epsg(32737)
GRID = Grid(UTM, Affine(0.5, 0, 512_000, 0, -0.5, 9_300_000), 90, 140)
HOLE = (slice(10, 25), slice(100, 130))


def noise(bands=1, dtype="uint8", shape=GRID.shape, low=1, high=255):
    return np.random.default_rng(5).uniform(low, high, (bands, *shape)).astype(dtype)


def write(path, image, grid=GRID, **profile):
    """``image`` as a plain rasterio client writes it."""
    with rasterio.open(
        path,
        "w",
        **{
            "driver": "GTiff",
            "count": len(image),
            "height": grid.height,
            "width": grid.width,
            "dtype": image.dtype,
        }
        | {"crs": grid.crs.to_wkt() if grid.crs else None, "transform": grid.transform}
        | profile,
    ) as out:
        out.write(image)
    return path


def holes(chip):
    return np.argwhere(~chip.valid).tolist()


IN_HOLE = [[row, col] for row in range(10, 25) for col in range(100, 130)]
