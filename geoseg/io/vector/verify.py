"""A layer is read back before it gets its name: GDAL says nothing where the disk fills up while it
closes a file.

    disk full at the last of 74 kB of GeoJSON      the last feature ends in the middle
    disk full while a GeoPackage is indexed        all features, and no spatial index
"""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from geoseg.io.plain_names import plain
from geoseg.io.vector import pmtiles
from geoseg.io.vector.sqlite import connect, quoted


def is_whole(path: Path, kind: str, layer: str, count: int) -> bool:
    """Whether the file at ``path``, of the format ``kind``, holds the ``count`` features that were
    written into its ``layer``.
    """
    try:
        return _holds(path, kind, layer, count)
    # what those who read it find wrong: GDAL, the system, Arrow, SQLite, a header cut off
    except (
        RuntimeError,
        OSError,
        ValueError,
        LookupError,
        EOFError,
        sqlite3.Error,
        struct.error,
        zlib.error,
    ):
        return False


def _holds(path: Path, kind: str, layer: str, count: int) -> bool:
    if kind == "gpkg":
        return _gpkg_is_whole(path, layer, count)
    if kind == "parquet":
        return _parquet_rows([path]) == count
    if kind == "parquet-tiles":
        return _parquet_rows(path.glob("*/*.parquet")) == count
    if kind == "pmtiles":
        return pmtiles.is_whole(path, count > 0)
    return _ogr_features(path, kind) == count


def _gpkg_is_whole(path: Path, layer: str, count: int) -> bool:
    with closing(connect(path, "ro")) as package:
        (state,) = package.execute("PRAGMA quick_check(1)").fetchone()
        ((column,),) = package.execute(
            "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", [layer]
        ).fetchall()
        index = quoted(f"rtree_{layer}_{column}_rowid")
        counts = [
            package.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in (quoted(layer), index)
        ]
    return state == "ok" and counts == [count, count]


def _parquet_rows(paths: Iterable[Path]) -> int:
    import pyarrow.parquet as pq

    rows = 0
    for path in paths:
        with path.open("rb") as file:  # opened here, for Arrow takes no name that is not UTF-8
            rows += pq.read_metadata(file).num_rows
    return rows


def _ogr_features(path: Path, kind: str) -> int:
    """How many features GDAL finds when it goes through all of them: headers count also what is cut
    off. For text it need not make geometries of what it goes through.
    """
    from geoseg.io.vector.ogr import pyogrio

    with plain(path) as name:
        if kind == "geojson":
            return int(pyogrio.read_info(name, force_feature_count=True)["features"])
        with pyogrio.raw.open_arrow(name, columns=[], use_pyarrow=True) as (_, batches):
            return sum(batch.num_rows for batch in batches)
