"""Memory in a file that has no name, for what is too large to be held."""

from __future__ import annotations

import errno
import math
import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.core.band import Allocate, Buffer, MemoryBuffer
from geoseg.errors import OutputError


class FileBuffer:
    """An array in a file of ``folder`` that ends with the process; zeros at first.

    What was touched stays in memory until it is released. The bytes then are in the system's cache
    of files, which gives way where other work wants memory. Raises OutputError where the disk is
    full.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...], dtype: Any) -> None:
        size = max(1, math.prod(shape) * np.dtype(dtype).itemsize)
        try:
            with tempfile.TemporaryFile(dir=folder, prefix=".geoseg-") as file:
                if hasattr(os, "posix_fallocate"):
                    # a full disk is an error now; later, in the mapping, it would be a signal
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.truncate(size)
                self._mapped = mmap.mmap(file.fileno(), size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise OutputError(f"{folder}: the disk is full", f"{size / 1e6:.0f} MB") from error
            raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error
        self.array = np.frombuffer(self._mapped, dtype, math.prod(shape)).reshape(shape)

    def release(self) -> None:
        if hasattr(mmap, "MADV_DONTNEED"):
            self._mapped.madvise(mmap.MADV_DONTNEED)


def scratch(folder: Path | None, most: int) -> Allocate:
    """Buffers in memory as long as they take ``most`` bytes together, then in ``folder`` (by
    default that for temporary files).
    """
    left = most

    def allocate(shape: tuple[int, ...], dtype: Any) -> Buffer:
        nonlocal left
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if size <= left:
            left -= size
            return MemoryBuffer(shape, dtype)
        return FileBuffer(folder or Path(tempfile.gettempdir()), shape, dtype)

    return allocate
