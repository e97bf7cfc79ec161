"""Outlines finer than pixels: where the surface that a mask was cut from crosses its level.

Marching squares (Lorensen and Cline, SIGGRAPH 1987, in the plane) with the topology of the traced
outline: every side of a pixel on it lies between the centres of a pixel within and one without, and
gives one corner, where the straight line between their values crosses the level. Two lines of
corners can meet in a cell of four centres only where the four are like a checkerboard, and there
each keeps to its own triangle; so what is valid stays so, without looking.

A side between values that do not cross, because the mask was cleaned since, stays in the middle. A
side beside missing data or at the scene's border is the footprint's edge as far as anybody knows:
there the outline keeps the side and its corners.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import shapely

from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.outlines import SUBPIXEL_STEPS, collect_parts
from geoseg.geometry.rings import sides

# Corners come no closer to a pixel's centre than this, in pixels over SUBPIXEL_STEPS: no footprint
# vanishes, nor do corners fall together when a format rounds them
_LEAST = 64
# Of a side that is not between two valid pixels
_NONE = -(2**15)
# Rows and columns
_Pixels = tuple[np.ndarray, np.ndarray]


class _RowBuffer(NamedTuple):
    """Some of a :class:`geoseg.geometry.morphology.MaskStrip`."""

    mask: np.ndarray
    valid: np.ndarray
    scores: np.ndarray


class Crossings:
    """Crossings along the outlines that were traced so far and not yet taken: memory is that of the
    unfinished outlines.

    ``level`` is that of the mask, in the unit of the strips' scores.
    """

    def __init__(self, level: float) -> None:
        self.level = level
        self.row = 0
        self.last: _RowBuffer | None = None
        self.key = np.empty(0, np.int64)
        self.shift = np.empty(0, np.int16)

    def noted(self, strips: Iterable[MaskStrip]) -> Iterator[MaskStrip]:
        """``strips``, the crossings of each noted before it goes on."""
        for strip in strips:
            if len(strip.mask) and strip.scores is not None:
                self._note(_RowBuffer(strip.mask, strip.valid, strip.scores))
            yield strip

    def _note(self, own: _RowBuffer) -> None:
        # beyond the first row nothing is valid: sides on the border keep their place
        last = self.last or _RowBuffer(*(np.zeros_like(part[:1]) for part in own))
        rows = _RowBuffer(*(np.concatenate(pair) for pair in zip(last, own, strict=True)))
        mask = rows.mask
        top = self.row - 1
        upright = mask[:, 1:] != mask[:, :-1]
        level = mask[1:] != mask[:-1]
        # Sides of pixels that the outline runs along: on the left of (y + 1, x + 1), and on top of
        # (y + 1, x). The first row is the last of the strip before, whose upright sides are noted.
        y, x = np.nonzero(upright[1:])
        right = _key(y + 1 + top, x + 1, True), self._shift(rows, (y + 1, x), (y + 1, x + 1))
        y, x = np.nonzero(level)
        down = _key(y + 1 + top, x, False), self._shift(rows, (y, x), (y + 1, x))
        found = [(key[shift != _NONE], shift[shift != _NONE]) for key, shift in (right, down)]
        # the four sides at the middle of a checkerboard count as crossed, also beside missing data:
        # none keeps its corners
        y, x = np.nonzero(upright[1:] & upright[:-1] & level[:, 1:])
        y = y + 1 + top
        x = x + 1
        crossed = np.concatenate(
            [_key(y - 1, x, True), _key(y, x, True), _key(y, x - 1, False), _key(y, x, False)]
        )
        keys = np.concatenate([self.key, *(key for key, _ in found), crossed])
        shifts = np.concatenate(
            [self.shift, *(shift for _, shift in found), np.zeros(len(crossed), np.int16)]
        )
        # of equal ones the first, which knows its shift
        self.key, first_of = np.unique(keys, return_index=True)
        self.shift = shifts[first_of]
        self.last = _RowBuffer(*(part[-1:].copy() for part in rows))
        self.row += len(own.mask)

    def _shift(self, rows: _RowBuffer, one: _Pixels, other: _Pixels) -> np.ndarray:
        """How far from the side between ``one`` and ``other`` the crossing lies, to ``other``:
        int16, pixels times SUBPIXEL_STEPS.
        """
        # A level of 0.5 between pixel centres (o) of the scores 0.9 and 0.2, along one row:
        #
        #     o 0.9 . . . | . . . 0.2 o      the side of the pixel, half way between the centres
        #     o . . . . .>x . . . . . o      the crossing, at (0.9 - 0.5) / (0.9 - 0.2) = 0.57
        forth = rows.mask[one]
        scores = rows.scores[one].astype(np.float64), rows.scores[other].astype(np.float64)
        within = np.where(forth, *scores)
        without = np.where(forth, *scores[::-1])
        crosses = (within >= self.level) & (without < self.level)
        # what does not cross stays in the middle, at a share of 1/2
        share = np.where(crosses, within - self.level, 1) / np.where(crosses, within - without, 2)
        shift = np.rint((share - 0.5) * SUBPIXEL_STEPS).clip(
            _LEAST - SUBPIXEL_STEPS / 2, SUBPIXEL_STEPS / 2 - _LEAST
        )
        return np.where(
            rows.valid[one] & rows.valid[other], np.where(forth, shift, -shift), _NONE
        ).astype(np.int16)

    def outlines(self, geometry: np.ndarray) -> np.ndarray:
        """Traced ``geometry`` (n,), in pixels, with its corners on the level; what was noted of it
        is forgotten.
        """
        parts, owner = shapely.get_parts(geometry, return_index=True)
        # Each side of a pixel gives one point: its middle, moved across the side to the crossing.
        rings, part = shapely.get_rings(parts, return_index=True)
        if not len(rings):
            return geometry
        ring, start, step, turns = sides(rings)
        upright = step[:, 1] != 0
        col, row = np.minimum(start, start + step).T
        noted, shift = self._take(_key(row, col, upright))
        middle = start + step / 2
        middle[upright, 0] += shift[upright]
        middle[~upright, 1] += shift[~upright]
        return _closed(middle, ring, turns, upright, noted, part, owner)

    def _take(self, key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether each side was noted, and its shift in pixels."""
        # keys are sorted, as `np.unique` leaves them
        place = np.searchsorted(self.key, key).clip(max=len(self.key) - 1)
        noted = self.key[place] == key if len(self.key) else np.zeros(len(key), bool)
        shift = np.zeros(len(key))
        shift[noted] = self.shift[place[noted]] / SUBPIXEL_STEPS
        stays = np.ones(len(self.key), bool)
        stays[place[noted]] = False
        self.key = self.key[stays]
        self.shift = self.shift[stays]
        return noted, shift


