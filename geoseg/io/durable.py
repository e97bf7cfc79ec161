"""What is written reaches the disk before it gets its name, and its name reaches it too."""

from __future__ import annotations

import ctypes
import os
import shutil
from contextlib import suppress
from pathlib import Path

# Free bytes below which a write that failed did so for lack of room: libraries fail in the middle
# of a block, and give back what they reserved
ROOM = 2**20
# Files of a folder that are flushed one by one; of more, the whole file system at once
ONE_BY_ONE = 64
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def flush(path: Path) -> None:
    """Wait until a file, or all in a folder, is on the disk; OSError where the disk is full."""
    if not path.is_dir():
        _flush_one(path)
        return
    entries = list(path.rglob("*"))
    if len(entries) > ONE_BY_ONE and hasattr(os, "sync"):
        os.sync()
        return
    for entry in (*entries, path):
        if not entry.is_symlink():
            _flush_one(entry)


def flush_name(path: Path) -> None:
    """Wait until the entry of ``path`` in its folder is on the disk, where systems can do that."""
    with suppress(OSError):  # some network file systems cannot
        _flush_one(path.parent)


def _flush_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_full(folder: Path) -> bool:
    """Whether hardly anything fits onto the disk of ``folder`` any more."""
    return shutil.disk_usage(folder).free < ROOM


def exchange(one: Path, other: Path) -> bool:
    """Let two entries take each other's place in one step, so that neither is ever missing; False
    where the system cannot do that.
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    names = (os.fsencode(one), os.fsencode(other))
    return bool(rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)
