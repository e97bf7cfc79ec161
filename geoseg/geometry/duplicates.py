"""Footprints of one building, found in several scenes that overlap."""

from __future__ import annotations

import numpy as np
import shapely

# Share of the smaller one's area from which two footprints are the same building
SAME = 0.5


def same(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices into ``one`` and ``other``, polygons in one CRS, of the pairs that are the same
    building.
    """
    first, second = shapely.STRtree(other).query(one, predicate="intersects")
    return _alike(one, other, first, second)


def _alike(
    one: np.ndarray, other: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Those of the pairs ``first`` and ``second`` that are the same building."""
    common = shapely.area(shapely.intersection(one[first], other[second]))
    alike = common >= SAME * np.minimum(shapely.area(one[first]), shapely.area(other[second]))
    return first[alike], second[alike]


def distinct(geometry: np.ndarray, edge: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Which of the footprints stay, bool (n,): of those that are the same building the best.

    One that is cut at an ``edge`` gives way to a whole one, of two that are cut the smaller to the
    larger, then the less to the more confident and the later to the earlier. What gives way to one
    that gives way itself stays, unless it is the same as another that stays.
    """
    # the last key decides first: whole before cut, large before small among those cut, then
    # confidence
    order = np.lexsort(
        [-np.nan_to_num(confidence), np.where(edge, -shapely.area(geometry), 0), edge]
    )
    rank = np.argsort(order)
    one, other = shapely.STRtree(geometry).query(geometry, predicate="intersects")
    worse = rank[other] > rank[one]  # each pair once, and none with itself
    one, other = _alike(geometry, geometry, one[worse], other[worse])
    # For example a, b, c from the best to the worst, a the same as b and b the same as c: b goes
    # for a, and c stays, for it is not the same as a.
    stays = np.ones(len(geometry), bool)
    # the best first, each settled before it is asked
    for pair in np.argsort(rank[one], kind="stable"):
        if stays[one[pair]]:
            stays[other[pair]] = False
    return stays
