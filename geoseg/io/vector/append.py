"""Add to a GeoPackage without what it holds already, also while another program has it open.

A copy of what is committed is looked at, new footprints go into a file of their own, and in the end
one transaction of SQLite brings them into the GeoPackage: whole or not at all, beside what
others have committed meanwhile.
"""

from __future__ import annotations

import math
import sqlite3
import struct
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import CRS
from shapely.errors import GEOSException

from geoseg.core.layer import Layer
from geoseg.errors import OutputError, UnsuitableError
from geoseg.geometry.duplicates import same
from geoseg.io.atomic import addition_folder, check_output
from geoseg.io.vector.sqlite import MAGIC, connect, is_lock, locked_output, quoted

# Milliseconds to wait for another program when all is computed
_LAST_PATIENCE = 30_000
# Bytes before the WKB of a geometry, by its kind of envelope (OGC 12-128, clause 2.1.3)
_HEADER = (8, 40, 56, 56, 72)


@dataclass(frozen=True)
class _Waiting:
    """A footprint that gives way to the rows ``ahead``, all of them cut at an edge, unless these
    are replaced; then it replaces those ``behind``.
    """

    footprint: Layer
    ahead: set[int]
    behind: set[int]


@dataclass
class AppendTarget:
    """A layer that is added to: its CRS, the number its next footprint gets, and the rows that
    whole footprints replace. ``seen`` is a copy of the GeoPackage, ``added`` a path for what is
    new.
    """

    path: Path
    layer: str
    seen: Path
    added: Path
    crs: CRS | None
    first_id: int
    next_id: int
    replaced: set[int] = field(default_factory=set)
    waiting: list[_Waiting] = field(default_factory=list)

    def target_crs(self, wanted: str | CRS | None) -> CRS | None:
        """The layer's CRS; UnsuitableError where another one is ``wanted``."""
        if wanted is not None and CRS.from_user_input(wanted) != self.crs:
            raise UnsuitableError(f"{self.path}: is not in {wanted}", "leave `dst_crs` out")
        return self.crs

    def filter_new(self, batch: Layer) -> Layer:
        """The footprints of ``batch``, in the layer's CRS, that it does not hold yet, numbered
        onwards.

        One replaces those the layer holds of the same building if these are cut at an edge, and it
        is whole or shows more. Without a CRS nobody knows which are the same. One that gives way to
        a cut footprint alone waits, for that may be replaced itself: :meth:`release`.
        """
        from geoseg.io.vector.ogr import pyogrio

        if self.crs is not None:
            box = tuple(shapely.total_bounds(batch.geometry))
            wanted: dict[str, Any] = {
                "columns": ["edge"],
                "bbox": box,
                "return_fids": True,
                "force_2d": True,
            }
            try:
                _, rows, shapes, (edge,) = pyogrio.raw.read(self.seen, self.layer, **wanted)
                there = shapely.from_wkb(shapes)
            except (pyogrio.errors.FeatureError, GEOSException) as error:
                raise UnsuitableError(
                    f"{self.path}: holds geometries that cannot be read",
                    "delete them, or write into another file",
                ) from error
            own, old = same(batch.geometry, there)
            # a hundredth more, so that rounding does not replace a footprint by itself
            more = shapely.area(batch.geometry[own]) > 1.01 * shapely.area(there[old])
            cut = edge.astype(bool)[old]
            better = cut & (~batch.columns["edge"][own] | more)
            stays = np.isin(np.arange(len(batch)), own[~better], invert=True)
            self.replaced |= set(rows[old[stays[own]]].tolist())
            for i in np.setdiff1d(own[~better], own[~cut]):
                of = own == i
                ahead = set(rows[old[of & ~better]].tolist())
                behind = set(rows[old[of & better]].tolist())
                self.waiting.append(_Waiting(batch.take(np.array([i])), ahead, behind))
            batch = batch.take(stays)
        return self._numbered(batch)

    def release(self) -> Layer:
        """What waited for footprints that have been replaced since, once all batches are known."""
        batches = []
        # the largest first: what it replaces others may wait for, which are all smaller
        for each in sorted(
            self.waiting, key=lambda each: -shapely.area(each.footprint.geometry[0])
        ):
            if each.ahead <= self.replaced:
                self.replaced |= each.behind
                batches.append(each.footprint)
        self.waiting = []
        return self._numbered(Layer.joined(batches, self.crs))

    def _numbered(self, batch: Layer) -> Layer:
        numbers = np.arange(self.next_id, self.next_id + len(batch))
        self.next_id += len(batch)
        return replace(batch, columns={**batch.columns, "id": numbers})

    def merge(self, columns: Mapping[str, str]) -> None:
        """Bring what was added into the GeoPackage, and take what was replaced out of it unless
        somebody else has changed it since. Raises OutputError and sqlite3.Error.
        """
        with closing(connect(self.path)) as package, _locks(self.path):
            package.execute(f"PRAGMA busy_timeout = {_LAST_PATIENCE}")
            _add_functions(package)
            package.execute("ATTACH ? AS seen", [str(self.seen)])
            package.execute("ATTACH ? AS added", [str(self.added)])
            package.execute("BEGIN IMMEDIATE")
            # an error closes the connection, which rolls back
            before = _rows(package, "main", self.layer)
            shift = self._insert(package, list(columns))
            expected = before + _rows(package, "added", self.layer) - self._delete(package)
            # triggers and constraints of the user may delete rows, or leave out what is inserted
            if _rows(package, "main", self.layer) != expected or not self._holds_added(
                package, shift
            ):
                raise OutputError(
                    f"{self.path}: does not keep what is added to it: its layer {self.layer} has "
                    "triggers or constraints of its own",
                    "remove them, or write into another file",
                )
            package.execute("COMMIT")

    def _insert(self, package: sqlite3.Connection, columns: list[str]) -> int:
        """Insert what was added; returns by how much its numbers grew."""
        table, shape, srs = _geometry_column(package, "main", self.layer)
        new, new_shape, _ = _geometry_column(package, "added", self.layer)
        (last,) = package.execute(f"SELECT max(id) FROM main.{table}").fetchone()
        # another program may have added some meanwhile
        shift = (last or 0) + 1 - self.first_id
        values = ["id + ?" if name == "id" else quoted(name) for name in columns]
        package.execute(
            f"INSERT INTO main.{table} ({', '.join([shape, *map(quoted, columns)])}) "
            f"SELECT {', '.join([f'with_srs({new_shape}, ?)', *values])} FROM added.{new} "
            "ORDER BY rowid",
            [srs, shift],
        )
        (box,) = package.execute(
            "SELECT min_x, min_y, max_x, max_y FROM added.gpkg_contents WHERE table_name = ?",
            [self.layer],
        ).fetchall()
        if None not in box:
            package.execute(
                "UPDATE main.gpkg_contents SET min_x = min(coalesce(min_x, ?1), ?1), "
                "min_y = min(coalesce(min_y, ?2), ?2), max_x = max(coalesce(max_x, ?3), ?3), "
                "max_y = max(coalesce(max_y, ?4), ?4), "
                "last_change = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE table_name = ?5",
                [*box, self.layer],
            )
        return int(shift)

    def _holds_added(self, package: sqlite3.Connection, shift: int) -> bool:
        """Whether each footprint that was added is there, with its geometry."""
        table, shape, srs = _geometry_column(package, "main", self.layer)
        new, new_shape, _ = _geometry_column(package, "added", self.layer)
        lacking = package.execute(
            f"SELECT id + ?, with_srs({new_shape}, ?) FROM added.{new} "
            f"EXCEPT SELECT id, {shape} FROM main.{table} LIMIT 1",
            [shift, srs],
        )
        return lacking.fetchone() is None

    def _delete(self, package: sqlite3.Connection) -> int:
        """Delete what was replaced; returns how many rows that were."""
        table, shape, _ = _geometry_column(package, "main", self.layer)
        # only rows that are as they were seen: an edit of the user meanwhile is worth more than
        # ours
        done = package.executemany(
            f"DELETE FROM main.{table} WHERE rowid = ?1 AND {shape} = "
            f"(SELECT {shape} FROM seen.{table} WHERE rowid = ?1)",
            ((row,) for row in sorted(self.replaced)),
        )
        return max(0, done.rowcount)  # -1 where there was nothing to do


