"""Burn footprints into label arrays.

Footprints are arrays of shapely polygons in the CRS of the grid. A pixel belongs to a footprint
where its centre does (or, with ``all_touched``, where the footprint covers any part of it). Later
footprints lie over earlier ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import shapely
from affine import Affine
from rasterio.features import rasterize

from geoseg.core.grid import Grid
from geoseg.geometry.measure import coordinates

Footprints = Sequence[Any] | np.ndarray

# Vertices are rounded to this part of a pixel, well above the rounding of coordinates: a pixel
# whose centre lies on an edge then falls to the same side in whichever window it is burned.
_SNAP = 2.0**20
# The same for outlines, whose products then fit into int64.
_STEPS_PER_PIXEL = 2**12
# Pixels beyond the grid: what reaches farther is cut to the half of it. GDAL burns nothing of
# coordinates beyond int32, and outlines have products that no longer fit.
_FAR = 2.0**18


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
    """Labels (row, col) of ``dtype`` on ``grid``: ``value``, or one of ``values`` for each
    footprint, else ``fill``.

    ``geometry`` must be valid (see :func:`repair`) and in the grid's CRS; missing and empty ones
    burn nothing. For the windows of a large grid use :class:`Burner`.
    """
    pixels = _to_pixels(np.asarray(geometry, dtype=object), grid)
    burnt = np.full(len(pixels), value) if values is None else np.asarray(values)
    if len(burnt) != len(pixels):
        raise ValueError(f"{len(burnt)} values for {len(pixels)} footprints")
    return _burn(pixels, burnt, np.full(grid.shape, fill, dtype), all_touched)


def _burn(pixels: np.ndarray, values: np.ndarray, out: np.ndarray, all_touched: bool) -> np.ndarray:
    """Burn footprints in pixels (x is the column, y the row) into ``out`` (row, col)."""
    solid = ~(shapely.is_missing(pixels) | shapely.is_empty(pixels))
    if not solid.any():
        return out
    pixels = pixels[solid]
    values = values[solid]
    # GDAL burns centres the same in any window. Touched pixels it does not, so they are burnt as
    # centres first and the outline's pixels on top, by our own rule.
    if not all_touched:
        rasterize(shapes(pixels, values), out=out)
        return out
    last = np.zeros(out.shape, np.int32)
    rasterize(shapes(pixels, np.arange(1, len(pixels) + 1)), out=last)
    _add_outlines(last, pixels)
    # numbers instead of values: only they say which of two footprints is the later
    return np.where(last > 0, values[last - 1], out).astype(out.dtype)


def shapes(pixels: np.ndarray, values: np.ndarray) -> Iterator[tuple[dict[str, Any], float]]:
    """Each polygon as GeoJSON with its value, the parts of a multipolygon one by one.

    Made of the coordinates of all at once: shapely, a ring at a time, takes longer than burning
    does.
    """
    parts, owner = shapely.get_parts(pixels, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    ends = np.cumsum(shapely.get_num_coordinates(rings)).tolist()
    xy = shapely.get_coordinates(rings).tolist()
    lines = [xy[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    last = np.cumsum(np.bincount(part, minlength=len(parts))).tolist()
    for start, end, value in zip([0, *last], last, values[owner].tolist(), strict=False):
        yield {"type": "Polygon", "coordinates": lines[start:end]}, value


class Burner:
    """Footprints in a spatial index, to be burned window by window: each window sees only the
    footprints that reach it.

    With ``grid``, of which the windows then have to be, they agree with the grid burned whole,
    pixel by pixel. Without it a window may be anywhere, and a pixel whose centre lies within a
    millionth of a pixel of an edge may differ. Keywords are those of :func:`burn`.
    """

    def __init__(
        self,
        geometry: Footprints,
        grid: Grid | None = None,
        *,
        all_touched: bool = False,
        value: float = 1,
        values: Footprints | None = None,
        dtype: str = "uint8",
        fill: float = 0,
    ) -> None:
        self.grid = grid
        self.geometry = np.asarray(geometry, dtype=object)
        if grid is not None:
            self.geometry = _to_pixels(self.geometry, grid)
        self.values = np.full(len(self.geometry), value) if values is None else np.asarray(values)
        self.all_touched = all_touched
        self.dtype = dtype
        self.fill = fill
        self._tree = shapely.STRtree(self.geometry)

    def inside(self, window: Grid) -> np.ndarray:
        """Indices, in layer order, of the footprints whose bounds reach the bounds of
        ``window``.
        """
        bounds = window.bounds
        if self.grid is not None:
            left, top = _offset(self.grid, window)
            bounds = left, top, left + window.width, top + window.height
        return self.within(bounds)

    def within(self, bounds: tuple[float, float, float, float]) -> np.ndarray:
        """Indices, in layer order, of the footprints whose bounds reach ``bounds``, those of
        ``geometry``: x is a column of ``grid`` and y a row where there is one.
        """
        return np.sort(self._tree.query(shapely.box(*bounds)))

    def burn(self, window: Grid) -> np.ndarray:
        """Labels (row, col) on ``window``, for example ``scene.grid.window(window)``."""
        hits = self.inside(window)
        geometry = self.geometry[hits]
        out = np.full(window.shape, self.fill, self.dtype)
        if self.grid is None:
            pixels = _to_pixels(geometry, window)
        else:
            offset = _offset(self.grid, window)
            pixels = shapely.transform(geometry, lambda xy: xy - offset)
        return _burn(pixels, self.values[hits], out, self.all_touched)


def repair(geometry: Footprints) -> tuple[np.ndarray, int]:
    """Valid polygons and multipolygons, one for each given, and how many had to be repaired.

    Crossing rings become several polygons and overlapping parts their union. What has no area
    (points, lines, collapsed rings, missing ones) becomes an empty polygon, and counts as repaired
    unless it was missing or empty.
    """
    given = np.asarray(geometry, dtype=object)
    nothing = shapely.is_missing(given) | shapely.is_empty(given)
    sound = shapely.is_valid(given) & np.isin(shapely.get_type_id(given), (_POLYGON, _MULTIPOLYGON))
    broken = np.flatnonzero(~nothing & ~sound)
    out = given.copy()
    out[nothing] = shapely.Polygon()
    out[broken] = [
        _areas(g)
        for g in shapely.make_valid(given[broken], method="structure", keep_collapsed=False)
    ]
    return out, len(broken)


_POLYGON = shapely.GeometryType.POLYGON
_MULTIPOLYGON = shapely.GeometryType.MULTIPOLYGON


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
    shift = (grid.transform.c, grid.transform.f)
    # less the origin first: coordinates of millions of metres would lose the digits of a small
    # pixel
    turned = Affine(inverse.a, inverse.b, 0, inverse.d, inverse.e, 0)
    pixels = shapely.transform(geometry, lambda xy: snapped(coordinates(xy - shift, turned)))
    left, top, right, bottom = shapely.bounds(pixels).T
    far = (
        (np.minimum(left, top) < -_FAR)
        | (right > grid.width + _FAR)
        | (bottom > grid.height + _FAR)
    )
    if far.any():  # as the outline of a country, and a drone's picture in it
        there = shapely.box(-_FAR / 2, -_FAR / 2, grid.width + _FAR / 2, grid.height + _FAR / 2)
        # no width: what merely touches the box comes as lines
        cut = shapely.buffer(shapely.intersection(repair(pixels[far])[0], there), 0)
        pixels[far] = shapely.transform(cut, snapped)
    return pixels


def snapped(pixels: np.ndarray) -> np.ndarray:
    """Coordinates in pixels as :class:`Burner` rounds them, so that windows agree on pixels whose
    centres lie on an edge.
    """
    return np.round(pixels * _SNAP) / _SNAP


def _offset(grid: Grid, window: Grid) -> tuple[int, int]:
    """Column and row of ``window`` in ``grid``; ValueError where it is no window of it."""
    own = grid.transform
    other = window.transform
    inverse = ~grid.transform
    x = other.c
    y = other.f
    at = inverse.a * x + inverse.b * y + inverse.c, inverse.d * x + inverse.e * y + inverse.f
    offset = round(at[0]), round(at[1])
    # a thousandth of a pixel: origins of windows are rounded, other grids are off by more
    same = (own.a, own.b, own.d, own.e) == (other.a, other.b, other.d, other.e)
    if not same or max(abs(at[0] - offset[0]), abs(at[1] - offset[1])) > 1e-3:
        raise ValueError("not a window of the grid to be burned on")
    return offset


def _add_outlines(last: np.ndarray, pixels: np.ndarray) -> None:
    """Raise ``last`` (row, col) to a footprint's number, from 1, wherever its outline runs through
    the inside of a pixel.

    In integers, as GDAL's own rule for touched pixels depends on where the array ends.
    """
    height, width = last.shape
    x, y, number = _edges(pixels)
    low = y.min(axis=1)
    high = y.max(axis=1)
    flat = low == high
    # The rows that an edge runs through: one along the line between two rows (flat) in neither, one
    # inside of a row in that row:
    #
    #     from 0.5 to 2.5   rows 0, 1, 2      flat at 1.5   row 1      flat at 2   none
    top = np.clip(low // _STEPS_PER_PIXEL, 0, height)
    bottom = np.clip(
        np.where(
            flat,
            low // _STEPS_PER_PIXEL + (low % _STEPS_PER_PIXEL > 0),
            -(-high // _STEPS_PER_PIXEL),
        ),
        0,
        height,
    )
    edge, row = _spread(top, bottom)
    ends = np.stack(
        [
            np.maximum(low[edge], row * _STEPS_PER_PIXEL),
            np.minimum(high[edge], (row + 1) * _STEPS_PER_PIXEL),
        ]
    )
    # where the edge enters and leaves the row: multiples of 1 / (_STEPS * rise) pixels
    rise = (y[:, 1] - y[:, 0])[edge]
    run = (x[:, 1] - x[:, 0])[edge]
    # A fraction of the edge's rise, left undivided: integers compare exactly, and the direction in
    # which the ring runs must not move a pixel.
    across = np.where(flat[edge], x[edge].T, x[edge, 0] * rise + (ends - y[edge, 0]) * run)
    across = np.where(rise < 0, -across, across)
    unit = np.where(flat[edge], 1, np.abs(rise)) * _STEPS_PER_PIXEL
    left = np.clip(across.min(axis=0) // unit, 0, width)
    right = np.clip(-(-across.max(axis=0) // unit), 0, width)
    span, col = _spread(left, right)
    np.maximum.at(last, (row[span], col), number[edge[span]])


def _edges(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both ends' x and y of every edge, int64 (edge, 2) in ``_STEPS_PER_PIXEL`` a pixel, and the
    number of its footprint, from 1.
    """
    rings, owner = shapely.get_rings(pixels, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    # a 4096th of a pixel: products of two such numbers, over 100,000 pixels, fit into 63 bits
    steps = np.round(xy * _STEPS_PER_PIXEL).astype(np.int64)
    first = np.flatnonzero(ring[1:] == ring[:-1])
    ends = np.stack([steps[first], steps[first + 1]], axis=1)
    return ends[..., 0], ends[..., 1], (owner[ring[first]] + 1).astype(np.int32)


def _spread(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every integer of every range [start, stop), and the index of its range."""
    length = np.maximum(stop - start, 0)
    index = np.repeat(np.arange(len(start)), length)
    # for example starts 3 and 7, stops 5 and 8: 3 4 7 of the ranges 0 0 1
    return index, np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length) + start[
        index
    ]
