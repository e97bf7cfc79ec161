"""GeoParquet 1.x read with Arrow alone, without the import of pandas."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.errors import GEOSException

from geoseg.core.layer import Layer, column

_KINDS: dict[str, type] = {
    **dict.fromkeys(
        ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"), int
    ),
    **dict.fromkeys(("halffloat", "float", "double"), float),
    "bool": bool,
    **dict.fromkeys(("string", "large_string"), str),
}


def read_geoparquet(path: Path, columns: Collection[str] | None) -> Layer | None:
    """The primary geometries, written as WKB, with those of ``columns`` the file has, or with all.

    None for what is not as plain as that, and for what is damaged: other encodings, columns of
    dates or lists, or of which pandas made an index. geopandas then reads it, or knows what is
    wrong.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            about = json.loads(schema.metadata[b"geo"])
            primary, geometries = about["primary_column"], about["columns"]
            bounds = {
                field.name
                for field in schema
                if field.name == "bbox" and pa.types.is_struct(field.type)
            }
            others = [name for name in schema.names if name not in bounds | geometries.keys()]
            names = [name for name in others if columns is None or name in columns]
            plain = all(
                str(schema.field(name).type) in _KINDS and not name.startswith("__index")
                for name in names
            )
            if geometries[primary]["encoding"] != "WKB" or not plain:
                return None
            table = file.read([primary, *names])
        crs = geometries[primary].get("crs", "OGC:CRS84")
        # as lists, for Arrow's own way to numpy imports pandas
        found = {
            name: column(table[name].to_pylist(), _KINDS[str(schema.field(name).type)])
            for name in names
        }
        geometry = shapely.from_wkb(np.array(table[primary].to_pylist(), object))
        return Layer(geometry, None if crs is None else CRS.from_user_input(crs), found)
    except (
        OSError,
        CRSError,
        GEOSException,
        ValueError,
        TypeError,
        KeyError,
        OverflowError,
        NotImplementedError,
    ):
        return None
