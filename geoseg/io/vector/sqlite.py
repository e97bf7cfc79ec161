"""SQLite files that other programs have open: a lock is neither damage nor absence."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from geoseg.errors import InputError, OutputError
from geoseg.io.atomic import atomic

MAGIC = b"SQLite format 3\0"
# Seconds to wait for another program, which needs far less to save an edit
PATIENCE = 2.0
CLOSE_IT = "close it there, or wait until it is done"


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    """A connection without transactions of its own to a file that exists; ``mode`` is ro or rw."""
    address = f"{path.resolve().as_uri()}?mode={mode}"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=PATIENCE)


def is_lock(error: BaseException) -> bool:
    """Whether an error of SQLite, or of GDAL on it, says that another program is at work."""
    return any(words in str(error) for words in ("is locked", "SQLITE_BUSY"))


def check_readable(path: Path) -> None:
    """Raise InputError where another program has locked a SQLite file; GDAL would wait long, and
    call it damaged.
    """
    # in WAL mode (2) readers wait for nobody
    # byte 18 of the header is the write version: 1 for a journal, 2 for a log
    if _header(path)[18:19] != b"\1":
        return
    try:
        with closing(connect(path, "ro")) as database:
            database.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error as error:
        if is_lock(error):
            raise locked_input(path) from error


def locked_input(path: Path | str) -> InputError:
    return InputError(f"{path}: is locked by another program", CLOSE_IT)


def locked_output(path: Path | str) -> OutputError:
    return OutputError(f"{path}: is locked by another program", CLOSE_IT)


@contextmanager
def atomic_sqlite(path: Path | str, overwrite: bool) -> Iterator[Path]:
    """Like :func:`geoseg.io.atomic.atomic`, and raise OutputError where another program uses the
    file that would be replaced: what it saves next would be lost.
    """
    with atomic(path, overwrite) as temporary:
        _check_unused(Path(path))
        yield temporary
        _check_unused(Path(path))


def _check_unused(path: Path) -> None:
    """In WAL mode a program that merely has the file open holds a lock, else one that is reading or
    writing.
    """
    if not _header(path).startswith(MAGIC):
        return
    try:
        with closing(connect(path)) as database:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("BEGIN EXCLUSIVE")
            database.execute("ROLLBACK")
    except sqlite3.Error as error:
        # what is damaged, or not to be written, may be replaced
        if is_lock(error):
            raise OutputError(f"{path}: is open in another program", CLOSE_IT) from error


def _header(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(20)
