"""Longitudes go round: 190 degrees is -170, and a building across 180 is cut there."""

from __future__ import annotations

import math

import numpy as np
import shapely
from pyproj import CRS

# One building across the seam, twice:
#
#     -180 |##          ...          ##| 180      cut in two, as RFC 7946 wants it
#                                  ##|## 180.001  whole, as a scene has it that counts on
# Of a circle: wider buildings there are none, so such rings have jumped to the other end
_WIDEST = 1 / 360


def period(crs: CRS | None) -> float | None:
    """How far x goes once around the earth, in units of ``crs``; None where it does not."""
    if crs is None:
        return None
    if crs.is_geographic:
        return 2 * math.pi / crs.axis_info[0].unit_conversion_factor
    operation = crs.coordinate_operation
    # other projections are cut elsewhere or do not repeat; Web Mercator is the one that tiles wrap
    if operation is not None and "Pseudo Mercator" in operation.method_name and crs.ellipsoid:
        return 2 * math.pi * crs.ellipsoid.semi_major_metre
    return None


def near(geometry: np.ndarray, middle: float, circle: float) -> np.ndarray:
    """Polygons with each part moved by whole circles to where it is nearest to the x ``middle``;
    parts that meet there become one.
    """
    parts, rows = shapely.get_parts(geometry, return_index=True)
    if not len(parts):
        return geometry
    joined, broken = _unbroken(parts, circle)
    left, _, right, _ = shapely.bounds(joined).T
    with np.errstate(invalid="ignore"):
        turns = np.nan_to_num(np.round((middle - (left + right) / 2) / circle))
    changed = np.unique(rows[(turns != 0) | broken])
    if not len(changed):
        return geometry
    coordinates, owner = shapely.get_coordinates(joined, return_index=True)
    coordinates[:, 0] += turns[owner] * circle
    moved = shapely.set_coordinates(joined.copy(), coordinates)
    out = geometry.copy()
    for row in changed:
        own = moved[np.searchsorted(rows, row) : np.searchsorted(rows, row, "right")]
        out[row] = own[0] if len(own) == 1 else shapely.union_all(own)
    return out


def gathered(geometry: np.ndarray, circle: float) -> np.ndarray:
    """Polygons around their common middle, where that makes the whole narrower: those on both sides
    of 180 degrees side by side.
    """
    parts = shapely.get_parts(geometry)
    parts = parts[~shapely.is_empty(parts)]
    if not len(parts):
        return geometry
    left, _, right, _ = shapely.bounds(parts).T
    # the mean of directions: that of 179 and -179 degrees is 180, not 0
    angles = (left + right) * math.pi / circle
    middle = math.atan2(np.sin(angles).sum(), np.cos(angles).sum()) * circle / (2 * math.pi)
    if right.max() - left.min() <= circle / 2:
        return geometry
    moved = near(geometry, middle, circle)
    left, _, right, _ = shapely.total_bounds(moved)
    narrower = right - left < np.ptp(shapely.total_bounds(geometry)[[0, 2]])
    return moved if narrower else geometry


def mended(geometry: np.ndarray, circle: float) -> np.ndarray:
    """Polygons whose rings jump from one end of the circle to the other, as those that were
    reprojected do, in one piece across it; the others as they are.
    """
    left, _, right, _ = shapely.bounds(geometry).T
    broken = np.flatnonzero(right - left > circle / 2)
    if not len(broken):
        return geometry
    out = geometry.copy()
    for row in broken:
        x, _ = shapely.get_coordinates(geometry[row])[0]
        out[row] = near(geometry[[row]], x, circle)[0]
    return out


def split_at_seam(geometry: np.ndarray, circle: float) -> np.ndarray:
    """Polygons with what reaches beyond 180 degrees cut off there and put at the other end."""
    half = circle / 2
    left, _, right, _ = shapely.bounds(geometry).T
    beyond = np.flatnonzero((left < -half) | (right > half))
    if not len(beyond):
        return geometry
    out = geometry.copy()
    for row in beyond:
        _, bottom, _, top = shapely.bounds(geometry[row])
        world = shapely.box(-half, bottom - 1, half, top + 1)
        turns = [
            shapely.transform(geometry[row], lambda points, by=by: points + [by * circle, 0])
            for by in (-1, 0, 1)
        ]
        parts = shapely.get_parts(shapely.intersection(turns, world))
        out[row] = shapely.MultiPolygon(
            [part for part in parts if part.geom_type == "Polygon" and part.area]
        )
    return out


def _unbroken(parts: np.ndarray, circle: float) -> tuple[np.ndarray, np.ndarray]:
    """Parts whose corners lie on both sides of the seam, with all of them on one side; and which
    these are.
    """
    left, _, right, _ = shapely.bounds(parts).T
    wide = np.flatnonzero(right - left > circle / 2)
    out = parts.copy()
    broken = np.zeros(len(parts), bool)
    for row in wide:
        coordinates = shapely.get_coordinates(parts[row])
        x = coordinates[:, 0]
        # each corner within half a circle of the first one
        x += circle * np.round((x[0] - x) / circle)
        if 0 < np.ptp(x) < circle * _WIDEST:
            out[row] = shapely.set_coordinates(parts[[row]].copy(), coordinates)[0]
            broken[row] = True
    return out, broken
