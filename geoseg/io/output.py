"""Outputs appear whole or not at all: a temporary name beside the output, then a rename."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geoseg.errors import OutputError

SIDECARS = (".aux.xml", "-journal", "-wal", "-shm", ".ovr", ".msk")


def check_output(path: Path | str, overwrite: bool = False) -> Path:
    """Raise OutputError where ``path`` exists (without ``overwrite``) or cannot be written."""
    path = Path(path)
    folder = path.parent
    if not folder.is_dir():
        raise OutputError(f"{path}: the folder {folder} does not exist", "create it first")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{path}: the folder {folder} is not writable")
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already", "use --overwrite to replace it")
    if path.is_dir():
        raise OutputError(f"{path}: is a folder", "name a file")
    return path


def remove(path: Path) -> None:
    """Delete a file or folder and the sidecars that GDAL writes beside it; missing ones are no error."""
    if path.is_dir():
        shutil.rmtree(path)
    for candidate in (path, *(path.with_name(path.name + s) for s in SIDECARS)):
        candidate.unlink(missing_ok=True)


@contextmanager
def atomic(path: Path | str, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path (same folder, same extension); on success it becomes ``path``, otherwise it is removed."""
    path = check_output(path, overwrite)
    temporary = path.with_name(f".{path.stem}.partial-{os.getpid()}{path.suffix}")
    remove(temporary)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OutputError(f"{path}: the disk is full") from error
        raise
    finally:
        remove(temporary)


@contextmanager
def atomic_folder(path: Path | str, overwrite: bool = False) -> Iterator[Path]:
    """Like :func:`atomic` for a folder; a folder that exists and is empty may be taken without ``overwrite``."""
    path = Path(path)
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist", "create it first")
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path}: exists and is no folder")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise OutputError(f"{path}: exists already", "use --overwrite to replace it")
    temporary = path.with_name(f".{path.name}.partial-{os.getpid()}")
    remove(temporary)
    try:
        temporary.mkdir()
        yield temporary
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OutputError(f"{path}: the disk is full") from error
        raise
    finally:
        remove(temporary)
