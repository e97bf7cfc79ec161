"""GeoPackages, GeoParquet and archives of footprints that would read other files, or never end."""

from __future__ import annotations

import json
import sqlite3
import warnings
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.faults.case import EXTRACT, Case
from tests.faults.corpus.layers import BOX, BURN, footprints_of, layer, statement, table, text
from tests.faults.corpus.sources import FROM, GML, HOST, collection

OGR_VRT = (
    '<OGRVRTDataSource><OGRVRTLayer name="secret"><SrcDataSource relativeToVRT="0">/etc/passwd'
    "</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
)


def view(sql: str) -> Callable[[Path], None]:
    """A GeoPackage whose only layer is a view."""

    def make(folder: Path) -> None:
        layer("odd.gpkg", BOX)(folder)
        with closing(sqlite3.connect(folder / "odd.gpkg")) as database:
            database.executescript(
                f"CREATE VIEW seen AS {sql};"
                "UPDATE gpkg_geometry_columns SET table_name = 'seen';"
                "DELETE FROM gpkg_ogr_contents;"
                "UPDATE gpkg_contents SET table_name = 'seen', identifier = 'seen';"
            )

    return make


ENDLESS = (
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
    "SELECT n.x AS fid, odd.geom FROM n, odd"
)


VIRTUAL = {
    "a_shapefile": "CREATE VIRTUAL TABLE seen USING VirtualShape('/etc/passwd', UTF-8, 32633)",
    "text": "create virtual table seen using\nVirtualText(/etc/passwd)",
    "any_source": "CREATE VIRTUAL TABLE seen USING VirtualOGR('/etc/passwd')",
    "a_comment": "CREATE VIRTUAL TABLE seen /* USING rtree( */ USING/**/VirtualText('/etc/passwd')",
    "a_quoted_name": 'CREATE VIRTUAL TABLE "seen USING rtree(" USING "VirtualText"(/etc/passwd)',
}


def virtual(sql: str) -> Callable[[Path], None]:
    """A GeoPackage whose layer is a table that somebody else's module makes."""

    def make(folder: Path) -> None:
        layer("odd.gpkg", BOX)(folder)
        name = "seen USING rtree(" if '"seen' in sql else "seen"
        with closing(sqlite3.connect(folder / "odd.gpkg")) as database:
            database.execute("PRAGMA writable_schema = 1")
            database.execute(
                "INSERT INTO sqlite_master VALUES ('table', ?, ?, 0, ?)", [name, name, sql]
            )
            for table_of in ("gpkg_geometry_columns", "gpkg_contents"):
                database.execute(f"UPDATE {table_of} SET table_name = ?", [name])
            database.execute("DELETE FROM gpkg_ogr_contents")
            database.commit()

    return make


def srs(definition: str) -> Callable[[Path], None]:
    """A GeoPackage whose CRS is ``definition``."""

    def make(folder: Path) -> None:
        layer("odd.gpkg", BOX)(folder)
        with closing(sqlite3.connect(folder / "odd.gpkg")) as database:
            database.execute(
                "UPDATE gpkg_spatial_ref_sys SET definition = ?, organization = 'NONE', "
                "organization_coordsys_id = 777777 WHERE srs_id = 32633",
                [definition],
            )
            database.commit()

    return make


def geo_crs(value: Any) -> Callable[[Path], None]:
    """A GeoParquet whose CRS is ``value``."""

    def make(folder: Path) -> None:
        import pyarrow.parquet as pq

        table(BOX).to_parquet(folder / "odd.parquet")
        made = pq.read_table(folder / "odd.parquet")
        geo = json.loads(made.schema.metadata[b"geo"])
        geo["columns"]["geometry"]["crs"] = value
        metadata = {**made.schema.metadata, b"geo": json.dumps(geo).encode()}
        pq.write_table(made.replace_schema_metadata(metadata), folder / "odd.parquet")

    return make


def archive(
    name: str, content: bytes, link: bool = False, deflated: bool = False
) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        with zipfile.ZipFile(folder / "odd.zip", "w") as out:
            about = zipfile.ZipInfo(name)
            about.external_attr = (0o120777 if link else 0o100644) << 16
            out.writestr(about, content, zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED)

    return make


def named_twice(folder: Path) -> None:
    """An archive of two members of one name, of which the last counts."""
    with zipfile.ZipFile(folder / "odd.zip", "w") as out, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out.writestr("odd.geojson", OGR_VRT)
        out.writestr("odd.geojson", collection())


def large_zero(folder: Path) -> None:
    """One gigabyte and a half, by a claim alone."""
    archive("odd.geojson", bytes(3_000_000), deflated=True)(folder)
    content = (folder / "odd.zip").read_bytes()
    size = (3_000_000).to_bytes(4, "little")
    (folder / "odd.zip").write_bytes(content.replace(size, (1_500_000_000).to_bytes(4, "little")))


def encrypted(folder: Path) -> None:
    """An archive that says that its member is encrypted."""
    archive("odd.geojson", collection().encode())(folder)
    content = bytearray((folder / "odd.zip").read_bytes())
    at = content.index(b"PK\1\2")
    for place in (6, at + 8):
        content[place] |= 1
    (folder / "odd.zip").write_bytes(content)


