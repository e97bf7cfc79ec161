"""Footprints that cover known pixels of one grid."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.core.grid import Grid

UTM = CRS.from_epsg(32736)
GRID = Grid(UTM, Affine(0.5, 0, 512_000, 0, -0.5, 9_300_000), 90, 140)


def ground(*boxes):
    """Boxes (left, top, right, bottom in pixels) on the ground of GRID."""
    return [
        shapely.box(*(GRID.transform * (x0, y1)), *(GRID.transform * (x1, y0)))
        for x0, y0, x1, y1 in boxes
    ]


def layer(boxes, crs=UTM, **columns):
    return gpd.GeoDataFrame(columns, geometry=ground(*boxes), crs=crs)


BOXES = [(100, 10, 120, 22), (5, 60, 17, 85)]


def covered(*boxes):
    out = np.zeros(GRID.shape, np.uint8)
    for x0, y0, x1, y1 in boxes:
        out[y0:y1, x0:x1] = 1
    return out
