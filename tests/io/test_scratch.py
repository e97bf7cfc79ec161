import errno
import os
from pathlib import Path

import numpy as np
import pytest

from geoseg.core.band import MemoryBuffer
from geoseg.errors import OutputError
from geoseg.io.scratch import FileBuffer, scratch


def test_a_file_holds_what_memory_would(tmp_path: Path) -> None:
    buffer = FileBuffer(tmp_path, (2, 300, 417), np.float32)
    assert not buffer.array.any() and not list(tmp_path.iterdir())
    values = np.random.default_rng(0).random((2, 300, 417), np.float32)
    buffer.array[:, 20:] = values[:, 20:]
    buffer.release()
    np.testing.assert_array_equal(buffer.array[:, 20:], values[:, 20:])


def test_files_where_memory_is_used_up(tmp_path: Path) -> None:
    allocate = scratch(tmp_path, 1000)
    kinds = [type(allocate((size,), np.uint8)) for size in (600, 500, 400, 1)]
    assert kinds == [MemoryBuffer, FileBuffer, MemoryBuffer, FileBuffer]


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OutputError, match="the disk is full"):
        FileBuffer(tmp_path, (5, 7), np.uint8)
