"""Probabilities whose footprints are known, in strips."""

from __future__ import annotations

import numpy as np
import pandas as pd
from affine import Affine
from pyproj import CRS
from scipy import ndimage

from geoseg.core.grid import Grid
from geoseg.geometry.footprints import footprints
from geoseg.specs import Area, PolygonSpec
from tests.layers import table

UTM = Grid(CRS.from_epsg(32645), Affine(0.3, 0, 334000, 0, -0.3, 3057000), 900, 700)
NONE = Area(0.0)


def probability(grid=UTM, seed=7):
    """Smooth blobs around the threshold and a patch without data."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.standard_normal(grid.shape), 6)
    valid = np.ones(grid.shape, bool)
    valid[400:460, 300:420] = False
    return (0.5 + field / field.std() / 5).clip(0, 1).astype(np.float32), valid


def cut(height, *arrays):
    return [
        tuple(a[top : top + height] for a in arrays) for top in range(0, len(arrays[0]), height)
    ]


def found(strips, grid=UTM, spec=None, threshold=0.5, min_area=NONE):
    batches = footprints(
        strips,
        grid,
        scene="town",
        spec=spec or PolygonSpec(),
        threshold=threshold,
        min_area=min_area,
    )
    return pd.concat(map(table, batches), ignore_index=True)
