"""What makes files of footprints: whole, in part, archived, and as nobody should write them."""

from __future__ import annotations

import sqlite3
import struct
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas as gpd
import shapely

from tests.faults.case import MAP, geojson

LEFT, _, _, TOP = MAP.bounds
BURN = "rasterize {} --like scene.tif -o new.tif"
BOX = shapely.box(LEFT + 3, TOP - 9, LEFT + 12, TOP - 3)
HEAD = "ImageId,BuildingId,PolygonWKT_Pix,PolygonWKT_Geo\n"


def table(*shapes: Any, crs: object = "EPSG:32633", **columns: Any) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns, geometry=list(shapes), crs=crs)


def layer(
    name: str, *shapes: Any, part: float = 1, crs: object = "EPSG:32633", **columns: Any
) -> Callable[[Path], None]:
    """Footprints by the format that ``name`` ends with, of whose file the first ``part`` is there."""

    def make(folder: Path) -> None:
        made = table(*shapes, crs=crs, **columns)
        path = folder / name
        if path.suffix == ".parquet":
            made.to_parquet(path)
        else:
            made.to_file(path)
        if part < 1:
            whole = path.read_bytes()
            path.write_bytes(whole[: int(len(whole) * part)])

    return make


def text(name: str, content: str | bytes) -> Callable[[Path], None]:
    held = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(held)


def statement(sql: str) -> Callable[[Path], None]:
    """A GeoPackage in which somebody has run ``sql``."""

    def make(folder: Path) -> None:
        layer("odd.gpkg", BOX)(folder)
        with closing(sqlite3.connect(folder / "odd.gpkg")) as database:
            database.executescript(sql)

    return make


def blobs_of_noise(folder: Path) -> None:
    layer("odd.gpkg", BOX)(folder)
    with closing(sqlite3.connect(folder / "odd.gpkg")) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE odd SET geom = X'4750000100000000FFFE01'")
        database.commit()


def no_geopackage(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "odd.gpkg")) as database:
        database.execute("CREATE TABLE a (b)")


def odd_pandas(folder: Path) -> None:
    """A GeoParquet whose note of pandas' column names is of a type that nobody knows."""
    import pyarrow.parquet as pq

    table(BOX).to_parquet(folder / "odd.parquet")
    made = pq.read_table(folder / "odd.parquet")
    metadata = {**made.schema.metadata}
    pandas = metadata[b"pandas"].replace(b'"unicode"', b'"uniSode"')
    assert pandas != metadata[b"pandas"]
    pq.write_table(
        made.replace_schema_metadata({**metadata, b"pandas": pandas}), folder / "odd.parquet"
    )


def counted(count: int, index: str = "NO", appended: bytes = b"") -> Callable[[Path], None]:
    """A FlatGeobuf of two footprints whose header counts them wrongly."""

    def make(folder: Path) -> None:
        second = shapely.box(LEFT + 15, TOP - 9, LEFT + 21, TOP - 3)
        table(BOX, second).to_file(folder / "odd.fgb", SPATIAL_INDEX=index)
        content = bytearray((folder / "odd.fgb").read_bytes())
        (root,) = struct.unpack_from("<I", content, 12)
        root += 12
        offsets = root - struct.unpack_from("<i", content, root)[0]
        at = root + struct.unpack_from("<H", content, offsets + 4 + 2 * 8)[0]
        assert struct.unpack_from("<Q", content, at) == (2,)
        struct.pack_into("<Q", content, at, count)
        (folder / "odd.fgb").write_bytes(content + appended)

    return make


def zipped(**members: bytes) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        with zipfile.ZipFile(folder / "odd.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return make


def bomb(folder: Path) -> None:
    """An archive of some kilobytes whose member claims five gigabytes."""
    zipped(**{"a.shp": bytes(5_000_000)})(folder)
    content = (folder / "odd.zip").read_bytes()
    size = (5_000_000).to_bytes(4, "little")
    assert content.count(size) >= 2
    claimed = (0xFFFFFFF0).to_bytes(4, "little")
    (folder / "odd.zip").write_bytes(content.replace(size, claimed))


def footprints_of(count: int) -> Callable[[Path, dict[str, Any]], None]:
    def check(_: Path, shown: dict[str, Any]) -> None:
        assert shown["footprints"] == count

    return check


def in_geojson(geometry: str) -> Callable[[Path], None]:
    content = geojson([]).replace(
        '"features": []',
        f'"features": [{{"type": "Feature", "properties": {{}}, "geometry": {geometry}}}]',
    )
    return text("odd.geojson", content)
