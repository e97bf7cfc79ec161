"""GeoPackages read with SQLite alone, which takes a tenth of the time that GDAL with pyogrio takes
to be imported.

OGC 12-128r18, clause 2.1: a table of features has a column of geometries, each of them a header and
then WKB.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.errors import GEOSException

from geoseg.core.layer import Layer, column
from geoseg.io.safety import first_bytes

# Bytes of the header by its envelope (clause 2.1.3): none, xy, xyz, xym, xyzm
_HEADER = (8, 40, 56, 56, 72)
_KINDS: dict[str, type] = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "MEDIUMINT", "INT", "INTEGER"), int),
    **dict.fromkeys(("FLOAT", "DOUBLE", "REAL"), float),
    "BOOLEAN": bool,
    "TEXT": str,
}
_TABLES = """
    SELECT c.table_name, m.type, g.column_name, s.organization, s.organization_coordsys_id
    FROM gpkg_contents c JOIN gpkg_geometry_columns g USING (table_name)
    LEFT JOIN sqlite_master m ON m.name = c.table_name
    LEFT JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id WHERE c.data_type = 'features'
"""


def read_geopackage(
    path: Path, layer: str | None, preferred: str, columns: Collection[str] | None
) -> Layer | None:
    """The table ``layer``, by default ``preferred`` or else the only one, with those of ``columns``
    it has, or with all.

    None for what is not as plain as that, and for what is damaged: a file that is being written, a
    view, curves, a CRS without an EPSG code, a column of dates. GDAL then reads it, or knows what
    is wrong.
    """
    # a write-ahead log, which even reading would leave a file of
    if first_bytes(path, 20)[18:] != b"\1\1":
        return None
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as package:
            package.execute("PRAGMA trusted_schema = OFF")
            tables = {name: about for name, *about in package.execute(_TABLES)}
            name = layer or (preferred if preferred in tables else next(iter(tables), ""))
            if name not in tables or (layer is None and name != preferred and len(tables) > 1):
                return None
            kind, geometry_column, organization, code = tables[name]
            chosen = _columns(package, name, geometry_column, columns)
            if kind != "table" or str(organization).upper() != "EPSG" or chosen is None:
                return None
            names = ", ".join(map(quoted, [geometry_column, *chosen]))
            rows = package.execute(f"SELECT {names} FROM {quoted(name)}").fetchall()
        blobs, *values = zip(*rows, strict=True) if rows else [()] * (1 + len(chosen))
        found = {
            each: column(held, chosen[each]) for each, held in zip(chosen, values, strict=True)
        }
        return Layer(
            shapely.from_wkb(np.array([_wkb(blob) for blob in blobs], object)),
            CRS.from_epsg(code),
            found,
        )
    except (
        sqlite3.Error,
        CRSError,
        GEOSException,
        NotImplementedError,
        ValueError,
        TypeError,
        IndexError,
    ):
        return None


def _columns(
    package: sqlite3.Connection, table: str, geometry_column: str, wanted: Collection[str] | None
) -> dict[str, type] | None:
    """Names and types of the columns to be read; None where one of them holds what SQLite has no
    type for.
    """
    found = {}
    for _, name, kind, _, _, key in package.execute(f"PRAGMA table_info({quoted(table)})"):
        kind = kind.partition("(")[0].upper()
        if (
            name == geometry_column
            or (key and kind == "INTEGER")
            or (wanted is not None and name not in wanted)
        ):
            continue
        if kind not in _KINDS:
            return None
        found[name] = _KINDS[kind]
    return found


def _wkb(blob: bytes | None) -> bytes | None:
    """What follows the header; IndexError or ValueError where there is none."""
    if blob is None:
        return None
    if blob[:2] != b"GP":
        raise ValueError("no geometry of a GeoPackage")
    return blob[_HEADER[blob[3] >> 1 & 7] :]


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'
