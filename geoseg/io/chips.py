"""The chip index: a GeoParquet table of chips, with how they were cut in its metadata.

Columns: ``id, scene, row, col, image, mask, split, valid_fraction, geometry``; ``image`` and ``mask`` are paths relative to
the index's folder and inside it. Masks are uint8 class ids; 255 is ignored in loss and metrics. Outlines of pictures without a
CRS are in pixels, x to the right and y downwards.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

import geopandas as gpd
import pyarrow.parquet as pq
from pyproj.exceptions import CRSError

from geoseg.errors import InputError, SafetyError, UnsuitableError
from geoseg.specs import Stretch

INDEX = "index.parquet"
IGNORE = 255
COLUMNS = ("id", "scene", "row", "col", "image", "mask", "split", "valid_fraction", "geometry")
_KEY = b"geoseg"


@dataclass(frozen=True)
class ChipInfo:
    """What all chips of an index share: bands, dtype, GSD in metres (None for pictures), class names, stretch.

    ``dtype`` is the scenes'; with a ``stretch``, which is in the scenes' values, the chips are uint8. They are too with
    ``percentiles`` (low, high), where scenes or groups of them were stretched each by its own.
    """

    bands: int
    dtype: str
    gsd: float | None
    classes: tuple[str, ...] = ("background", "building")
    stretch: Stretch | None = None
    percentiles: tuple[float, float] | None = None

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ChipInfo:
        stretch, percentiles = data.get("stretch"), data.get("percentiles")
        return cls(
            int(data["bands"]),
            str(data["dtype"]),
            None if data["gsd"] is None else float(data["gsd"]),
            tuple(data["classes"]),
            Stretch(tuple(stretch["low"]), tuple(stretch["high"])) if stretch else None,
            (float(percentiles[0]), float(percentiles[1])) if percentiles else None,
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
    table["mask"] = table["mask"].astype("string")  # else a column of no masks at all would have no type
    path = folder / INDEX
    table.to_parquet(path, index=False, schema_version="1.1.0")
    written = pq.read_table(path)
    metadata = {**(written.schema.metadata or {}), _KEY: json.dumps(asdict(info)).encode()}
    pq.write_table(written.replace_schema_metadata(metadata), path)


def read_index(folder: Path | str) -> ChipIndex:
    """Read a chip index folder.

    Raises InputError (missing, unreadable), UnsuitableError (no chip index) and SafetyError (chips outside the folder).
    """
    folder = Path(folder)
    path = folder / INDEX if folder.is_dir() else folder
    if not path.is_file():
        raise InputError(f"{folder}: has no {INDEX}", "cut chips with `geoseg tile` or `geoseg prepare`")
    try:
        metadata = pq.read_schema(path).metadata or {}
        if _KEY not in metadata:
            raise UnsuitableError(f"{path}: is not a chip index", "cut chips with `geoseg tile` or `geoseg prepare`")
        info = ChipInfo.from_dict(json.loads(metadata[_KEY]))
        table = gpd.read_parquet(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, CRSError) as error:
        raise InputError(f"{path}: cannot be read as a chip index: it is damaged") from error
    if missing := set(COLUMNS) - set(table.columns):
        raise InputError(f"{path}: lacks the columns {', '.join(sorted(missing))}")
    for name in (*table["image"], *table["mask"].dropna()):
        if PurePath(str(name)).is_absolute() or ".." in PurePath(str(name)).parts:
            raise SafetyError(f"{path}: names {name}, which lies outside its folder")
    return ChipIndex(path.parent, table, info)
