"""SQLite files that other programs have open: a lock is neither damage nor absence."""

from __future__ import annotations

import re
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from geoseg.errors import InputError, OutputError, SafetyError
from geoseg.io.atomic import atomic

MAGIC = b"SQLite format 3\0"
# Seconds to wait for another program, which needs far less to save an edit
PATIENCE = 2.0
# Tables that SQLite's own extensions keep inside of the file
_MODULES = re.compile(
    r"\s*create\s+virtual\s+table\s+(if\s+not\s+exists\s+)?(\w+\s*\.\s*)?\w+\s+using\s+"
    r"(rtree|rtree_i32|geopoly|fts3|fts4|fts5)\b.*",
    re.I | re.S,
)
_QUOTED = re.compile(
    r"/\*.*?\*/|--[^\n]*|\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|\[[^\]]*\]|`(?:[^`]|``)*`", re.S
)
# Steps of SQLite's machine that a view may take, some 100 million a second, and how often it is
# looked at them
_STEPS = 3 * 10**7
_STEPS_A_BYTE = 100
_EACH = 10**5
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
    if _header(path)[18:19] == b"\1":
        _refusal(path)


def _refusal(path: Path) -> sqlite3.Error | None:
    """What SQLite says where it does not read a file. Raises InputError where another program has
    locked it.
    """
    try:
        with closing(connect(path, "ro")) as database:
            database.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error as error:
        if is_lock(error):
            raise locked_input(path) from error
        return error
    return None


# A program that was killed, or a copy made meanwhile, leaves a part of a file of SQLite beside it:
#
#     roofs.gpkg-wal        what was added since the last checkpoint: a part of the file
#     roofs.gpkg-journal    what the file held before a change that was not finished
#
# Whoever opens the file next puts it in order. To read is not to change, so that is done to a copy.
@contextmanager
def in_order(path: Path) -> Iterator[Path]:
    """``path``, or where no program has it open and such a part lies beside it, a copy of both that
    is in order and has the same name. Raises InputError where the two do not belong together.
    """
    own = path.resolve()
    left = [
        file
        for file in (Path(f"{own}-wal"), Path(f"{own}-journal"))
        if file.is_file() and file.stat().st_size
    ]
    if not left or _is_at_work(path, left):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.name)
        shutil.copyfile(own, copy)
        for file in left:
            shutil.copyfile(file, Path(folder, path.name + file.name.removeprefix(own.name)))
        try:
            with closing(connect(copy)) as database:
                database.execute("PRAGMA journal_mode = DELETE")
                database.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.Error as error:
            raise InputError(f"{path}: cannot be read: it is damaged") from error
        yield copy


def _is_at_work(path: Path, left: Sequence[Path]) -> bool:
    """Whether another program has a file of SQLite open beside which a log or a journal is left."""
    if _header(path)[18:19] == b"\1":
        if any(file.name.endswith("-wal") for file in left):  # which is of another file
            return False
        error = _refusal(path)
        # a journal that nobody is at work with is to be played back first
        return error is None or "readonly" not in str(error)
    if sys.platform == "win32":  # where what another program has open cannot be copied
        return False
    import fcntl

    try:
        with Path(f"{path.resolve()}-shm").open("r+b") as shared:
            # whoever has a file in WAL mode open holds this byte
            fcntl.lockf(shared, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 128)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


# What a file of SQLite may do to whoever reads it, and what is let through:
#
#     CREATE VIRTUAL TABLE t USING VirtualShape('/home/a/b')               reads another file: no
#     CREATE VIRTUAL TABLE t USING rtree(...)                              an index: yes
#     CREATE VIEW v AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL ...)     never ends: no
#     CREATE VIEW v AS SELECT ... FROM parcels JOIN owners                 yes
def check_schema(path: Path, name: Path) -> None:
    """Raise SafetyError where a file holds virtual tables that may read others, or where a layer is
    a view that SQLite does not come to the end of; InputError where its schema cannot be read. They
    are about ``name``.
    """
    try:
        with closing(_reader(path)) as database:
            rows = database.execute(
                "SELECT type, name, sql, rootpage FROM sqlite_master"
            ).fetchall()
            for kind, own, sql, page in rows:
                if kind == "table" and not page and not _MODULES.fullmatch(_bare(sql or "")):
                    raise SafetyError(f"{name}: its table {own} may read other files")
            views = {each.lower(): each for kind, each, *_ in rows if kind == "view"}
            if views:
                _check_views(path, name, database, views)
    except sqlite3.Error as error:
        if is_lock(error):
            raise locked_input(name) from error
        raise InputError(f"{name}: cannot be read: it is damaged") from error


def miscounted(path: Path, layer: str) -> int | None:
    """How many rows a layer has, where the table in which GDAL counts them has another number: a
    program that does not know of it has edited the layer.
    """
    try:
        with closing(_reader(path)) as database:
            known = database.execute(
                "SELECT feature_count FROM gpkg_ogr_contents WHERE lower(table_name) = lower(?)",
                [layer],
            ).fetchall()
            if known in ([], [(None,)]):
                return None
            (rows,) = database.execute(f"SELECT count(*) FROM {quoted(layer)}").fetchone()
    except sqlite3.Error:  # no such table: GDAL counts itself
        return None
    return None if known == [(rows,)] else int(rows)


def may_hold_layers(path: Path) -> bool:
    """Whether a GeoPackage has anything but pictures and tables without geometries, as far as it
    says.
    """
    try:
        with closing(_reader(path)) as database:
            sql = "SELECT count(*) FROM gpkg_contents WHERE data_type = 'features'"
            return bool(database.execute(sql).fetchone()[0])
    except sqlite3.Error:
        return True


def _reader(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing."""
    # a file in WAL mode wants a folder that can be written, unless nothing is in its log
    logged = Path(f"{path.resolve()}-wal").exists() or _header(path)[18:19] == b"\1"
    return connect(path, "ro" if logged else "ro&immutable=1")


def _bare(sql: str) -> str:
    """SQL without comments, its quoted names a ``q``."""
    return _QUOTED.sub(lambda found: " " if found[0][0] in "-/" else "q", sql)


def _check_views(
    path: Path, name: Path, database: sqlite3.Connection, views: dict[str, str]
) -> None:
    """Go through the views that are layers once; what may be taken for it grows with the file, for
    honest ones go through its rows some times.
    """
    try:
        named = database.execute("SELECT lower(table_name) FROM gpkg_contents").fetchall()
    except sqlite3.Error:  # no GeoPackage, in which any may be a layer
        named = [(each,) for each in views]
    steps = _STEPS + _STEPS_A_BYTE * path.stat().st_size
    for view in views.keys() & {each for (each,) in named}:
        database.set_progress_handler(_countdown(steps // _EACH), _EACH)
        try:
            database.execute(f"SELECT count(*) FROM {quoted(views[view])}").fetchone()
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise SafetyError(
                    f"{name}: its layer {views[view]} is a view that does not come to an end",
                    "copy what it should hold into a table",
                ) from error
            # whoever reads the layer meets what else is wrong with it


def _countdown(times: int) -> Callable[[], bool]:
    """What is true when it is called once more than so many ``times``."""
    left = iter(range(times))
    return lambda: next(left, None) is None


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