def of_a_later_version(folder: Path) -> None:
    """An archive that says that it takes version 25.5 of the format to read its member."""
    archive("odd.geojson", collection().encode())(folder)
    content = bytearray((folder / "odd.zip").read_bytes())
    content[content.index(b"PK\1\2") + 6] = 255
    (folder / "odd.zip").write_bytes(content)


CASES = [
    Case("gpkg_view", BURN.format("odd.gpkg"), 0, "", view("SELECT * FROM odd"), footprints_of(1)),
    Case("gpkg_view_without_end", BURN.format("odd.gpkg"), 8, r"odd\.gpkg: ", view(ENDLESS)),
    Case(
        "gpkg_view_of_a_file",
        BURN.format("odd.gpkg"),
        3,
        r"odd\.gpkg: ",
        view("SELECT 1 AS fid, readfile('/etc/passwd') AS geom"),
    ),
    Case(
        "gpkg_view_of_itself",
        BURN.format("odd.gpkg"),
        3,
        r"odd\.gpkg: ",
        view("SELECT * FROM seen"),
    ),
    *(
        Case(
            f"gpkg_virtual_table_of_{name}",
            BURN.format("odd.gpkg"),
            8,
            r"odd\.gpkg: its table .* may read other files",
            virtual(sql),
        )
        for name, sql in VIRTUAL.items()
    ),
    Case(
        "gpkg_virtual_table",
        BURN.format("odd.gpkg"),
        0,
        "",
        statement("CREATE VIRTUAL TABLE words USING fts5(a);"),
        footprints_of(1),
    ),
    Case("gpkg_crs_of_a_file", BURN.format("odd.gpkg"), 4, r"odd\.gpkg", srs(FROM)),
    Case("gpkg_crs_of_a_host", BURN.format("odd.gpkg"), 4, r"odd\.gpkg", srs(HOST)),
    Case(
        "gpkg_crs_of_grids",
        BURN.format("odd.gpkg"),
        4,
        r"odd\.gpkg",
        srs("+proj=utm +zone=33 +datum=WGS84 +nadgrids=/etc/passwd"),
    ),
    Case(
        "gpkg_crs_by_init", BURN.format("odd.gpkg"), 4, r"odd\.gpkg", srs("+init=/etc/passwd:root")
    ),
    Case(
        "gpkg_crs_vast",
        BURN.format("odd.gpkg"),
        4,
        r"odd\.gpkg",
        srs('PROJCS["' + "a" * 5_000_000 + '"]'),
    ),
    Case("gpkg_crs_deep", BURN.format("odd.gpkg"), 4, r"odd\.gpkg", srs("PROJCS[" * 5000)),
    Case(
        "gpkg_as_a_scene",
        EXTRACT.format("odd.gpkg"),
        3,
        r"odd\.gpkg: is not a raster",
        layer("odd.gpkg", BOX),
    ),
    # GeoParquet
    *(
        Case(
            f"parquet_crs_{name}", BURN.format("odd.parquet"), code, r"odd\.parquet", geo_crs(value)
        )
        for name, value, code in (
            ("of_a_file", FROM, 3),
            ("of_a_host", HOST, 3),
            ("a_number", 7, 3),
            ("empty", {}, 4),
            ("none", None, 4),
            ("deep", {"type": "BoundCRS", "a": json.loads("[" * 300 + "]" * 300)}, 3),
        )
    ),
    # archives
    Case(
        "zip_of_a_link",
        BURN.format("odd.zip"),
        3,
        r"odd\.zip",
        archive("odd.geojson", FROM.encode(), True),
    ),
    *(
        Case(f"zip_of_a_later_version_{line[:4]}", line, 3, r"odd\.zip", of_a_later_version)
        for line in (BURN.format("odd.zip"), "info odd.zip")
    ),
    Case("zip_encrypted", BURN.format("odd.zip"), 3, r"odd\.zip", encrypted),
    Case(
        "zip_of_geojson",
        BURN.format("odd.zip"),
        0,
        "",
        archive("odd.geojson", collection().encode()),
        footprints_of(1),
    ),
    *(
        Case(
            f"zip_of_ogr_vrt_called_{suffix}",
            BURN.format("odd.zip"),
            3,
            r"odd\.zip",
            archive(f"odd.{suffix}", OGR_VRT.encode(), deflated=True),
        )
        for suffix in ("geojson", "kml", "gml", "shp", "gdb")
    ),
    Case(
        "geojson_with_words_of_ogr_vrt",
        BURN.format("odd.geojson"),
        8,
        r"odd\.geojson: describes other sources",
        text("odd.geojson", '{"a": "' + OGR_VRT.replace('"', "'") + '",' + collection()[1:]),
    ),
    Case(
        "zip_of_a_zip",
        BURN.format("odd.zip"),
        3,
        r"odd\.zip/odd\.kml: is an archive in an archive",
        lambda folder: (
            archive("in.kml", b"<kml/>")(folder),
            archive("odd.kml", (folder / "odd.zip").read_bytes())(folder),
        ),
    ),
    Case("zip_of_one_name_twice", BURN.format("odd.zip"), 0, "", named_twice, footprints_of(1)),
    Case("zip_of_a_large_zero", BURN.format("odd.zip"), 8, r"odd\.zip: claims", large_zero),
    Case(
        "zip_of_gml",
        BURN.format("odd.zip"),
        4,
        r"odd\.zip",
        archive("odd.gml", GML.format("").encode()),
    ),
]
