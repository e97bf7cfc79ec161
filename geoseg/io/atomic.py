"""Outputs appear whole or not at all: a temporary name beside the output, then a rename."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from geoseg.errors import OutputError, UsageError
from geoseg.io.drafts import abandoned, draft_of

# What GDAL and SQLite write beside a file; the last belong to a COG or PMTiles in the making
# How an output appears:
#
#     roofs.gpkg                                 an older one, complete, until the very end
#     .roofs.partial-3f9a2c-4711.gpkg            what is being written, by process 4711
#     roofs.gpkg                                 the new one: one rename, which a reader sees or not
#
# Whoever kills the process leaves a draft, never half an output; the next run removes the draft.
SIDECARS = (
    ".aux.xml",
    "-journal",
    "-wal",
    "-shm",
    ".ovr",
    ".msk",
    ".ovr.tmp",
    ".msk.ovr.tmp",
    ".warped.tif.tmp",
    ".tmp.mbtiles",
    ".tmp.mbtiles-journal",
)


_drafts: set[Path] = set()  # of this process, being written


def discard_drafts() -> None:
    """Delete what is being written, from any thread; only for a process that is about to end."""
    for temporary in list(_drafts):
        for path in temporary.parent.glob(f"{escape(temporary.name)}*"):
            with suppress(OSError):
                remove(path)


def check_output(path: Path | str, overwrite: bool = False) -> Path:
    """Raise OutputError where ``path`` exists (without ``overwrite``) or cannot be written."""
    path = Path(path)
    _check_parent(path)
    if path.is_dir():
        raise OutputError(f"{path}: is a folder", "name a file")
    # a rename would replace /dev/null by a file
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: is a device or a pipe, not a file", "name a file")
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already", "use `overwrite` to replace it")
    return path


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, unless it is there. Raises OutputError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(f"{path}: exists and is no folder", "name another one") from error
    except OSError as error:
        raise OutputError(f"{path}: cannot be made: {error.strerror}") from error


def check_apart(output: Path | str, *inputs: Path | str) -> None:
    """Raise UsageError where ``output`` is one of the ``inputs``, which not even an overwriting run
    may replace.
    """
    if Path(output).resolve() in [Path(each).resolve() for each in inputs]:
        raise UsageError(f"{output}: is an input", "write to another file")


def _check_parent(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise OutputError(f"{path}: the folder {folder} does not exist", "create it first")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{path}: the folder {folder} is not writable")


def remove(path: Path) -> None:
    """Delete a file or folder and the sidecars that GDAL writes beside it; missing ones are no
    error.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    _remove_sidecars(path)


def _remove_sidecars(path: Path) -> None:
    for suffix in SIDECARS:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextmanager
def atomic(path: Path | str, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path (same folder, same extension); on success it becomes ``path``,
    otherwise it is removed.

    Sidecars of a file that is replaced go with it: they would be taken for those of the new one.
    """
    path = check_output(path, overwrite)
    replaces = path.exists()
    temporary = draft_of(path)
    for draft in (temporary, *abandoned(path)):
        remove(draft)
    _drafts.add(temporary)
    try:
        with _told(path, temporary):
            yield temporary
            temporary.replace(path)
            # a roofs.tif.ovr of the old raster would be read as overviews of the new one
            if replaces:
                _remove_sidecars(path)
    finally:
        remove(temporary)
        _drafts.discard(temporary)


@contextmanager
def atomic_parts(
    path: Path | str, overwrite: bool, parts: tuple[str, ...], stale: tuple[str, ...] = ()
) -> Iterator[Path]:
    """Like :func:`atomic` for an output of several files: that yielded, and those beside it with
    the suffixes ``parts``, which come first, for without ``path`` they are nothing.

    Files with the suffixes ``stale``, such as indexes, would be taken for those of the new output.
    """
    path = check_output(path, overwrite)
    folder = path.with_name(f".{path.stem}.partial")
    remove(folder)
    try:
        with _told(path, folder):
            folder.mkdir()
            yield folder / path.name
            for suffix in (*parts, *stale):
                path.with_suffix(suffix).unlink(missing_ok=True)
            for suffix in (*parts, path.suffix):
                part = (folder / path.name).with_suffix(suffix)
                if part.exists():
                    part.replace(path.with_suffix(suffix))
    finally:
        remove(folder)


@contextmanager
def atomic_folder(
    path: Path | str, overwrite: bool = False, marker: str | None = None, keep: bool = False
) -> Iterator[Path]:
    """Like :func:`atomic` for a folder; a folder that exists and is empty may be taken without
    ``overwrite``.

    With ``marker`` only a folder that holds a file of that name is ever replaced. The old folder
    stays until the new one is whole. With ``keep`` the temporary folder, ``.NAME.partial``, stays
    when the work on it fails, and is taken up again.
    """
    named = path
    path = Path(path).absolute()
    _check_parent(path)
    if path.exists() and not path.is_dir():
        raise OutputError(f"{named}: exists and is no folder")
    if path.is_dir() and any(path.iterdir()):
        if not overwrite:
            raise OutputError(f"{named}: exists already", "use `overwrite` to replace it")
        if marker and not (path / marker).is_file():
            raise OutputError(
                f"{named}: is not replaced, for it holds no {marker}", "choose another folder"
            )
    temporary = draft_of(path)
    old = draft_of(path, "old")
    for draft in abandoned(path):
        remove(draft)
    if keep:
        temporary = path.with_name(f".{path.name}.partial")
    else:
        remove(temporary)
    if not keep:
        _drafts.add(temporary)
    try:
        with _told(path, temporary):
            temporary.mkdir(exist_ok=keep)
            yield temporary
            _swap(temporary, path, old)
    finally:
        if not keep:
            remove(temporary)
        _drafts.discard(temporary)


def _swap(new: Path, path: Path, old: Path) -> None:
    if path.is_dir():
        # a folder cannot be replaced by a rename: for a moment there is none, and `old` brings it
        # back
        path.replace(old)
    try:
        new.replace(path)
    except OSError:
        if old.exists():
            old.replace(path)
        raise
    remove(old)


@contextmanager
def _told(path: Path, temporary: Path) -> Iterator[None]:
    """The errors of a full disk, or of a ``temporary`` that cannot be written, as OutputError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OutputError(f"{path}: the disk is full") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and str(temporary) in str(
            error.filename
        ):
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
        raise


def save_text(path: Path | str, text: str, overwrite: bool = False) -> None:
    """Write ``text`` as UTF-8; what is no text, as bytes of a file name may be, becomes question
    marks. Raises OutputError.
    """
    with atomic(path, overwrite) as temporary:
        temporary.write_bytes(text.encode("utf-8", "replace"))