def check_appendable(path: Path) -> None:
    """Raise UnsuitableError where there is a file at ``path`` that is no GeoPackage."""
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise UnsuitableError(f"{path}: is no GeoPackage", "only these can be appended to")


@contextmanager
def append_to(path: Path, layer: str, columns: Mapping[str, str]) -> Iterator[AppendTarget]:
    """Look at the ``layer`` of a GeoPackage that is to be added to.

    Raises UnsuitableError where ``path`` is no GeoPackage with a ``layer`` of these columns, and
    OutputError where another program has locked it, or it cannot be written.
    """
    from geoseg.io.vector.ogr import pyogrio

    check_output(path, overwrite=True)
    check_appendable(path)
    with addition_folder(path) as folder:
        seen = Path(folder, "seen.gpkg")
        _copy_committed(path, seen)
        try:
            info = pyogrio.read_info(seen, layer=layer)
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
            raise UnsuitableError(
                f"{path}: has no layer {layer} to append to", "name it with `layer`"
            ) from error
        if list(info["fields"]) != list(columns):
            there = ", ".join(sorted(set(columns) ^ set(info["fields"]))) or "their order"
            raise UnsuitableError(
                f"{path}: its columns differ: {there}", "append with the options it was made with"
            )
        with closing(connect(seen)) as package:
            (last,) = package.execute(f"SELECT max(id) FROM {quoted(layer)}").fetchone()
            _leave_index(package, layer)
        crs = CRS.from_user_input(info["crs"]) if info["crs"] else None
        first = (last or 0) + 1
        yield AppendTarget(path, layer, seen, Path(folder, "added.gpkg"), crs, first, first)


