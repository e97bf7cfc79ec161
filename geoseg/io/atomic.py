"""Outputs appear whole or not at all: a temporary name beside the output, then a rename."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from geoseg.errors import OutputError, UsageError
from geoseg.io.drafts import abandoned, draft_of, living, set_aside
from geoseg.io.durable import exchange, flush, flush_name, is_full

# How an output appears:
#
#     roofs.gpkg                                 an older one, complete, until the very end
#     .roofs.partial-3f9a2c-4711.gpkg            what is being written, by process 4711
#     roofs.gpkg                                 the new one: one rename, which a reader sees or not
#
# Whoever kills the process leaves a draft, never half an output; the next run removes the draft.

# What GDAL and SQLite write beside a file; the last belong to a COG or PMTiles in the making
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

# Times that a draft is deleted to which threads that are still at work add files
_ATTEMPTS = 20

_writing: set[Path] = set()  # by this process


_drafts: set[Path] = set()  # of this process, being written


def discard_drafts() -> None:
    """Delete what is being written, from any thread; only for a process that is about to end."""
    for temporary in list(_drafts):
        for path in temporary.parent.glob(f"{escape(temporary.name)}*"):
            for _ in range(_ATTEMPTS):
                with suppress(OSError):
                    remove(path)
                    break


def check_output(path: Path | str, overwrite: bool = False) -> Path:
    """Raise OutputError where ``path`` exists (without ``overwrite``) or cannot be written."""
    path = Path(path)
    _check_parent(path)
    if path.is_dir():
        raise OutputError(f"{path}: is a folder", "name a file")
    # a rename would replace /dev/null by a file
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: is a device or a pipe, not a file", "name a file")
    # a link that leads nowhere is somebody's too
    if os.path.lexists(path) and not overwrite:
        raise OutputError(f"{path}: exists already", "use `overwrite` to replace it")
    _check_alone(path)
    return path


def check_output_folder(
    path: Path | str, overwrite: bool = False, marker: str | None = None
) -> None:
    """Raise OutputError where the folder ``path`` exists and may not be replaced, or cannot be
    written; see :func:`atomic_folder`.
    """
    named = path
    path = Path(path).absolute()
    _check_parent(path)
    if os.path.lexists(path) and not path.is_dir():
        raise OutputError(f"{named}: exists and is no folder")
    if path.is_dir() and any(path.iterdir()):
        if not overwrite:
            raise OutputError(f"{named}: exists already", "use `overwrite` to replace it")
        if marker and not (path / marker).is_file():
            raise OutputError(
                f"{named}: is not replaced, for it holds no {marker}", "choose another folder"
            )
    _check_alone(path)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, unless it is there. Raises OutputError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(f"{path}: exists and is no folder", "name another one") from error
    except OSError as error:
        raise OutputError(f"{path}: cannot be made: {error.strerror}") from error


def _check_alone(path: Path) -> None:
    if path in _writing or any(living(path)):
        raise OutputError(
            f"{path}: another run is writing it", "wait until it is done, or name another output"
        )


def check_apart(output: Path | str, *inputs: Path | str) -> None:
    """Raise UsageError where ``output`` is one of the ``inputs``, which not even an overwriting run
    may replace.
    """
    if any(_same(Path(output), Path(each)) for each in inputs):
        raise UsageError(f"{output}: is an input", "write to another file")


def _same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, by links of either kind too."""
    try:
        return one.resolve() == other.resolve() or (one.exists() and one.samefile(other))
    except (OSError, ValueError, RuntimeError):  # links in a circle, a name that cannot be
        return False


def _check_parent(path: Path) -> None:
    folder = path.parent
    try:
        there = folder.is_dir()
        os.path.lexists(path)
        longest = os.pathconf(folder, "PC_NAME_MAX") if there else 0
    except (OSError, ValueError) as error:  # a name that the system cannot have
        raise OutputError(f"{path}: cannot be written: {error}") from error
    if not there:
        raise OutputError(f"{path}: the folder {folder} does not exist", "create it first")
    if len(os.fsencode(path.name)) > longest:
        raise OutputError(f"{path}: its name is too long", f"{longest} bytes are allowed")
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
    with claimed(path) as temporary:
        yield temporary
        flush(temporary)
        temporary.replace(path)
        flush_name(path)
        # a roofs.tif.ovr of the old raster would be read as overviews of the new one
        if replaces:
            _remove_sidecars(path)


