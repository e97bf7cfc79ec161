"""A prediction and a truth to compare: three boxes each, as rasters and as layers."""

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.io.raster.write import write_array

UTM = CRS.from_epsg(32736)
GRID = Grid(UTM, Affine(0.5, 0, 512_000, 0, -0.5, 9_300_000), 60, 95)


def ground(*boxes):
    return [
        shapely.box(*(GRID.transform * (x0, y1)), *(GRID.transform * (x1, y0)))
        for x0, y0, x1, y1 in boxes
    ]


def vector(path, boxes, crs=UTM, to=None, **columns):
    layer = gpd.GeoDataFrame(columns, geometry=ground(*boxes), crs=crs)
    (layer.to_crs(to) if to else layer).to_file(path, geometry_type="Polygon")
    return path


def mask(*boxes):
    out = np.zeros((1, *GRID.shape), np.uint8)
    for x0, y0, x1, y1 in boxes:
        out[0, y0:y1, x0:x1] = 1
    return out


def raster(path, image, grid=GRID, **keywords):
    write_array(path, image, grid, **keywords)
    return path


TRUTH = [(60, 5, 80, 15), (5, 30, 25, 55), (70, 40, 74, 44)]
FOUND = [(62, 5, 82, 15), (5, 30, 25, 50), (40, 2, 44, 8)]


def shapes_in(layer: gpd.GeoDataFrame) -> list[bytes]:
    """Polygons of a layer to a millimetre, in no order."""
    parts = shapely.get_parts(layer.geometry.to_numpy())
    return sorted(shapely.to_wkb(shapely.normalize(shapely.set_precision(parts, 1e-3))))
