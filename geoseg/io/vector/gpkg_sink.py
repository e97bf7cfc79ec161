"""GeoPackages written with SQLite alone: GDAL takes longer to be imported than most layers to be
written.

OGC 12-128r15 (GeoPackage 1.2): one table of features, geometries with their envelopes, an R-tree,
metadata as GDAL has them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import shapely
from pyproj import CRS
from pyproj.enums import WktVersion
from pyproj.exceptions import CRSError

from geoseg.io.vector.geopackage import quoted

# SQLite's types of the columns that Arrow calls so
_TYPES = {
    "int64": "INTEGER",
    "int32": "MEDIUMINT",
    "double": "REAL",
    "string": "TEXT",
    "bool": "BOOLEAN",
}
_HEADER = np.dtype(
    [("magic", "S2"), ("version", "u1"), ("flags", "u1"), ("srs", "<i4"), ("envelope", "<f8", 4)]
)
_XY = 0b11  # little endian, with an envelope of x and y
_WGS84 = CRS.from_epsg(4326)
_EXTENSIONS = "http://www.geopackage.org/spec120/#extension_"
_NOW = "DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))"
_SCHEMA = f"""
PRAGMA application_id = 0x47504B47;
PRAGMA user_version = 10200;
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY, organization TEXT NOT NULL,
    organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
    description TEXT DEFAULT '', last_change {_NOW}, min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE,
    srs_id INTEGER REFERENCES gpkg_spatial_ref_sys (srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL UNIQUE REFERENCES gpkg_contents (table_name),
    column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
    srs_id INTEGER NOT NULL REFERENCES gpkg_spatial_ref_sys (srs_id), z TINYINT NOT NULL, m TINYINT NOT NULL,
    PRIMARY KEY (table_name, column_name));
CREATE TABLE gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL,
    scope TEXT NOT NULL, UNIQUE (table_name, column_name, extension_name));
CREATE TABLE gpkg_metadata (id INTEGER PRIMARY KEY NOT NULL, md_scope TEXT NOT NULL DEFAULT 'dataset',
    md_standard_uri TEXT NOT NULL, mime_type TEXT NOT NULL DEFAULT 'text/xml', metadata TEXT NOT NULL DEFAULT '');
CREATE TABLE gpkg_metadata_reference (reference_scope TEXT NOT NULL, table_name TEXT, column_name TEXT, row_id_value INTEGER,
    timestamp {_NOW}, md_file_id INTEGER NOT NULL REFERENCES gpkg_metadata (id),
    md_parent_id INTEGER REFERENCES gpkg_metadata (id));
"""
# Annex F.3: they keep the index of a layer that is edited. t is the layer, r its index
_TRIGGERS = """
CREATE TRIGGER "{name}_insert" AFTER INSERT ON {t} WHEN (NEW.geom NOTNULL AND NOT ST_IsEmpty(NEW.geom)) BEGIN {add} END;
CREATE TRIGGER "{name}_update1" AFTER UPDATE OF geom ON {t}
    WHEN OLD.fid = NEW.fid AND (NEW.geom NOTNULL AND NOT ST_IsEmpty(NEW.geom)) BEGIN {add} END;
CREATE TRIGGER "{name}_update2" AFTER UPDATE OF geom ON {t} WHEN OLD.fid = NEW.fid AND (NEW.geom ISNULL OR ST_IsEmpty(NEW.geom))
    BEGIN DELETE FROM {r} WHERE id = OLD.fid; END;
CREATE TRIGGER "{name}_update3" AFTER UPDATE ON {t} WHEN OLD.fid != NEW.fid AND (NEW.geom NOTNULL AND NOT ST_IsEmpty(NEW.geom))
    BEGIN DELETE FROM {r} WHERE id = OLD.fid; {add} END;
CREATE TRIGGER "{name}_update4" AFTER UPDATE ON {t} WHEN OLD.fid != NEW.fid AND (NEW.geom ISNULL OR ST_IsEmpty(NEW.geom))
    BEGIN DELETE FROM {r} WHERE id IN (OLD.fid, NEW.fid); END;