@contextmanager
def claimed(path: Path) -> Iterator[Path]:
    """An empty draft of ``path``, which shows other runs that this one writes it; it is removed in
    the end. So are those of dead runs.
    """
    temporary = draft_of(path)
    _drafts.add(temporary)
    _writing.add(path)
    try:
        with _translated(path, temporary):
            for draft in (temporary, *abandoned(path)):
                remove(draft)
            try:
                temporary.touch()
            except FileNotFoundError as error:  # as in /proc, which says that it can be written
                raise OutputError(f"{path}: cannot be written in {path.parent}") from error
            if any(living(path)):  # began at the same moment
                raise OutputError(f"{path}: another run is writing it", "start one of them again")
            yield temporary
    finally:
        _writing.discard(path)
        remove(temporary)
        _drafts.discard(temporary)


@contextmanager
def addition_folder(path: Path) -> Iterator[Path]:
    """A folder beside ``path`` for what will be added to it, removed in the end; so are those of
    dead runs. Several runs, and threads, may add to one file.
    """
    draft = draft_of(path, "append")
    for dead in abandoned(path):
        with suppress(OSError):
            remove(dead)
    with tempfile.TemporaryDirectory(prefix=f"{draft.name}-", dir=path.parent) as folder:
        _drafts.add(Path(folder))
        try:
            yield Path(folder)
        finally:
            _drafts.discard(Path(folder))


@contextmanager
def atomic_parts(
    path: Path | str, overwrite: bool, parts: tuple[str, ...], stale: tuple[str, ...] = ()
) -> Iterator[Path]:
    """Like :func:`atomic` for an output of several files: that yielded, and those beside it with
    the suffixes ``parts``, which come first, for without ``path`` they are nothing.

    Files with the suffixes ``stale``, such as indexes, would be taken for those of the new output.
    """
    path = check_output(path, overwrite)
    with claimed(path) as folder:
        folder.unlink()
        folder.mkdir()
        yield folder / path.name
        flush(folder)
        new = [part for part in (*parts, path.suffix) if _part(folder, path, part).exists()]
        old = [part for part in (path.suffix, *parts, *stale) if part not in new[:-1]]
        try:
            _take_places(folder, path, old, new)
        except (KeyboardInterrupt, SystemExit):
            _take_places(folder, path, [part for part in old if part not in new], new)
            raise
        finally:
            flush_name(path)


def _part(folder: Path, path: Path, suffix: str) -> Path:
    return (folder / path.name).with_suffix(suffix)


# The old ``path`` goes first and the new one comes last: parts of two are never one output. What is
# done is not done again, so that it can be taken up where a signal came between.
def _take_places(folder: Path, path: Path, old: list[str], new: list[str]) -> None:
    """Remove ``path`` with the suffixes ``old``, and give their names to those that are ``new``."""
    for suffix in old:
        path.with_suffix(suffix).unlink(missing_ok=True)
    for suffix in new:
        if (part := _part(folder, path, suffix)).exists():
            part.replace(path.with_suffix(suffix))


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
    check_output_folder(path, overwrite, marker)
    path = Path(path).absolute()
    if aside := set_aside(path):
        aside.replace(path)
    with claimed(path) as claim:
        # what is taken up again has a name without a process, and its claim beside it
        temporary = path.with_name(f".{path.name}.partial") if keep else claim
        if not keep:
            claim.unlink()
        temporary.mkdir(exist_ok=keep)
        yield temporary
        flush(temporary)
        _swap(temporary, path, draft_of(path, "old"))
        flush_name(path)


def _swap(new: Path, path: Path, old: Path) -> None:
    if path.is_dir() and exchange(new, path):
        remove(new)
        return
    if path.is_dir():
        # for a moment there is none, and the next run brings `old` back should this one be killed
        path.replace(old)
    try:
        new.replace(path)
    except OSError:
        if old.exists():
            old.replace(path)
        raise
    remove(old)


@contextmanager
def _translated(path: Path, temporary: Path) -> Iterator[None]:
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


def unwritten(path: Path | str, reason: str) -> OutputError:
    """The error of a ``path`` that a library could not write, for a ``reason`` in its own words.

    Those for a full disk are many ("Cannot write feature", "cannot rollback"): the disk is asked.
    """
    words = reason.lower()
    if "full" in words or "no space" in words or is_full(Path(path).absolute().parent):
        return OutputError(f"{path}: the disk is full")
    return OutputError(f"{path}: could not be written: {' '.join(reason.split())}")


def save_text(path: Path | str, text: str, overwrite: bool = False) -> None:
    """Write ``text`` as UTF-8; what is no text, as bytes of a file name may be, becomes question
    marks. Raises OutputError.
    """
    with atomic(path, overwrite) as temporary:
        temporary.write_bytes(text.encode("utf-8", "replace"))
