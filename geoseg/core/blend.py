"""Blend the overlapping windows of a tiling into finished strips of rows, in the memory of one row
of windows.

A window's weight is the outer product of one weight along the rows and one along the columns, so
the sum of all weights at a pixel is a product too: each axis is normalised on its own, once, and
shares of the windows add up to 1 at every pixel. No sum of weights is kept and nothing is divided.
Arrays are float32 (channel, row, col).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from geoseg.core.band import Allocate, Band, MemoryBuffer
from geoseg.core.tiling import Tile, offsets
from geoseg.specs import TilingSpec

# An axis of 10 pixels, windows of 6 that overlap by 2, and the share of each:
#
#     window 0   1   1   1   1  .85 .15
#     window 1                  .15 .85  1   1   1   1
#
# In the middle of a window nothing overlaps, and it is copied; where shares lie between 0 and 1 it
# is multiplied and added. Along rows the same, so a pixel in a corner of four windows is the sum of
# four products, whose shares sum to 1.
#
# The last window of an axis of 8 is moved back and shares 4 pixels with the first. The less of its
# surroundings a window holds, the less it knows, so the seam lies in the middle of these:
#
#     window 0   1   1   1  .85 .15  0
#     window 1           0  .15 .85  1   1   1
KINDS = ("hann", "mean")


def window_weights(
    size: int,
    overlap: int,
    *,
    margin: int = 0,
    kind: str = "hann",
    before: int | None = None,
    after: int | None = None,
) -> np.ndarray:
    """Weights float64 (size) of a window along one axis: 1 in the middle, falling towards the
    neighbours.

    The window shares ``before`` and ``after`` pixels with its neighbours, the ``overlap`` or more
    (None: the overlap); 0 at the border of the scene, where nobody takes over and the weight stays
    1. In the middle of these lies a fall of ``overlap`` less twice the ``margin``: ``hann`` falls
    as a squared cosine, so that two neighbours sum to 1, ``mean`` not at all. The outermost
    ``margin`` pixels (at most half the overlap, for the neighbour has to have the others) weigh 0.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown blend {kind!r}")
    # half the overlap each: were it more, pixels would be left that neither window speaks for
    margin = min(margin, overlap // 2)
    fall = max(overlap - 2 * margin, 1)
    # at the middle of pixels, where sin² rises and falls by the same amounts
    at = np.arange(size) + 0.5

    def rise(shared: int) -> np.ndarray:
        if not shared:
            return np.ones(size)
        if kind == "mean":
            return (at > margin) * 1.0
        return np.sin(np.pi / 2 * np.clip((at - shared / 2) / fall + 0.5, 0, 1)) ** 2

    before, after = (overlap if shared is None else shared for shared in (before, after))
    return rise(before) * rise(after)[::-1]


@dataclass(frozen=True)
class Axis:
    """The windows along one axis of ``length`` pixels: where they start and the share of each in
    every pixel it covers.

    Shares are float32 (pixels of the window that lie on the axis); those of all windows sum to 1 at
    each pixel.
    """

    length: int
    offsets: tuple[int, ...]
    shares: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, length: int, spec: TilingSpec, edge: str = "shift", **weighting: Any) -> Axis:
        """Axis of the tiling ``tiles(shape, spec, edge)``; keywords as for
        :func:`window_weights`.
        """
        starts = offsets(length, spec, edge)
        if edge == "drop" and (not starts or starts[-1] + spec.size < length):
            raise ValueError("a tiling that drops the edge leaves pixels without a window")
        stops = [min(start + spec.size, length) for start in starts]
        shared = [0, *(a - b for a, b in zip(stops, starts[1:], strict=False)), 0]
        weights = [
            window_weights(stop - start, spec.overlap, **weighting, before=before, after=after)
            for start, stop, (before, after) in zip(starts, stops, pairwise(shared), strict=True)
        ]
        total = np.zeros(length)
        for start, weight in zip(starts, weights, strict=True):
            total[start : start + len(weight)] += weight
        shares = (w / total[s : s + len(w)] for s, w in zip(starts, weights, strict=True))
        # divided in float64, then rounded: shares that are exactly 1 stay so
        return cls(length, tuple(starts), tuple(share.astype(np.float32) for share in shares))

    def exclusive_slice(self, index: int) -> slice:
        """Pixels of a window (counted from its start) that it shares with no other: always in one
        piece.
        """
        own = np.flatnonzero(self.shares[index] == 1)
        return slice(own[0], own[-1] + 1) if len(own) else slice(0, 0)


