"""Burn footprints into label arrays.

Footprints are arrays of shapely polygons in the CRS of the grid. A pixel belongs to a footprint where its centre does (or,
with ``all_touched``, where the footprint touches it at all). Later footprints lie over earlier ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from rasterio.features import rasterize

from geoseg.core.grid import Grid

Footprints = Sequence[Any] | np.ndarray

# Vertices are rounded to this part of a pixel, well above the rounding of coordinates: a pixel whose centre lies on an edge
# then falls to the same side in whichever window it is burned.
_SNAP = 2.0**20


def burn(
    geometry: Footprints,
    grid: Grid,
    *,
    all_touched: bool = False,
    value: float = 1,
    values: Footprints | None = None,
    dtype: str = "uint8",
    fill: float = 0,
) -> np.ndarray:
    """Labels (row, col) of ``dtype`` on ``grid``: ``value``, or one of ``values`` for each footprint, else ``fill``.

    ``geometry`` must be valid (see :func:`repair`) and in the grid's CRS; missing and empty ones burn nothing. The work and
    the memory are those of all the footprints given: for windows of a large grid use :class:`Burner`.
    """
    footprints = np.asarray(geometry, dtype=object)
    burnt = np.full(len(footprints), value) if values is None else np.asarray(values)
    if len(burnt) != len(footprints):
        raise ValueError(f"{len(burnt)} values for {len(footprints)} footprints")
    out = np.full(grid.shape, fill, dtype)
    solid = ~(shapely.is_missing(footprints) | shapely.is_empty(footprints))
    if solid.any():
        shapes = zip(_to_pixels(footprints[solid], grid), burnt[solid].tolist(), strict=True)
        rasterize(shapes, out=out, all_touched=all_touched)
    return out


class Burner:
    """Footprints in a spatial index, to be burned window by window: each window sees only the footprints that reach it.

    Windows agree with the grid burned whole, pixel by pixel. Keywords are those of :func:`burn`.
    """

    def __init__(
        self,
        geometry: Footprints,
        *,
        all_touched: bool = False,
        value: float = 1,
        values: Footprints | None = None,
        dtype: str = "uint8",
        fill: float = 0,
    ) -> None:
        self.geometry = np.asarray(geometry, dtype=object)
        self.values = None if values is None else np.asarray(values)
        self.keywords: dict[str, Any] = {"all_touched": all_touched, "value": value, "dtype": dtype, "fill": fill}
        self._tree = shapely.STRtree(self.geometry)

    def inside(self, grid: Grid) -> np.ndarray:
        """Indices, in layer order, of the footprints whose bounds reach the bounds of ``grid``."""
        return np.sort(self._tree.query(shapely.box(*grid.bounds)))

    def burn(self, grid: Grid) -> np.ndarray:
        """Labels (row, col) on ``grid``, for example ``scene.grid.window(window)``."""
        hits = self.inside(grid)
        values = None if self.values is None else self.values[hits]
        return burn(self.geometry[hits], grid, values=values, **self.keywords)


def repair(geometry: Footprints) -> tuple[np.ndarray, int]:
    """Valid polygons and multipolygons, one for each given, and how many had to be repaired.

    Crossing rings become several polygons and overlapping parts their union. What has no area (points, lines, collapsed
    rings, missing ones) becomes an empty polygon, and counts as repaired unless it was missing or empty.
    """
    given = np.asarray(geometry, dtype=object)
    nothing = shapely.is_missing(given) | shapely.is_empty(given)
    sound = shapely.is_valid(given) & np.isin(shapely.get_type_id(given), (_POLYGON, _MULTIPOLYGON))
    broken = np.flatnonzero(~nothing & ~sound)
    out = given.copy()
    out[nothing] = shapely.Polygon()
    out[broken] = [_areas(g) for g in shapely.make_valid(given[broken], method="structure", keep_collapsed=False)]
    return out, len(broken)


_POLYGON, _MULTIPOLYGON = shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON


def _areas(geometry: shapely.Geometry) -> shapely.Geometry:
    """Only the polygons of any geometry: a polygon, a multipolygon, or an empty polygon."""
    parts = shapely.get_parts(geometry)
    while (shapely.get_type_id(parts) >= shapely.GeometryType.MULTIPOINT).any():
        parts = shapely.get_parts(parts)
    polygons = parts[(shapely.get_type_id(parts) == _POLYGON) & ~shapely.is_empty(parts)]
    if len(polygons) > 1:
        return shapely.union_all(polygons)
    return polygons[0] if len(polygons) else shapely.Polygon()


def _to_pixels(geometry: np.ndarray, grid: Grid) -> np.ndarray:
    """Footprints in pixels of ``grid``: x is the column, y the row."""
    inverse = ~grid.transform
    matrix = np.array([[inverse.a, inverse.b], [inverse.d, inverse.e]])
    shift = np.array([grid.transform.c, grid.transform.f])
    return shapely.transform(geometry, lambda xy: np.round((xy - shift) @ matrix.T * _SNAP) / _SNAP)
