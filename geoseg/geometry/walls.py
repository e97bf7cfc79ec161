"""Rings of walls: lines that follow each other, whose short ones are taken out; corners are where
they meet.

In a ring of walls each has a neighbour before and after it; corners are where neighbours cross.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SLANTED = 2


@dataclass(frozen=True)
class Walls:
    """Lines ``normal`` · p = ``offset``, in order along their rings, in a frame turned to the
    building's direction.

    ``kind`` 0 is along x, 1 along y, 2 at a slant; ``heading`` (m, 2) is the way it is walked times
    its weight, a length. ``start`` (m, 2) is the break point before it.
    """

    ring: np.ndarray
    kind: np.ndarray
    normal: np.ndarray
    offset: np.ndarray
    heading: np.ndarray
    start: np.ndarray

    def take(self, index: np.ndarray) -> Walls:
        return Walls(*(values[index] for values in vars(self).values()))


def joined(walls: Walls) -> Walls:
    """``walls`` with a joint at the break point wherever two parallel ones follow each other."""
    kind = walls.kind
    normal = walls.normal
    start = walls.start
    before, _ = _neighbours(walls.ring)
    joint = np.flatnonzero((kind == kind[before]) & (kind != SLANTED))
    # A joint stands upright on the two walls, at their break point:
    #
    #     ______.                  ______
    #            ______     ->           |______      the joint is as long as their offsets differ
    across = np.column_stack([normal[joint, 1], normal[joint, 0]])
    rise = (walls.offset[joint] - walls.offset[before[joint]])[:, None] * normal[joint]
    joints = Walls(
        walls.ring[joint],
        1 - kind[joint],
        across,
        (across * start[joint]).sum(1),
        rise,
        start[joint],
    )
    return Walls(
        *(
            np.insert(own, joint, new, axis=0)
            for own, new in zip(vars(walls).values(), vars(joints).values(), strict=True)
        )
    )


def _neighbours(ring: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the one before and the one after along each ring; ``ring`` (m,) ascends."""
    index = np.arange(len(ring))
    first = np.append(True, ring[1:] != ring[:-1]) if len(ring) else np.empty(0, bool)
    last = np.append(first[1:], True)[: len(ring)]
    before = index - 1
    after = index + 1
    before[first] = index[last]
    after[last] = index[first]
    return before, after


def _corners(walls: Walls, before: np.ndarray) -> np.ndarray:
    """Where each wall meets the one before it; the break point between the two where they are
    nearly parallel.
    """
    one = walls.normal[before]
    other = walls.normal
    # of the angle between the two: 0 where they are parallel, 1 at a right one
    sine = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    # below 14.5 degrees the lines may cross far away from the building
    meets = np.abs(sine) > 0.25
    sine[~meets] = 1
    c = walls.offset[before]
    d = walls.offset
    # Cramer's rule for the point on both lines
    x = (c * other[:, 1] - d * one[:, 1]) / sine
    y = (one[:, 0] * d - other[:, 0] * c) / sine
    return np.where(meets[:, None], np.column_stack([x, y]), walls.start)


def straighten(walls: Walls, shortest: np.ndarray) -> tuple[Walls, np.ndarray]:
    """Take out walls below ``shortest`` metres (one a ring), the shortest first; what is left, and
    its corners (m, 2).

    Several walls of a ring go at once where they are no neighbours and no wall between them is
    shorter.
    """
    # A wall is a line and has no ends of its own, so taking one out needs no more than joining its
    # neighbours; corners are computed from what is left. The short wall of a stair goes, and the
    # two beside it, which are parallel, become one at the mean of their offsets weighted by their
    # lengths:
    #
    #     ______
    #           | short       ->      ____________
    #           |______
    #
    # Rings that have nothing left to take out are done and leave the loop, so that a round costs
    # what it changes. Rings are independent, hence the order of the result by ring at the end.
    done: list[tuple[Walls, np.ndarray]] = []
    while len(walls.ring):
        before, after = _neighbours(walls.ring)
        corners = _corners(walls, before)
        weight = np.maximum(np.hypot(*walls.heading.T), 1e-12)
        # along the way the wall is walked: negative where its corners have changed places, and then
        # shorter than any
        length = ((corners[after] - corners) * walls.heading).sum(1) / weight
        size = np.bincount(walls.ring)[walls.ring]
        # four walls are the least that a building has
        goes = (length < shortest[walls.ring]) & (size > 4)
        goes = _first(np.where(goes, length, np.inf), walls.ring, size, before, after)
        busy = np.zeros(len(shortest), bool)
        busy[walls.ring[goes]] = True
        busy = busy[walls.ring]
        done.append((walls.take(~busy), corners[~busy]))
        gone = _gone(walls, goes, before, after)
        walls = _without(walls, goes, gone, before, after, corners).take(busy[~gone])
    settled = Walls(
        *(
            np.concatenate(columns)
            for columns in zip(*(vars(w).values() for w, _ in done), strict=True)
        )
    )
    order = np.argsort(settled.ring, kind="stable")
    return settled.take(order), np.concatenate([corners for _, corners in done])[order]


def _first(
    length: np.ndarray, ring: np.ndarray, size: np.ndarray, before: np.ndarray, after: np.ndarray
) -> np.ndarray:
    """The walls to take out in this round: finite ``length`` and below their two neighbours on
    either side.

    Of a ring of less than 12 only the shortest, so that 4 remain.
    """
    order = np.lexsort([length, ring])
    rank = np.empty(len(order), np.int64)
    # ranks instead of lengths: of two equal walls one is still the first
    rank[order] = np.arange(len(order))
    least = np.isfinite(length)
    # Two neighbours on either side, since a wall that goes changes the offset of the next one
    # and with it the length of the one after.
    for step in (before, after):
        least &= (rank < rank[step]) & (rank < rank[step[step]])
    head = np.append(True, ring[order][1:] != ring[order][:-1])
    shortest = np.zeros(len(ring), bool)
    shortest[order[head]] = True
    return np.where(size < 12, shortest & np.isfinite(length), least)


def _gone(walls: Walls, goes: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The walls that go, and those that become one with the wall before."""
    # Between two parallel walls of one kind the wall and the one after go, the one before stays
    # for both. Else (a corner cut by a slanted wall) the wall goes alone and its neighbours meet.
    out = goes.copy()
    merged = goes & (walls.kind[before] == walls.kind[after]) & (walls.kind[before] != SLANTED)
    out[after[merged]] = True
    return out


def _without(
    walls: Walls,
    goes: np.ndarray,
    gone: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    corners: np.ndarray,
) -> Walls:
    """``walls`` less those that are ``gone``; parallel neighbours of one that goes become a wall at
    their mean offset.
    """
    wall = np.flatnonzero(goes & gone[after])
    one = before[wall]
    other = after[wall]
    offset = walls.offset.copy()
    heading = walls.heading.copy()
    start = walls.start.copy()
    weights = [np.hypot(*heading[side].T) for side in (one, other)]
    offset[one] = (weights[0] * offset[one] + weights[1] * offset[other]) / np.maximum(
        weights[0] + weights[1], 1e-12
    )
    heading[one] += heading[other]
    # the break point between the new neighbours, should they be nearly parallel
    alone = np.flatnonzero(goes & ~gone[after])
    start[after[alone]] = (corners[alone] + corners[after[alone]]) / 2
    return Walls(walls.ring, walls.kind, walls.normal, offset, heading, start).take(~gone)