class StripBlender:
    """Takes the windows of a tiling row by row and gives back finished rows.

    ``add`` the windows of a row of tiles in any order, then ``finish_row`` gives the rows that no
    later window reaches, in strips of at most ``strip_rows``. Holds one row of windows, and the
    rows it shares with the next, in memory that ``allocate`` gives. What a window says of pixels
    without data is blended like the rest: mask the strips by the scene's validity. Windows may be
    left out where none of their pixels is valid.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        spec: TilingSpec,
        *,
        channels: int = 1,
        margin: int = 0,
        kind: str = "hann",
        edge: str = "shift",
        strip_rows: int | None = None,
        allocate: Allocate = MemoryBuffer,
    ) -> None:
        self.rows = Axis.of(shape[0], spec, edge, margin=margin, kind=kind)
        self.cols = Axis.of(shape[1], spec, edge, margin=margin, kind=kind)
        self.channels = channels
        self.row = 0
        self._step = strip_rows or shape[0]
        self._parts = [_parts(self.cols, index) for index in range(len(self.cols.offsets))]
        highest = max(len(share) for share in self.rows.shares)
        self._band = Band((channels, highest, shape[1]), np.float32, allocate)
        # rows that two rows of windows share: what the upper one has of them, and room for the next
        starts = self.rows.offsets
        heights = map(len, self.rows.shares)
        shared = max(
            (a + n - b for (a, b), n in zip(pairwise(starts), heights, strict=False)), default=0
        )
        self._carry, self._spare = (
            Band((channels, shared, shape[1]), np.float32, allocate) for _ in range(2)
        )
        self._carried = 0

    @property
    def done(self) -> bool:
        return self.row == len(self.rows.offsets)

    def add(self, tile: Tile, array: np.ndarray) -> None:
        """Add the window of ``tile``, (channel, row, col); what reaches beyond the scene is left
        away.
        """
        if tile.row != self.row:
            raise ValueError(
                f"tile {tile.id} came while row {self.row} of the tiling was being blended"
            )
        height = len(self.rows.shares[self.row])
        left = self.cols.offsets[tile.col]
        for cols, share in self._parts[tile.col]:
            values = array[:, :height, cols]
            at = slice(left + cols.start, left + cols.stop)
            if share is None:
                self._band.put(slice(0, height), at, values)
            else:
                self._band.add(slice(0, height), at, values * share)

    def finish_row(self) -> Iterator[tuple[int, np.ndarray]]:
        """Strips ``(first row, (channel, row, col))`` of the rows from this row of tiles to the
        start of the next; take them all before the next :meth:`add`.
        """
        start = self.rows.offsets[self.row]
        height = len(self.rows.shares[self.row])
        last = self.row + 1 == len(self.rows.offsets)
        finished = (self.rows.length if last else self.rows.offsets[self.row + 1]) - start
        for top in range(0, finished, self._step):
            yield start + top, self._blended(top, min(top + self._step, finished))
        self._spare.clear()
        if not (self._band.empty and self._carry.empty):
            for top in range(finished, height, self._step):
                stop = min(top + self._step, height)
                rows = slice(top - finished, stop - finished)
                self._spare.put(rows, slice(None), self._blended(top, stop))
        self._carry, self._spare = self._spare, self._carry
        self._carried = height - finished
        self._band.clear()
        self.row += 1

    def shared(self) -> np.ndarray:
        """What the rows of windows above have of the rows they share with this one, (channel, row,
        col).
        """
        return self._carry.rows(0, self._carried)

    def resume(self, row: int, shared: np.ndarray | None) -> None:
        """Go on at ``row`` with what :meth:`shared` was there; None where that is not known."""
        self.row = row
        if shared is not None and shared.any():
            self._carry.put(slice(0, shared.shape[1]), slice(None), shared)
            self._carried = shared.shape[1]

    def _blended(self, top: int, stop: int) -> np.ndarray:
        """Rows of the band by their shares, with what the windows above have of them."""
        share = self.rows.shares[self.row]
        rows = self._band.rows(top, stop)
        carried = min(stop, self._carried) - top
        if self._band.empty and (carried <= 0 or self._carry.empty):
            return rows
        if self._band.empty:
            rows = rows.copy()
        shared = np.ones(len(share), bool)
        shared[self.rows.exclusive_slice(self.row)] = False
        for row in np.flatnonzero(shared[top:stop]):
            rows[:, row] *= share[top + row]
        if carried > 0:
            rows[:, :carried] += self._carry.rows(top, top + carried)
        return rows


def _parts(axis: Axis, index: int) -> list[tuple[slice, np.ndarray | None]]:
    """Pieces of a window along ``axis`` with their shares; None where the window is alone and can
    be copied.
    """
    share = axis.shares[index]
    own = axis.exclusive_slice(index)
    pieces = [
        (slice(0, own.start), share[: own.start]),
        (own, None),
        (slice(own.stop, len(share)), share[own.stop :]),
    ]
    return [(piece, part) for piece, part in pieces if piece.start < piece.stop]
