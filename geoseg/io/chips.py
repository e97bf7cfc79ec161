"""The chip index: a GeoParquet table of chips, with how they were cut in its metadata.

Columns: ``id, scene, row, col, image, mask, split, valid_fraction, geometry``; ``image`` and ``mask`` are paths relative to
the index's folder. Masks are uint8 class ids; 255 is ignored in loss and metrics.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyarrow.parquet as pq

from geoseg.errors import InputError, UnsuitableError
from geoseg.specs import Stretch

INDEX = "index.parquet"
IGNORE = 255
COLUMNS = ("id", "scene", "row", "col", "image", "mask", "split", "valid_fraction", "geometry")
_KEY = b"geoseg"


@dataclass(frozen=True)
class ChipInfo:
    """What all chips of an index share: bands, dtype, GSD in metres (None for pictures), class names, stretch."""

    bands: int
    dtype: str
    gsd: float | None
    classes: tuple[str, ...] = ("background", "building")
    stretch: Stretch | None = None

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ChipInfo:
        stretch = data.get("stretch")
        return cls(
            int(data["bands"]),
            str(data["dtype"]),
            data["gsd"],
            tuple(data["classes"]),
            Stretch(tuple(stretch["low"]), tuple(stretch["high"])) if stretch else None,
        )


@dataclass(frozen=True)
class ChipIndex:
    """A folder of chips: ``table`` has COLUMNS, one row a chip."""

    folder: Path
    table: gpd.GeoDataFrame
    info: ChipInfo

    def split(self, name: str) -> gpd.GeoDataFrame:
        return self.table[self.table["split"] == name]


def write_index(folder: Path, rows: list[dict[str, Any]], info: ChipInfo, crs: Any) -> None:
    """Write ``folder/index.parquet``; ``rows`` have COLUMNS, geometries in ``crs`` (None for pictures)."""
    table = gpd.GeoDataFrame(rows, columns=list(COLUMNS), geometry="geometry", crs=crs)
    path = folder / INDEX
    table.to_parquet(path, write_covering_bbox=False, schema_version="1.1.0")
    written = pq.read_table(path)
    metadata = {**(written.schema.metadata or {}), _KEY: json.dumps(asdict(info)).encode()}
    pq.write_table(written.replace_schema_metadata(metadata), path)


def read_index(folder: Path | str) -> ChipIndex:
    """Read a chip index folder. Raises InputError (missing, unreadable) and UnsuitableError (no chip index)."""
    folder = Path(folder)
    path = folder / INDEX if folder.is_dir() else folder
    if not path.is_file():
        raise InputError(f"{folder}: has no {INDEX}", "cut chips with `geoseg tile` or `geoseg prepare`")
    try:
        metadata = pq.read_schema(path).metadata or {}
        table = gpd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as GeoParquet") from error
    missing = set(COLUMNS) - set(table.columns)
    if missing or _KEY not in metadata:
        raise UnsuitableError(f"{path}: is not a chip index", "cut chips with `geoseg tile` or `geoseg prepare`")
    try:
        info = ChipInfo.from_dict(json.loads(metadata[_KEY]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: its description is malformed") from error
    return ChipIndex(path.parent, table, info)