CREATE TRIGGER "{name}_delete" AFTER DELETE ON {t} WHEN OLD.geom NOTNULL BEGIN DELETE FROM {r} WHERE id = OLD.fid; END;
"""
_ADD = (
    "INSERT OR REPLACE INTO {r} VALUES (NEW.fid, ST_MinX(NEW.geom), ST_MaxX(NEW.geom), "
    "ST_MinY(NEW.geom), ST_MaxY(NEW.geom));"
)


class GpkgSink:
    """One layer of MultiPolygons in a new GeoPackage at ``path``, with ``columns`` (name to Arrow
    type), in one transaction.

    Raises ValueError for what it cannot write (:func:`_reference`), sqlite3.Error where SQLite has
    no R-tree or cannot write.
    """

    def __init__(
        self,
        path: Path,
        columns: Mapping[str, str],
        crs: CRS,
        layer: str,
        metadata: Mapping[str, str],
    ) -> None:
        reference = _reference(crs)
        self._layer, self._srs, self._metadata, self._count = layer, reference[1], metadata, 0
        self._table, self._index = quoted(layer), quoted(f"rtree_{layer}_geom")
        self._bounds = np.array([np.inf, np.inf, -np.inf, -np.inf])
        self._insert = f"INSERT INTO {self._table} VALUES ({', '.join('?' * (len(columns) + 2))})"
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            # what is not whole is removed, so there is nothing to roll back
            self._db.executescript(f"PRAGMA journal_mode = OFF; {_SCHEMA} BEGIN")
            references = [_reference(_WGS84), *([reference] if self._srs != 4326 else [])]
            references += [
                (name, srs, "NONE", srs, "undefined", None)
                for name, srs in (("Cartesian", -1), ("geographic", 0))
            ]
            self._db.executemany(
                "INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)", references
            )
            fields = ", ".join(f"{quoted(name)} {_TYPES[kind]}" for name, kind in columns.items())
            self._db.execute(
                f"CREATE TABLE {self._table} (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "
                f"geom MULTIPOLYGON, {fields})"
            )
            self._db.execute(
                f"CREATE VIRTUAL TABLE {self._index} USING rtree(id, minx, maxx, miny, maxy)"
            )
        except BaseException:
            self.abort()
            path.unlink(missing_ok=True)
            raise

    def send(self, columns: Mapping[str, np.ndarray], geometry: np.ndarray) -> None:
        header, bounds = np.zeros(len(geometry), _HEADER), shapely.bounds(geometry)
        header["magic"], header["flags"], header["srs"] = b"GP", _XY, self._srs
        header["envelope"] = bounds[:, [0, 2, 1, 3]]
        heads, size = header.tobytes(), _HEADER.itemsize
        wkb = shapely.to_wkb(multi(geometry), byte_order=1, flavor="iso")
        blobs = [heads[i * size : (i + 1) * size] + body for i, body in enumerate(wkb)]
        fids = range(self._count + 1, self._count + 1 + len(geometry))
        self._db.executemany(
            self._insert, zip(fids, blobs, *map(_values, columns.values()), strict=True)
        )
        boxes = zip(fids, *header["envelope"].T.tolist(), strict=True)
        self._db.executemany(f"INSERT INTO {self._index} VALUES (?, ?, ?, ?, ?)", boxes)
        self._count += len(geometry)
        self._bounds[:2] = np.fmin(self._bounds[:2], bounds[:, :2].min(axis=0))
        self._bounds[2:] = np.fmax(self._bounds[2:], bounds[:, 2:].max(axis=0))

    def close(self) -> None:
        extent = self._bounds.tolist() if self._count else [None] * 4
        self._db.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, min_x, min_y, "
            "max_x, max_y, srs_id) "
            "VALUES (?, 'features', ?, ?, ?, ?, ?, ?)",
            [self._layer, self._layer, *extent, self._srs],
        )
        self._db.execute(
            "INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 'MULTIPOLYGON', ?, 0, 0)",
            [self._layer, self._srs],
        )
        self._extend("gpkg_rtree_index", "rtree", "write-only", (self._layer, "geom"))
        if self._metadata:
            self._describe()
        names = {
            "t": self._table,
            "r": self._index,
            "name": f"rtree_{self._layer}_geom".replace('"', '""'),
        }
        self._db.execute("COMMIT")
        self._db.executescript(_TRIGGERS.format(add=_ADD.format(**names), **names))
        self._db.close()

    def abort(self) -> None:
        self._db.close()

    def _describe(self) -> None:
        """Metadata in the words of GDAL, which shows them as those of the dataset."""
        items = "".join(
            f"<MDI key={quoteattr(key)}>{escape(text)}</MDI>"
            for key, text in self._metadata.items()
        )
        text = f"<GDALMultiDomainMetadata><Metadata>{items}</Metadata></GDALMultiDomainMetadata>"
        self._db.execute(
            "INSERT INTO gpkg_metadata (md_standard_uri, metadata) VALUES ('http://gdal.org', ?)",
            [text],
        )
        self._db.execute(
            "INSERT INTO gpkg_metadata_reference (reference_scope, md_file_id) VALUES "
            "('geopackage', 1)"
        )
        for table in ("gpkg_metadata", "gpkg_metadata_reference"):
            self._extend("gpkg_metadata", "metadata", "read-write", (table, None))

    def _extend(self, name: str, anchor: str, scope: str, where: tuple[str, str | None]) -> None:
        self._db.execute(
            "INSERT INTO gpkg_extensions VALUES (?, ?, ?, ?, ?)",
            [*where, name, _EXTENSIONS + anchor, scope],
        )


def multi(geometry: np.ndarray) -> np.ndarray:
    """Polygons as MultiPolygons of one."""
    single = shapely.get_type_id(geometry) == shapely.GeometryType.POLYGON
    out = geometry.copy()
    out[single] = shapely.multipolygons(geometry[single], indices=np.arange(int(single.sum())))
    return out


def _reference(crs: CRS) -> tuple[str, int, str, int, str, None]:
    """A row of gpkg_spatial_ref_sys; ValueError where ``crs`` has no code of EPSG or no form that
    version 1.2 knows.
    """
    code = crs.to_epsg(min_confidence=100)
    if code is None:
        raise ValueError("no CRS of EPSG")
    try:
        return crs.name, code, "EPSG", code, crs.to_wkt(WktVersion.WKT1_GDAL), None
    except CRSError as error:
        raise ValueError("a CRS beyond WKT 1") from error


def _values(column: np.ndarray) -> list[Any]:
    """As SQLite takes them: NULL for NaN and None, 0 and 1 for bool."""
    if column.dtype.kind == "b":
        return column.astype(int).tolist()
    return [None if value is None or value != value else value for value in column.tolist()]
