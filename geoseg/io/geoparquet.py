"""GeoParquet 1.x read with Arrow alone, without the import of pandas."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.errors import GEOSException

from geoseg.core.layer import Layer


def read_geoparquet(path: Path, columns: Collection[str] | None) -> Layer | None:
    """The primary geometries, written as WKB, with those of ``columns`` the file has, or with all.

    None for what is not as plain as that, and for what is damaged: other encodings, columns of dates or lists, or of which
    pandas made an index. geopandas then reads it, or knows what is wrong.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            about = json.loads(schema.metadata[b"geo"])
            primary, geometries = about["primary_column"], about["columns"]
            bounds = {field.name for field in schema if field.name == "bbox" and pa.types.is_struct(field.type)}
            others = [name for name in schema.names if name not in bounds | geometries.keys()]
            names = [name for name in others if columns is None or name in columns]
            plain = all(_plain(schema.field(name).type) and not name.startswith("__index") for name in names)
            if geometries[primary]["encoding"] != "WKB" or not plain:
                return None
            table = file.read([primary, *names])
        crs = geometries[primary].get("crs", "OGC:CRS84")
        found = {name: table[name].to_numpy() for name in names}
        return Layer(shapely.from_wkb(table[primary].to_numpy()), None if crs is None else CRS.from_user_input(crs), found)
    except (pa.ArrowException, OSError, CRSError, GEOSException, NotImplementedError, ValueError, TypeError, KeyError):
        return None


def _plain(kind: pa.DataType) -> bool:
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return is_text or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
