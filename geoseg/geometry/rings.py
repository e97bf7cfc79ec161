"""Corners that follow each other become rings, and rings polygons with their holes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, depth_first_order

from geoseg.geometry.outlines import collect_parts


@dataclass(frozen=True)
class Corners:
    """Corners of outlines in row-major order, twice where the outline passes twice (four pixels
    like a checkerboard).

    ``following`` is the index of the next corner along the ring, -1 where it lies below the seam.
    ``left`` is, for a corner that may start a hole, the index of a corner on the ring across the
    run of pixels to its left, else -1. ``twin`` marks the doubled ones, ``group`` is the
    footprint's number.
    """

    x: np.ndarray
    y: np.ndarray
    following: np.ndarray
    left: np.ndarray
    twin: np.ndarray
    group: np.ndarray

    def take(self, chosen: np.ndarray, group: np.ndarray) -> tuple[Corners, np.ndarray]:
        """The ``chosen`` ones with their new ``group``, and where each index went (with -1 to
        -1).
        """
        moved = np.append(np.cumsum(chosen) - 1, -1)
        # -1 finds the -1 that was appended: what points nowhere goes on doing so
        picked = (
            self.x[chosen],
            self.y[chosen],
            moved[self.following[chosen]],
            moved[self.left[chosen]],
            self.twin[chosen],
        )
        return Corners(*picked, group[chosen]), moved


class Sides(NamedTuple):
    """Sides of pixels along rings: number of the ring, first corner and step to the next (m, 2),
    whether it turns there.
    """

    ring: np.ndarray
    start: np.ndarray
    step: np.ndarray
    turns: np.ndarray


def sides(rings: np.ndarray) -> Sides:
    """The sides of pixels that traced ``rings`` run along, int64, in order."""
    points, ring = shapely.get_coordinates(rings, return_index=True)
    inside = np.flatnonzero(ring[1:] == ring[:-1])
    corner = points[inside].astype(np.int64)
    away = points[inside + 1].astype(np.int64) - corner
    # edges run along rows or columns, so one of the two differences is 0
    count = np.abs(away).sum(1)
    edge = np.repeat(np.arange(len(inside)), count)
    within = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    step = np.sign(away)[edge]
    return Sides(ring[inside][edge], corner[edge] + within[:, None] * step, step, within == 0)


def assembled(corners: Corners, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Polygons (n,) of closed rings in canonical order, and the number (n,) of each one's
    footprint, out of ``groups``.
    """
    count = len(corners.x)
    if not count:
        return np.empty(0, object), np.empty(0, np.int64)
    following, left, ring = _simple_rings(corners)
    position = np.arange(count)
    first = np.empty(ring.max() + 1, np.int64)
    last = np.empty_like(first)
    # A ring's first corner is its topmost, then leftmost one, since corners come in row-major
    # order. Of repeated indices the last assignment stays, which backwards is the first corner.
    first[ring[::-1]] = position[::-1]
    last[ring] = position
    # Only a hole's first corner has a ring across on its left. That may be another hole, so
    # parents are followed until nothing changes, twice as far each time:
    #
    #     # # # # # # #
    #     # . # . # . #      the third hole finds the second, that the first, that the exterior
    #     # # # # # # #
    exterior = left[first] < 0
    parent = np.where(exterior, np.arange(len(first)), ring[left[first]])
    while (parent != parent[parent]).any():
        parent = parent[parent]

    # Canonical order, however the strips were cut: footprints by their last row, then by first
    # corner; in one, each exterior with its holes behind it. `lexsort` takes its last key first.
    group = corners.group[first]
    final = np.zeros(groups, np.int64)
    np.maximum.at(final, group, corners.y[last])
    begin = np.full(groups, count)
    np.minimum.at(begin, group, first)
    order = np.lexsort([first, first[parent], begin[group], final[group]])

    # one path through all rings in order, cut before the first corner of each
    follower = np.empty_like(first)
    follower[order] = np.append(first[order[1:]], first[order[-1]])
    ends = following == first[ring]
    path = np.where(ends, follower[ring], following)
    # Each corner has one that follows, so a depth-first walk is the path; SciPy takes it
    # without a loop of Python.
    walk = depth_first_order(_graph(path), first[order[0]], return_predecessors=False)
    size = np.bincount(ring)[order]
    stop = np.cumsum(size)
    # polygons want the first point of a ring again as its last
    walk = np.insert(walk, stop, walk[stop - size])
    rings = np.concatenate([[0], stop + np.arange(1, len(stop) + 1)])
    shells = np.append(np.flatnonzero(exterior[order]), len(order))
    points = np.column_stack([corners.x[walk], corners.y[walk]]).astype(np.float64)
    parts = shapely.from_ragged_array(shapely.GeometryType.POLYGON, points, (rings, shells))
    owner = group[order][shells[:-1]]
    return collect_parts(parts, owner), owner[np.flatnonzero(np.diff(owner, prepend=-1))]


def _simple_rings(corners: Corners) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Next corner, corner across the left, and ring of each; rings that pass a corner twice are
    split into several there.

    The pixels lie on one side of a ring, and it meets itself on the other, so its meetings are
    nested and each split leaves two rings, in any order.
    """
    following = corners.following
    left = corners.left
    ring = connected_components(_graph(following), directed=True, connection="weak")[1]
    one = np.flatnonzero(corners.twin[:-1] & corners.twin[1:])
    other = one + 1
    meets = (
        (corners.x[one] == corners.x[other])
        & (corners.y[one] == corners.y[other])
        & (ring[one] == ring[other])
    )
    # A ring that passes a corner twice encloses ground there, and becomes two rings by
    # exchanging what follows at the twins. Here x parts an exterior and a hole:
    #
    #     # # #
    #     # . #        POLYGON ((0 0, 3 0, 3 2, 2 2, 2 3, 0 3, 0 0),
    #     # # x .               (1 1, 1 2, 2 2, 2 1, 1 1))
    if meets.any():
        one = one[meets]
        other = other[meets]
        following = following.copy()
        left = left.copy()
        following[one], following[other] = following[other], following[one]
        left[other] = left[one]
        ring = connected_components(_graph(following), directed=True, connection="weak")[1]
    return following, left, ring


def _graph(following: np.ndarray) -> csr_array:
    count = len(following)
    # a row a corner with one entry: the column indices are `following` itself
    return csr_array((np.ones(count), following, np.arange(count + 1)), shape=(count, count))