def _key(row: np.ndarray, col: np.ndarray, upright: np.ndarray | bool) -> np.ndarray:
    """Number of the side on the left (``upright``) or on top of a pixel."""
    return (row << 32) + (col << 1) + upright


def _closed(
    points: np.ndarray,
    ring: np.ndarray,
    turns: np.ndarray,
    upright: np.ndarray,
    noted: np.ndarray,
    part: np.ndarray,
    owner: np.ndarray,
) -> np.ndarray:
    """Polygons of ``points`` along their rings, with the corner between two of which one was not
    ``noted`` (``turns``).
    """
    # the point before the first of a ring is its last
    begin = np.flatnonzero(np.diff(ring, prepend=-1))
    before = np.arange(len(ring)) - 1
    before[begin] = np.append(begin[1:], len(ring)) - 1
    keeps = turns & ~(noted & noted[before])
    # a corner has the x of its upright side and the y of its level one
    corner = (
        np.where(upright, points[:, 0], points[before, 0]),
        np.where(upright, points[before, 1], points[:, 1]),
    )
    at = np.flatnonzero(keeps)
    points = np.insert(points, at, np.column_stack(corner)[at], axis=0)
    ring = np.insert(ring, at, ring[at])
    bends = _bends(points, ring)
    return collect_parts(
        shapely.polygons(shapely.linearrings(points[bends], indices=ring[bends]), indices=part),
        owner,
    )


def _bends(points: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Where the rings turn; coordinates are multiples of 1 / SUBPIXEL_STEPS, so this is exact."""
    begin = np.flatnonzero(np.diff(ring, prepend=-1))
    last = np.append(begin[1:], len(ring)) - 1
    before = np.arange(len(ring)) - 1
    after = np.arange(len(ring)) + 1
    before[begin] = last
    after[last] = begin
    came = points - points[before]
    goes = points[after] - points
    return came[:, 0] * goes[:, 1] != came[:, 1] * goes[:, 0]
