"""Area that two outlines have in common, many pairs at once, without building their intersection.

On each line across, the length that two areas share is a signed sum over the pairs of their edges
there (Green's theorem); with one of the two outlines along rows and columns only, the sum over a
pair's rows is a closed form.
"""

from __future__ import annotations

import numpy as np
import shapely

from geoseg.geometry.measure import rings_of

# Pairs of edges taken together, and those of two outlines from which they go through GEOS
PAIRS_AT_ONCE = 2**20
PAIR_LIMIT = 2**16


def intersection_areas(
    raw: np.ndarray, other: np.ndarray, limit: int = PAIR_LIMIT, at_once: int = PAIRS_AT_ONCE
) -> np.ndarray:
    """Square units that ``raw[i]`` and ``other[i]`` share, valid polygons or multipolygons: float64
    (n,).

    Fast where ``raw`` turns at right angles along the axes, as traced outlines do; any other shape,
    or two with more than ``limit`` pairs of edges, comes out as true. About ``at_once``
    pairs of edges are taken together.
    """
    # The area left of an outline's edges, those that fall less those that rise, is its area. Of two
    # outlines the same holds for pairs of edges, with what lies left of both:
    #
    #     |..|    |         on this row the pairs give, by the lesser x and the product of signs,
    #     r  s    R   S     +r (r,s)  -r (r,S)  -s (R,s)  +R (R,S)  =  R - s, the length in common
    out = np.zeros(len(raw))
    (upright, own, first) = _edges(raw)
    (slanted, across, second) = _edges(other)
    left = np.bincount(own, minlength=len(raw))
    right = np.bincount(across, minlength=len(raw))
    oblique = np.bincount(own, first[:, 0] != first[:, 2], len(raw)) > 0
    hard = oblique | (left * right > limit)
    out[hard] = shapely.area(shapely.intersection(raw[hard], other[hard]))
    easy = np.flatnonzero(~hard)
    begin = np.cumsum(right) - right
    pairs = np.cumsum((left * right)[easy])
    # some pairs at a time, so that arrays of pairs stay small for any number of outlines
    for group in np.split(easy, np.flatnonzero(np.diff(pairs // at_once)) + 1):
        chosen = np.flatnonzero(np.isin(own, group))
        count = right[own[chosen]]
        one = np.repeat(chosen, count)
        other_edge = (
            np.arange(len(one))
            - np.repeat(np.cumsum(count) - count, count)
            + np.repeat(begin[own[chosen]], count)
        )
        # most edges of two outlines have no row in common
        meet = np.minimum(first[one, 3], second[other_edge, 3]) > np.maximum(
            first[one, 1], second[other_edge, 1]
        )
        one = one[meet]
        other_edge = other_edge[meet]
        shares = upright[one] * slanted[other_edge] * _area_left_of(first[one], second[other_edge])
        out += np.bincount(own[one], shares, len(raw))
    return out


def _edges(geometry: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges that are not level: 1 or -1 as they rise or fall, the index of the geometry, and x, y,
    x, y upwards.
    """
    rings, owner = rings_of(shapely.orient_polygons(geometry))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    inside = (ring[1:] == ring[:-1]) & (points[1:, 1] != points[:-1, 1])
    start = points[:-1][inside]
    end = points[1:][inside]
    rises = end[:, 1] > start[:, 1]
    upwards = np.where(rises[:, None], np.hstack([start, end]), np.hstack([end, start]))
    return np.where(rises, 1.0, -1.0), owner[ring[1:][inside]], upwards


def _area_left_of(upright: np.ndarray, slanted: np.ndarray) -> np.ndarray:
    """The lesser x of an upright and a slanted edge, summed over the rows that both have."""
    x = upright[:, 0]
    (x0, y0, x1, y1) = slanted.T
    low = np.maximum(upright[:, 1], y0)
    high = np.minimum(upright[:, 3], y1)
    height = np.maximum(high - low, 0)
    slope = (x1 - x0) / (y1 - y0)
    one = x0 + (low - y0) * slope
    two = x0 + (high - y0) * slope
    # Along the slanted edge x goes evenly from `least` to `most`; it is the lesser one up to the
    # upright edge (a share of the height, on average (p + q) / 2), beyond it the upright edge's x.
    least = np.minimum(one, two)
    most = np.maximum(one, two)
    p, q = np.minimum(least, x), np.minimum(most, x)
    width = most - least
    share = np.where(width > 0, (q - p) / np.where(width > 0, width, 1), 1)
    return height * (share * (p + q) / 2 + (1 - share) * x)
