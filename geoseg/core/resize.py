"""Resize a stream of row strips, bilinearly, holding no more than the rows that a strip needs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


class StripResizer:
    """Turns strips (channel, row, col) of a raster of ``source`` (height, width) into strips of the
    same ground at ``target``.

    Pixel centres are aligned by area (half-pixel centres), values beyond the border are those at
    the border: any cutting into strips gives the same result. Meant to enlarge; shrinking by more
    than 2 skips pixels.
    """

    def __init__(self, source: tuple[int, int], target: tuple[int, int], rows: int = 256) -> None:
        self.height = source[0]
        self._row = _Axis(source[0], target[0])
        self._col = _Axis(source[1], target[1])
        self._rows = rows
        self._next = 0
        self._first = 0
        self._kept: np.ndarray | None = None

    @property
    def held(self) -> int:
        """Rows of the source that later rows need too."""
        return 0 if self._kept is None else self._kept.shape[1]

    def push(self, strip: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Add the next rows; yields ``(first row, float32 strip (channel, row, col))`` of what they
        complete.
        """
        strip = strip.astype(np.float32, copy=False)
        kept = strip if self._kept is None else np.concatenate([self._kept, strip], axis=1)
        end = self._first + kept.shape[1]
        # Of a target row both source rows around it have to be there. Of 4 rows enlarged to 8,
        # target row 4 lies at (4 + 0.5) / 2 - 0.5 = 1.75 and waits for source row 2.
        ready = (
            len(self._row.low) if end == self.height else int(np.searchsorted(self._row.high, end))
        )
        while self._next < ready:
            stop = min(self._next + self._rows, ready)
            yield self._next, self._resize(kept, slice(self._next, stop))
            self._next = stop
        needed = (
            min(int(self._row.low[self._next]), end) if self._next < len(self._row.low) else end
        )
        self._kept = kept[:, max(0, needed - self._first) :].copy()
        self._first = max(self._first, needed)

    def _resize(self, kept: np.ndarray, rows: slice) -> np.ndarray:
        axis = self._row
        first = self._first
        down = axis.part[rows, None]
        low = kept[:, axis.low[rows] - first]
        high = kept[:, axis.high[rows] - first]
        lines = low + (high - low) * down
        left = lines[..., self._col.low]
        right = lines[..., self._col.high]
        return left + (right - left) * self._col.part


class _Axis:
    """For each target pixel the two source pixels around its centre, and its part of the way
    between them.
    """

    def __init__(self, source: int, target: int) -> None:
        # pixels are areas: the middle of target pixel 0 lies at half a target pixel, not at a
        # corner
        centres = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
        self.low = np.floor(centres).astype(np.int64)
        self.high = np.minimum(self.low + 1, source - 1)
        self.part = (centres - self.low).astype(np.float32)
