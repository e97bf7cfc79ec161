"""What becomes of a traced outline: holes filled, vertices thinned out, placed on the ground.

All take and return (n,) object arrays of valid shapely Polygons or MultiPolygons.
"""

from __future__ import annotations

import numpy as np
import shapely
from affine import Affine

from geoseg.core.polygons import gather


def fill_holes(geometry: np.ndarray, smallest: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Fill the holes below ``smallest`` (n,), an area in the geometry's own units, unless they are in ``keep``.

    ``keep`` is a bool for each hole, in the order of the polygons and of the holes within them.
    """
    parts, owner = shapely.get_parts(geometry, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    hole = np.diff(part, prepend=-1) == 0
    fill = np.zeros(len(rings), bool)
    fill[hole] = ~keep & (shapely.area(shapely.polygons(rings[hole])) < smallest[owner[part[hole]]])
    if not fill.any():
        return geometry
    changed = np.unique(owner[part[fill]])
    kept = np.isin(owner[part], changed) & ~fill
    shells = np.flatnonzero(kept & ~hole)
    holes = np.flatnonzero(kept & hole)
    index = np.searchsorted(part[shells], part[holes])
    rebuilt = shapely.polygons(rings[shells])
    bored, first = np.unique(index, return_inverse=True)
    if len(bored):
        rebuilt[bored] = shapely.polygons(rings[shells][bored], holes=rings[holes], indices=first)
    out = geometry.copy()
    out[changed] = gather(rebuilt, owner[part[shells]])
    return out


def simplify(geometry: np.ndarray, tolerance: float, pixel_size: tuple[float, float]) -> np.ndarray:
    """Leave out vertices of outlines in pixels; no point of an outline is further than ``tolerance`` metres from the result.

    ``pixel_size`` is metres along x and y. Douglas and Peucker, The Canadian Cartographer 10 (1973), keeping the topology; a
    footprint that would not stay a valid area of the same number of parts keeps its outline.
    """
    if tolerance <= 0:
        return geometry
    scale = np.array(pixel_size)
    thin = shapely.simplify(shapely.transform(geometry, lambda xy: xy * scale), tolerance)
    thin = shapely.transform(thin, lambda xy: np.rint(xy / scale))
    sound = shapely.is_valid(thin) & (shapely.area(thin) > 0)
    sound &= shapely.get_num_geometries(thin) == shapely.get_num_geometries(geometry)
    return np.where(sound, thin, geometry)


def place(geometry: np.ndarray, transform: Affine) -> np.ndarray:
    """Outlines in pixels to coordinates; exteriors run counter-clockwise there."""
    matrix = np.array([[transform.a, transform.d], [transform.b, transform.e]])
    placed = shapely.transform(geometry, lambda xy: xy @ matrix + (transform.c, transform.f))
    return shapely.reverse(placed) if transform.determinant < 0 else placed


def vertices(geometry: np.ndarray) -> np.ndarray:
    """Vertices of each, of holes too, the closing points not counted: int32 (n,)."""
    rings, owner = shapely.get_rings(geometry, return_index=True)
    count = np.bincount(owner, shapely.get_num_coordinates(rings) - 1, len(geometry))
    return count.astype(np.int32)
