"""The chip index: a GeoParquet table of chips, with how they were cut in its metadata.

Columns: ``id, scene, row, col, image, mask, split, valid_fraction, geometry``; ``image`` and
``mask`` are paths relative to the index's folder and inside it. Masks are uint8 class ids, or a
band of 0 and 1 for each class of a multi-label mask; 255 is ignored in loss and metrics. Outlines
of pictures without a CRS are in pixels, x to the right and y downwards.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.errors import GEOSException

from geoseg.core.encoding import VOID
from geoseg.errors import InputError, SafetyError, UnsuitableError
from geoseg.io.scene_names import INDEX
from geoseg.specs import Stretch

if TYPE_CHECKING:
    import geopandas as gpd

_KEY = "geoseg"
_TYPES = {
    "id": pa.string(),
    "scene": pa.string(),
    "row": pa.int64(),
    "col": pa.int64(),
    "image": pa.string(),
    "mask": pa.string(),
    "split": pa.string(),
    "valid_fraction": pa.float64(),
    "geometry": pa.binary(),
}
COLUMNS = tuple(_TYPES)


@dataclass(frozen=True)
class ChipInfo:
    """What all chips of an index share: bands, dtype, GSD in metres (None for pictures), class
    names, stretch.

    ``dtype`` is the scenes'; with a ``stretch``, which is in the scenes' values, the chips are
    uint8. They are too with ``percentiles`` (low, high), where scenes or groups of them were
    stretched each by its own. ``source_bands`` are the bands of the scenes, from 1, that the chips
    have; None where they have all. The ``classes`` exclude each other, unless the chips are
    ``multilabel``: then masks have a band for each of them.
    """

    bands: int
    dtype: str
    gsd: float | None
    classes: tuple[str, ...] = ("background", "building")
    stretch: Stretch | None = None
    percentiles: tuple[float, float] | None = None
    source_bands: tuple[int, ...] | None = None
    multilabel: bool = False

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ChipInfo:
        """Raises ValueError, and what numbers and names of other types do."""
        stretch = data.get("stretch")
        percentiles = data.get("percentiles")
        found = cls(
            int(data["bands"]),
            str(data["dtype"]),
            None if data["gsd"] is None else float(data["gsd"]),
            tuple(data["classes"]),
            Stretch(tuple(stretch["low"]), tuple(stretch["high"])) if stretch else None,
            (float(percentiles[0]), float(percentiles[1])) if percentiles else None,
            tuple(map(int, data["source_bands"])) if data.get("source_bands") else None,
            bool(data.get("multilabel", False)),
        )
        found.check()
        return found

    def check(self) -> None:
        """Raise ValueError for what no chips can be."""
        ends = (self.stretch.low, self.stretch.high) if self.stretch else ()
        right = (
            self.bands > 0
            and np.dtype(self.dtype).kind in "uif"
            and (self.gsd is None or (self.gsd > 0 and math.isfinite(self.gsd)))
            and all(isinstance(name, str) for name in self.classes)
            and 0 < len(set(self.classes)) == len(self.classes) <= VOID
            and all(len(end) == self.bands and np.isfinite(end).all() for end in ends)
            and (self.source_bands is None or min(self.source_bands) > 0)
        )
        if not right:
            raise ValueError("bands, types or classes that no chips have")


@dataclass(frozen=True)
class ChipIndex:
    """A folder of chips: ``table`` has COLUMNS, one row a chip."""

    folder: Path
    table: gpd.GeoDataFrame
    info: ChipInfo

    def split(self, name: str) -> gpd.GeoDataFrame:
        """The chips of one split, or ``all``."""
        return self.table if name == "all" else self.table[self.table["split"] == name]


def write_index(
    folder: Path, rows: Sequence[Mapping[str, Any]], info: ChipInfo, crs: CRS | None
) -> None:
    """Write ``folder/index.parquet``; ``rows`` have COLUMNS, geometries are polygons in ``crs``
    (None for pictures).
    """
    polygons = np.array([row["geometry"] for row in rows], object)
    column = {
        "encoding": "WKB",
        "geometry_types": ["Polygon"],
        "crs": crs and crs.to_json_dict(),
        "bbox": shapely.total_bounds(polygons).tolist(),
    }
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    metadata = {"geo": json.dumps(geo), _KEY: json.dumps(asdict(info))}
    columns = [_column([row[name] for row in rows], _TYPES[name]) for name in COLUMNS[:-1]]
    columns.append(_column(shapely.to_wkb(polygons).tolist(), _TYPES["geometry"]))
    pq.write_table(
        pa.Table.from_arrays(columns, schema=pa.schema(_TYPES, metadata)), folder / INDEX
    )


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    """What ``pa.array`` gives, but that imports pandas, which takes longer than all else a small
    `geoseg tile` does.
    """
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return pa.Array.from_buffers(
            kind, len(values), [None, pa.py_buffer(np.array(values, kind.to_pandas_dtype()))]
        )
    held = np.packbits([value is not None for value in values], bitorder="little")
    data = [value.encode() if isinstance(value, str) else value or b"" for value in values]
    ends = np.cumsum([0, *map(len, data)], dtype=np.int32)
    return pa.Array.from_buffers(
        kind, len(values), [pa.py_buffer(part) for part in (held, ends, b"".join(data))]
    )


def read_index(folder: Path | str) -> ChipIndex:
    """Read a chip index folder.

    Raises InputError (missing, unreadable), UnsuitableError (no chip index) and SafetyError (chips
    outside the folder).
    """
    import geopandas as gpd  # with pandas half of what `geoseg tile` would take to start

    folder = Path(folder)
    path = folder / INDEX if folder.is_dir() else folder
    if not path.is_file():
        raise InputError(
            f"{folder}: has no {INDEX}", "cut chips with `geoseg tile` or `geoseg prepare`"
        )
    try:
        metadata = pq.read_schema(path).metadata or {}
        if _KEY.encode() not in metadata:
            raise UnsuitableError(
                f"{path}: is not a chip index", "cut chips with `geoseg tile` or `geoseg prepare`"
            )
        info = ChipInfo.from_dict(json.loads(metadata[_KEY.encode()]))
        table = gpd.read_parquet(path)
        if missing := set(COLUMNS) - set(table.columns):
            raise InputError(f"{path}: lacks the columns {', '.join(sorted(missing))}")
        # here, for what its text is made of shows only when it is looked at
        _check_table(path, table)
    except (
        OSError,
        ValueError,
        IndexError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        NotImplementedError,  # of Arrow, for kinds of columns
        CRSError,
        GEOSException,
    ) as error:
        raise InputError(
            f"{path}: cannot be read as a chip index", "cut chips with `geoseg tile`"
        ) from error
    for name in (*table["image"], *table["mask"].dropna()):
        if PurePath(str(name)).is_absolute() or ".." in PurePath(str(name)).parts:
            raise SafetyError(f"{path}: names {name}, which lies outside its folder")
    return ChipIndex(path.parent, table, info)


def _check_table(path: Path, table: gpd.GeoDataFrame) -> None:
    """Raise InputError for columns of other kinds than :func:`write_index` writes."""
    for name in ("id", "scene", "image", "mask", "split"):
        held = table[name]
        if name in ("mask", "split"):  # which chips may have none of
            held = held.dropna()
        if not all(isinstance(value, str) for value in held):
            raise InputError(f"{path}: its column {name} holds what is no text")
    polygons = shapely.get_type_id(table.geometry.to_numpy()) == shapely.GeometryType.POLYGON
    if not polygons.all():
        raise InputError(f"{path}: its column geometry holds what is no polygon")
