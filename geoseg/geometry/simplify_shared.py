"""Outlines that share their walls, as those of classes do, simplified together: no gap opens
between two, and none overlap.

Where more than two sides of pixels meet is a node; the wall between two nodes is simplified once,
so both neighbours get the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from geoseg.geometry.outlines import collect_parts
from geoseg.geometry.rings import sides

# Columns and rows as one number
_ROWS = np.array([1, 1 << 32])


# Three footprints meet at the node N; the wall between N and M is one line for both neighbours,
# which each of them walks in a direction of its own:
#
#     aaaaaaaM.....        a goes from M to N, b from N to M: simplified once,
#     aaaaa__|bbbbb        no gap opens and nothing overlaps
#     aaaaa|bbbbbbb
#     -----Nccccccc
@dataclass(frozen=True)
class _Walls:
    """Walls (m,) in order along their ``ring``: ``line`` as both neighbours have it, ``name`` int64
    the same for both.

    ``turned`` ones run the other way along the ring.
    """

    ring: np.ndarray
    line: np.ndarray
    turned: np.ndarray
    name: np.ndarray


def simplify_together(
    geometry: np.ndarray, tolerance: float, pixel_size: tuple[float, float]
) -> np.ndarray:
    """Leave out vertices of traced outlines (n,), in pixels; no point is further than ``tolerance``
    metres from the result.

    ``pixel_size`` is metres along x and y. Douglas and Peucker, The Canadian Cartographer 10
    (1973), wall by wall; walls of what would not stay a valid area, or would overlap another, keep
    their vertices.
    """
    parts, owner = shapely.get_parts(geometry, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    if tolerance <= 0 or not len(rings):
        return geometry
    walls = _walls(rings)
    scale = np.array(pixel_size)
    # Ends of a line are kept, and these are the nodes; what lies between may go, without GEOS
    # looking whether lines now cross (`preserve_topology` looks at each line alone and would not
    # see it).
    thin = shapely.simplify(
        shapely.transform(walls.line, lambda xy: xy * scale), tolerance, preserve_topology=False
    )
    thin = shapely.transform(thin, lambda xy: np.rint(xy / scale))
    stays = np.zeros(len(walls.line), bool)
    # Walls of what came out wrong go back to their raw lines, for both neighbours, until nothing is
    # wrong. It ends: each round returns at least one wall, and raw lines are right.
    while True:
        made, broken = _rings(walls, np.where(stays, walls.line, thin), rings)
        polygons = shapely.polygons(made, indices=part)
        bad = ~shapely.is_valid(polygons)
        bad[part[broken]] = True
        if not bad.any():  # a wall cut short may run through what lies beyond its neighbour
            bad = ~shapely.is_empty(shapely.coverage_invalid_edges(polygons))
        more = np.isin(walls.name, walls.name[bad[part[walls.ring]]]) & ~stays
        if not more.any():
            return collect_parts(polygons, owner)
        stays |= more


def _walls(rings: np.ndarray) -> _Walls:
    # The number of a side of a pixel: that of its lesser corner, and whether it is upright.
    # Neighbours that walk it in opposite directions get the same one.
    ring, start, step, turns = sides(rings)
    side = (np.minimum(start, start + step) @ _ROWS) * 2 + (step[:, 1] != 0)
    begins, order = _in_order(ring, _nodes(start, step, side))
    ring = ring[order]
    start = start[order]
    step = step[order]
    side = side[order]
    turns = turns[order]
    head = np.flatnonzero(begins)
    tail = np.append(head[1:], len(ring)) - 1
    kept = begins | turns
    wall = np.cumsum(begins) - 1
    # the end of each wall, which begins the next, after its own corners
    where = np.append(np.flatnonzero(begins[kept])[1:], kept.sum())
    points = np.insert(start[kept], where, (start + step)[tail], axis=0).astype(np.float64)
    of = np.insert(wall[kept], where, np.arange(len(head)))
    # Douglas and Peucker is not symmetric in ties, so both neighbours simplify the line as it runs
    # forth, and the one that walks it back turns the result round. A wall is named by the side at
    # that line's start: no side belongs to two walls.
    forth = _forth(points, of, len(head))
    line = shapely.linestrings(points, indices=of)
    return _Walls(
        ring[head],
        np.where(forth, line, shapely.reverse(line)),
        ~forth,
        np.where(forth, side[head], side[tail]),
    )


def _nodes(start: np.ndarray, step: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Which of the sides' first corners more than two sides of pixels meet in."""
    # a side between two neighbours is there twice and counts once
    _, once = np.unique(side, return_index=True)
    corner, degree = np.unique(
        np.concatenate([start[once], (start + step)[once]]) @ _ROWS, return_counts=True
    )
    return degree[np.searchsorted(corner, start @ _ROWS)] > 2


def _in_order(ring: np.ndarray, node: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sides turned about so that each ring begins at a node, and which of them then begin a wall;
    by index.

    A ring without a node begins where it did, at its topmost, then leftmost corner: on both sides
    of it the same.
    """
    begin = np.flatnonzero(np.diff(ring, prepend=-1))
    begins = node.copy()
    begins[begin[~np.logical_or.reduceat(node, begin)]] = True
    size = np.diff(np.append(begin, len(ring)))
    first = np.minimum.reduceat(np.where(begins, np.arange(len(ring)), len(ring)), begin)
    # for example a ring of sides 0 1 2 3 whose first node begins 2: in the order 2 3 0 1
    base, size, ahead = (np.repeat(values, size) for values in (begin, size, first - begin))
    order = base + (np.arange(len(ring)) - base + ahead) % size
    return begins[order], order


def _forth(points: np.ndarray, wall: np.ndarray, count: int) -> np.ndarray:
    """Whether walls run from their lesser to their greater end, or closed ones so that their area
    is positive.
    """
    first = np.searchsorted(wall, np.arange(count))
    last = np.append(first[1:], len(points)) - 1
    x, y = points.T
    twice = np.zeros(count)
    inside = wall[1:] == wall[:-1]
    np.add.at(twice, wall[1:][inside], (x[:-1] * y[1:] - x[1:] * y[:-1])[inside])
    rises = np.where(y[first] == y[last], x[last] > x[first], y[last] > y[first])
    closed = (points[first] == points[last]).all(1)
    return np.where(closed, twice > 0, rises)


def _rings(walls: _Walls, line: np.ndarray, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rings made of the walls' lines, and the numbers of those that have too few corners, which
    come as they were.
    """
    points, wall = shapely.get_coordinates(
        np.where(walls.turned, shapely.reverse(line), line), return_index=True
    )
    # the last point of a wall is the first of the next
    inside = np.append(wall[1:] == wall[:-1], False)
    points = points[inside]
    ring = walls.ring[wall[inside]]
    size = np.bincount(ring, minlength=len(raw))
    fine = size[ring] >= 3
    made = raw.copy()
    _, index = np.unique(ring[fine], return_inverse=True)
    made[size >= 3] = shapely.linearrings(points[fine], indices=index)
    return made, np.flatnonzero(size < 3)
