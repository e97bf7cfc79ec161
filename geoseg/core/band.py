"""Rows as wide as the scene that are filled window by window and taken away strip by strip.

A row of windows of a wide scene is most of what is held of it: 1,024 rows of 40,000 float32 are
164 MB a channel. So the memory of a band is a :class:`Buffer`, which may lie in a file; a window
then touches its own columns only, a strip a few rows, and both are let go again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np


class Buffer(Protocol):
    """Memory of an ``array``; after ``release`` it need not be resident until it is touched."""

    array: np.ndarray

    def release(self) -> None: ...


# Bytes of a band that are touched before it is released
_RESIDENT = 2**22

Allocate = Callable[[tuple[int, ...], Any], Buffer]


class MemoryBuffer:
    """An array of ``shape`` and ``dtype`` in memory, of any content."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.array = np.empty(shape, dtype)

    def release(self) -> None:
        pass


class Band:
    """An array (..., row, col) of which only the columns that were written count; others are 0.

    So rows of windows without data are never written, nor is anything cleared between two of them.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any, allocate: Allocate) -> None:
        self._buffer = allocate(shape, dtype)
        self._filled = np.zeros(shape[-1], bool)
        self._touched = 0

    @property
    def empty(self) -> bool:
        """Whether nothing was written since :meth:`clear`."""
        return not self._filled.any()

    def clear(self) -> None:
        self._filled[:] = False

    def put(self, rows: slice, cols: slice, values: np.ndarray) -> None:
        self._buffer.array[..., rows, cols] = values
        self._filled[cols] = True
        self._touch(values)

    def add(self, rows: slice, cols: slice, values: np.ndarray) -> None:
        """Add to what is there."""
        filled = self._filled[cols]
        if not filled.any():
            return self.put(rows, cols, values)
        target = self._buffer.array[..., cols]
        if not filled.all():
            target[..., ~filled] = 0
        target[..., rows, :] += values
        self._filled[cols] = True
        self._touch(values)

    def rows(self, top: int, stop: int) -> np.ndarray:
        """A copy of the rows from ``top`` to ``stop``; of an empty band zeros in the memory
        of one row.
        """
        array = self._buffer.array[..., top:stop, :]
        if self.empty:
            # of a row: a single zero would take `any` a hundred times as long
            return np.broadcast_to(np.zeros(array.shape[-1], array.dtype), array.shape)
        out = array.copy()
        if not self._filled.all():
            out[..., ~self._filled] = 0
        self._touch(out)
        return out

    def _touch(self, values: np.ndarray) -> None:
        """Let the buffer go once enough of it was touched, for each page then costs a fault."""
        self._touched += values.nbytes
        if self._touched > _RESIDENT:
            self._buffer.release()
            self._touched = 0