def _leave_index(package: sqlite3.Connection, layer: str) -> None:
    """Let GDAL look at all rows where the spatial index lacks some, as after an edit by a program
    that does not know of it: what it lacks would be added again.
    """
    index = quoted(f"rtree_{layer}_geom")
    rows = f"SELECT count(*) FROM {quoted(layer)} WHERE geom IS NOT NULL"
    try:
        whole = package.execute(f"SELECT (SELECT count(*) FROM {index}) >= ({rows})").fetchone()
    except sqlite3.Error:  # there is none, or it is damaged
        whole = (0,)
    if not whole[0]:
        package.execute(f"DROP TABLE IF EXISTS {index}")


def _copy_committed(path: Path, copy: Path) -> None:
    """Copy what is committed, the write-ahead log of another program included."""
    try:
        with _locks(path), closing(connect(path)) as package, closing(sqlite3.connect(copy)) as to:
            # a lock, or a file not to be written, shows now and not when all is computed
            package.execute("BEGIN IMMEDIATE")
            package.execute("ROLLBACK")
            # a backup waits for ever where it may not read, so it gets a lock for that
            package.execute("BEGIN")
            package.execute("SELECT count(*) FROM sqlite_master").fetchall()
            package.backup(to)
            package.execute("ROLLBACK")
    except sqlite3.DatabaseError as error:
        raise OutputError(f"{path}: cannot be appended to: {error}") from error


@contextmanager
def _locks(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if is_lock(error):
            raise locked_output(path) from error
        raise


def _rows(package: sqlite3.Connection, schema: str, layer: str) -> int:
    (count,) = package.execute(f"SELECT count(*) FROM {schema}.{quoted(layer)}").fetchone()
    return int(count)


def _geometry_column(package: sqlite3.Connection, schema: str, layer: str) -> tuple[str, str, int]:
    """Table and column as SQL takes them, and the number of the CRS."""
    column, srs = package.execute(
        f"SELECT column_name, srs_id FROM {schema}.gpkg_geometry_columns WHERE table_name = ?",
        [layer],
    ).fetchone()
    return quoted(layer), quoted(column), srs


def _add_functions(package: sqlite3.Connection) -> None:
    """What the triggers of a spatial index call, and ``with_srs``."""
    package.create_function("ST_IsEmpty", 1, lambda blob: math.isnan(_bounds(blob)[0]))
    package.create_function("ST_MinX", 1, lambda blob: _bounds(blob)[0])
    package.create_function("ST_MinY", 1, lambda blob: _bounds(blob)[1])
    package.create_function("ST_MaxX", 1, lambda blob: _bounds(blob)[2])
    package.create_function("ST_MaxY", 1, lambda blob: _bounds(blob)[3])
    package.create_function("with_srs", 2, _with_srs)


# A trigger asks for all of them, one after the other
@lru_cache(maxsize=1)
def _bounds(blob: bytes) -> tuple[float, ...]:
    """Left, bottom, right and top of a geometry, NaN of an empty one."""
    geometry = shapely.from_wkb(blob[_HEADER[blob[3] >> 1 & 7] :])
    return tuple(shapely.bounds(geometry).tolist())


def _with_srs(blob: bytes, srs: int) -> bytes:
    """A geometry whose header names the CRS by the number that it has in another GeoPackage."""
    return blob[:4] + struct.pack("<i" if blob[3] & 1 else ">i", srs) + blob[8:]
