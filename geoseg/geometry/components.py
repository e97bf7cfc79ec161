"""Components of a mask that comes in strips, each handed out whole once it is complete: memory is
that of the components that are not.

Masks are bool (row, col).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


class Cut(NamedTuple):
    """Pixels cut out at ``row`` and ``col`` of a raster: ``mask`` bool (row, col) of those meant,
    and ``values`` (row, col) of them, None without any.
    """

    row: int
    col: int
    mask: np.ndarray
    values: np.ndarray | None = None


def joined(cuts: Sequence[Cut]) -> Cut:
    """Cuts with no pixel in common as one; values are 0 where none of them has any."""
    if len(cuts) == 1:
        return cuts[0]
    top = min(cut.row for cut in cuts)
    left = min(cut.col for cut in cuts)
    bottom = max(cut.row + cut.mask.shape[0] for cut in cuts)
    right = max(cut.col + cut.mask.shape[1] for cut in cuts)
    mask = np.zeros((bottom - top, right - left), bool)
    dtypes = [cut.values.dtype for cut in cuts if cut.values is not None]
    values = np.zeros(mask.shape, dtypes[0]) if dtypes else None
    for cut in cuts:
        rows = slice(cut.row - top, cut.row - top + cut.mask.shape[0])
        cols = slice(cut.col - left, cut.col - left + cut.mask.shape[1])
        mask[rows, cols] |= cut.mask
        if values is not None and cut.values is not None:
            np.copyto(values[rows, cols], cut.values, where=cut.mask)
    return Cut(top, left, mask, values)


@dataclass
class _Open:
    """A component that reached the last row so far: its ``top`` row, the row after its ``bottom``
    and its pixels in ``cuts``, none where it is ``too_tall``.
    """

    top: int
    bottom: int
    cuts: list[Cut] = field(default_factory=list)
    too_tall: bool = False


# What of a component lies in a strip may be several pieces, which a later strip joins:
#
#     a . b . c c     strip 1: a and b reach its last row and wait, c is complete
#     a . b . . .
#     - - - - - -
#     a a a . d .     strip 2: a touches both, which are one from here on; nothing goes on below it,
#     . . . . d .     so it is complete: one component, cut out of strip 1 twice and of strip 2 once
#     - - - - - -
class Components:
    """Takes the strips of a mask ``width`` pixels wide and hands out its components, 4- or
    8-connected by ``connectivity``.

    Those of more than ``tallest`` rows are not handed out, and nothing is held for them.
    """

    def __init__(self, width: int, connectivity: int, tallest: int) -> None:
        self.width = width
        self.row = 0  # rows that were taken
        self._reach = 0 if connectivity == 4 else 1
        self._structure = ndimage.generate_binary_structure(2, 1 + self._reach)
        self._tallest = tallest
        self._open: list[_Open] = []
        # at each pixel of the last row the number of its component, from 1 on; 0 on the ground
        self._last = np.zeros(width, np.int64)

    @property
    def first_row(self) -> int:
        """The first row that a component which is still to be handed out may have pixels in."""
        return min((one.top for one in self._open if not one.too_tall), default=self.row)

    def add(self, mask: np.ndarray, values: np.ndarray | None = None) -> list[Cut]:
        """Components that are complete by the next rows, ``mask``, with their ``values`` (row,
        col).
        """
        if not mask.any():
            done = self.finish()
            self.row += len(mask)
            return done
        labels, count = ndimage.label(mask, self._structure)
        before = len(self._open)
        group = self._groups(labels[0], count)
        reaching = labels[-1] > 0
        below = group[before - 1 + labels[-1][reaching]]
        waits = np.zeros(before + count, bool)
        waits[group[:before]] = waits[below] = True
        waits = waits[group[before:]]
        pieces = self._pieces(labels, values)
        # most begin and end in this strip
        done = [piece for piece, more in zip(pieces, waits, strict=True) if not more]
        done = [piece for piece in done if len(piece.mask) <= self._tallest]
        merged: dict[int, _Open] = {}
        for number, one in zip(group[:before].tolist(), self._open, strict=True):
            self._merge(merged, number, one)
        for label in np.flatnonzero(waits).tolist():
            piece = pieces[label]
            if piece.values is not None:  # a copy, for it outlives the strip
                piece = piece._replace(values=piece.values.copy())
            one = _Open(piece.row, piece.row + len(piece.mask), [piece])
            self._merge(merged, int(group[before + label]), one)
        self.row += len(mask)
        open_ = {number: one for number, one in merged.items() if one.bottom == self.row}
        self._open = list(open_.values())
        place = np.zeros(before + count, np.int64)
        place[list(open_)] = np.arange(1, len(open_) + 1)
        self._last[:] = 0
        self._last[reaching] = place[below]
        return done + _whole(one for one in merged.values() if one.bottom < self.row)

    def _pieces(self, labels: np.ndarray, values: np.ndarray | None) -> list[Cut]:
        """The pixels of each of the ``labels`` of the next rows."""
        pieces = []
        for label, box in enumerate(ndimage.find_objects(labels), 1):
            rows, cols = box
            own = None if values is None else values[box]
            pieces.append(Cut(self.row + rows.start, cols.start, labels[box] == label, own))
        return pieces

    def finish(self) -> list[Cut]:
        """Components that reach the last row, below which there is only ground."""
        done = _whole(self._open)
        self._open = []
        self._last[:] = 0
        return done

    def _groups(self, first: np.ndarray, count: int) -> np.ndarray:
        """A number for each component that waits and each of the ``count`` labels of the strip with
        the ``first`` row: the same for those that hang together.
        """
        one, other = [], []
        for shift in range(-self._reach, self._reach + 1):
            above = self._last[max(shift, 0) : self.width + min(shift, 0)]
            own = first[max(-shift, 0) : self.width + min(-shift, 0)]
            touch = (above > 0) & (own > 0)
            one.append(above[touch] - 1)
            other.append(len(self._open) + own[touch] - 1)
        nodes = np.concatenate(one), np.concatenate(other)
        size = len(self._open) + count
        graph = coo_array((np.ones(len(nodes[0]), np.int8), nodes), shape=(size, size))
        return np.asarray(connected_components(graph, directed=False)[1])

    def _merge(self, merged: dict[int, _Open], number: int, one: _Open) -> None:
        into = merged.setdefault(number, _Open(one.top, one.bottom))
        into.top = min(into.top, one.top)
        into.bottom = max(into.bottom, one.bottom)
        into.too_tall |= one.too_tall or into.bottom - into.top > self._tallest
        into.cuts = [] if into.too_tall else into.cuts + one.cuts


def _whole(complete: Iterable[_Open]) -> list[Cut]:
    return [joined(one.cuts) for one in complete if not one.too_tall]
