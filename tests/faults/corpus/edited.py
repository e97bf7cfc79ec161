"""GeoPackages that other programs edited, left half written, or wrote kinds of geometry to that are
rare.
"""

from __future__ import annotations

import contextlib
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from geoseg.cli.main import run
from tests.faults.case import MODEL, Case, geojson
from tests.faults.corpus.layers import (
    BOX,
    BURN,
    LEFT,
    TOP,
    counted,
    footprints_of,
    layer,
    text,
)

SECOND = shapely.box(LEFT + 15, TOP - 9, LEFT + 21, TOP - 3)
CLASSES = BURN + " --class-field kind"
UNHEEDED = "SELECT name FROM sqlite_master WHERE type = 'trigger'"


def two(sql: str) -> Callable[[Path], None]:
    """A GeoPackage of two footprints in which somebody has run ``sql``."""

    def make(folder: Path) -> None:
        layer("odd.gpkg", BOX, SECOND)(folder)
        with closing(sqlite3.connect(folder / "odd.gpkg")) as database:
            database.executescript(sql)

    return make


def left_by(program: str) -> Callable[[Path], None]:
    """A GeoPackage of one footprint in which a program did something, and was killed."""

    def make(folder: Path) -> None:
        layer("odd.gpkg", BOX)(folder)
        with closing(sqlite3.connect(folder / "odd.gpkg")) as database:
            for (name,) in database.execute(UNHEEDED).fetchall():
                database.execute(f'DROP TRIGGER "{name}"')
            database.commit()
        start = "import os, sqlite3; database = sqlite3.connect('odd.gpkg', isolation_level=None)\n"
        script = start + program + "\nos._exit(0)"
        subprocess.run([sys.executable, "-c", script], cwd=folder, check=True)
        assert len(list(folder.glob("odd.gpkg-*"))) > 0

    return make


LOG = """
database.execute("PRAGMA journal_mode = WAL")
database.execute("INSERT INTO odd SELECT fid + 1, geom FROM odd")
"""
VIEW = """
database.execute("PRAGMA journal_mode = WAL")
database.executescript(\"\"\"
    CREATE VIEW seen AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
    SELECT n.x AS fid, odd.geom FROM n, odd;
    UPDATE gpkg_geometry_columns SET table_name = 'seen';
    DELETE FROM gpkg_ogr_contents;
    UPDATE gpkg_contents SET table_name = 'seen', identifier = 'seen';
\"\"\")
"""
# more than the cache holds, so that a part of it has reached the file
JOURNAL = """
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN")
database.execute("CREATE TABLE more (a)")
database.execute("UPDATE odd SET geom = NULL")
for _ in range(100):
    database.execute("INSERT INTO more VALUES (zeroblob(20000))")
"""


def shaped(kind: int, name: str, dimensions: int = 2, flags: tuple[int, int] = (0, 0)) -> Any:
    """A GeoPackage of one geometry: of ``kind``, a number of WKB, in a column that is called
    ``name`` and holds heights and measures as ``flags`` say.
    """

    def make(folder: Path) -> None:
        layer("odd.gpkg", BOX)(folder)
        corners = np.array(BOX.exterior.coords)
        ring = np.c_[corners, np.full((len(corners), dimensions - 2), 7.0)]
        if kind == 10:  # of which the ring is a geometry of its own
            inside = b"\1" + struct.pack("<II", 2, len(ring)) + ring.astype("<f8").tobytes()
        elif kind in (15, 16):
            inside = b"\1" + struct.pack("<III", 3 if kind == 15 else 17, 1, len(ring))
            inside += ring.astype("<f8").tobytes()
        else:
            inside = struct.pack("<I", len(ring)) + ring.astype("<f8").tobytes()
        shape = b"GP\0\1" + struct.pack("<i", 32633)
        shape += b"\1" + struct.pack("<II", kind, 1) + inside
        with closing(sqlite3.connect(folder / "odd.gpkg")) as database:
            for (trigger,) in database.execute(UNHEEDED).fetchall():
                database.execute(f'DROP TRIGGER "{trigger}"')
            database.execute("UPDATE odd SET geom = ?", [shape])
            sql = "UPDATE gpkg_geometry_columns SET geometry_type_name = ?, z = ?, m = ?"
            database.execute(sql, [name, *flags])
            database.commit()

    return make


def cells(*values: str) -> Callable[[Path], None]:
    """Footprints whose column ``kind`` holds ``values``, as JSON has them."""
    ring = [list(corner) for corner in BOX.exterior.coords]
    whole = geojson([ring] * len(values), crs="urn:ogc:def:crs:EPSG::32633")
    for value in values:
        whole = whole.replace('"properties": {}', f'"properties": {{"kind": {value}}}', 1)
    return text("odd.geojson", whole)


ITEM = (
    '{"type": "Feature", "stac_version": "1.0.0", "id": "a", "geometry": null, "links": [], '
    '"properties": {"datetime": "2020-01-01T00:00:00Z"}, "assets": {"visual": {"href": "HREF"}}}'
).replace("HREF", "x" * 5000)
APPEND = f"extract scene.tif -o new.gpkg --append {MODEL}"


def grown(sql: str) -> Callable[[Path], None]:
    """new.gpkg as `extract` writes it, in which somebody has run ``sql`` without GDAL's triggers."""

    def make(folder: Path) -> None:
        line = f"extract scene.tif -o new.gpkg {MODEL} -q"
        with contextlib.chdir(folder):
            assert run(line.split()) == 0
        with closing(sqlite3.connect(folder / "new.gpkg")) as database:
            for (name,) in database.execute(UNHEEDED).fetchall():
                database.execute(f'DROP TRIGGER "{name}"')
            database.executescript(sql)

    return make


# all but two footprints are gone, and are added again
EMPTIED = "DELETE FROM footprints WHERE fid > 2; "
TRIGGER = "CREATE TRIGGER own AFTER INSERT ON footprints BEGIN {}; END;"
LOGGED = TRIGGER.format("INSERT INTO log VALUES (new.fid)")
WITH_LOG = EMPTIED + "CREATE TABLE log (fid); " + LOGGED


def rows(count: int) -> Callable[[Path, dict[str, Any]], None]:
    def check(folder: Path, _: dict[str, Any]) -> None:
        with closing(sqlite3.connect(folder / "new.gpkg")) as database:
            assert database.execute("SELECT count(*) FROM footprints").fetchone() == (count,)

    return check


def unknown_crs(folder: Path) -> None:
    """A FlatGeobuf whose CRS is text that means nothing, and without a number."""
    counted(2)(folder)
    content = (folder / "odd.fgb").read_bytes()
    assert content.count(b"PROJCRS[") == 1
    content = content.replace(b"PROJCRS[", b"PROJXYZ[")
    number = (32633).to_bytes(4, "little")
    assert content.count(number) == 1
    content = content.replace(number, bytes(4))
    (folder / "odd.fgb").write_bytes(content)


CASES = [
    # counts
    *(
        Case(
            f"gpkg_counts_{name}",
            BURN.format("odd.gpkg"),
            0,
            "^$",
            two(f"UPDATE gpkg_ogr_contents SET feature_count = {count}"),
            footprints_of(2),
        )
        for name, count in {
            "too_few": 1,
            "none": 0,
            "below_zero": -1,
            "too_many": 10**12,
            "nothing": "NULL",
            "words": "'two'",
        }.items()
    ),
    Case(
        "gpkg_counts_too_few_filtered",
        BURN.format("odd.gpkg") + " --where fid>0",
        make=two("UPDATE gpkg_ogr_contents SET feature_count = 1"),
        check=footprints_of(2),
    ),
    Case(
        "gpkg_counts_too_few_info",
        "info odd.gpkg",
        make=two("UPDATE gpkg_ogr_contents SET feature_count = 1"),
        check=lambda folder, shown: None,
    ),
    Case("fgb_counts_right", BURN.format("odd.fgb"), 0, "^$", counted(2), footprints_of(2)),
    Case("fgb_counts_unknown", BURN.format("odd.fgb"), 0, "^$", counted(0), footprints_of(2)),
    *(
        Case(f"fgb_counts_{name}", BURN.format("odd.fgb"), 3, r"odd\.fgb: .*damaged", make)
        for name, make in {
            "too_few": counted(1),
            "too_many": counted(3),
            "vast": counted(2**63),
            "too_few_of_an_index": counted(1, "YES"),
            "none_of_an_index": counted(0, "YES"),
            "more_than_its_index": counted(100, "YES"),
            "less_than_its_tail": counted(2, appended=b"more"),
        }.items()
    ),
    Case("fgb_counts_too_few_info", "info odd.fgb", 3, r"odd\.fgb: .*damaged", counted(1)),
    *(
        Case(f"fgb_crs_unknown_{line[:4]}", line, code, message, unknown_crs)
        for line, code, message in (
            ("info odd.fgb", 0, ""),
            (BURN.format("odd.fgb"), 4, r"odd\.fgb: has no CRS"),
        )
    ),
    # logs and journals
    *(
        Case(
            f"gpkg_log_{name}",
            line.format("odd.gpkg"),
            0,
            "",
            left_by(LOG),
            footprints_of(2) if name == "rasterize" else None,
        )
        for name, line in {
            "rasterize": BURN,
            "info": "info {}",
            "evaluate": "evaluate mask.tif {}",
            "labels": "tile scene.tif -o new --labels {}",
            "area": f"extract scene.tif -o new.tif.gpkg {MODEL} --aoi {{}}",
            "preview": "preview scene.tif {} -o new.png",
        }.items()
    ),
    Case(
        "gpkg_log_of_noise",
        BURN.format("odd.gpkg"),
        0,
        "^$",
        lambda folder: (
            layer("odd.gpkg", BOX)(folder),
            (folder / "odd.gpkg-wal").write_bytes(bytes(range(256)) * 40),
        ),
        footprints_of(1),
    ),
    Case(
        "gpkg_log_with_a_view_without_end",
        BURN.format("odd.gpkg"),
        8,
        "does not come to an end",
        left_by(VIEW),
    ),
    Case("gpkg_journal", BURN.format("odd.gpkg"), 0, "^$", left_by(JOURNAL), footprints_of(1)),
    Case("gpkg_journal_info", "info odd.gpkg", 0, "^$", left_by(JOURNAL)),
    # kinds
    *(
        Case(f"gpkg_of_{name}", BURN.format("odd.gpkg"), 0, "", make, footprints_of(1))
        for name, make in {
            "measures": shaped(2003, "POLYGON", 3, (0, 1)),
            "heights_and_measures": shaped(3003, "POLYGON", 4, (1, 1)),
            "curves": shaped(10, "CURVEPOLYGON"),
            "surfaces": shaped(3, "SURFACE"),
            "points_by_name": shaped(3, "POINT"),
        }.items()
    ),
    *(
        Case(f"gpkg_of_{name}", BURN.format("odd.gpkg"), 4, f"odd.gpkg: holds {says}", make)
        for name, says, make in (
            ("a_tin", "a TIN, which", shaped(16, "TIN")),
            ("a_polyhedron", "a PolyhedralSurface, which", shaped(15, "POLYHEDRALSURFACE")),
            ("triangles", "triangles, which", shaped(17, "TRIANGLE")),
            ("any_kind_with_measures", ".*with measures", shaped(2003, "GEOMETRY", 3, (0, 1))),
        )
    ),
    # classes
    Case("class_of_lists", CLASSES.format("odd.geojson"), 4, "neither", cells("1", "[1, 2]")),
    Case("class_of_a_list_of_one", CLASSES.format("odd.geojson"), 4, "neither", cells("[1]")),
    Case("class_of_objects", CLASSES.format("odd.geojson"), 0, "", cells('{"a": 1}', "null")),
    Case("class_of_fractions", CLASSES.format("odd.geojson"), 4, "no integers", cells("2.5")),
    Case("class_vast", CLASSES.format("odd.geojson"), 4, "does not fit", cells("1e300")),
    Case(
        "class_infinite",
        CLASSES.format("odd.gpkg"),
        4,
        "no integers",
        lambda folder: layer("odd.gpkg", BOX, SECOND, kind=[np.inf, 1.0])(folder),
    ),
    Case(
        "where_of_vast_integers",
        BURN.format("odd.parquet") + " --where kind>9",
        0,
        "",
        layer("odd.parquet", BOX, SECOND, kind=np.array([1, 2**64 - 1], np.uint64)),
        footprints_of(1),
    ),
    Case(
        "item_of_a_long_name",
        f"extract odd.json#visual -o new.gpkg {MODEL}",
        3,
        "does not exist",
        text("odd.json", ITEM),
    ),
    # what is added to
    *(
        Case(f"append_to_one_{name}", APPEND, 0, "", grown(sql), rows(19))
        for name, sql in {
            "as_it_is": "",
            "emptied": "DELETE FROM footprints",
            "whose_index_is_empty": "DELETE FROM rtree_footprints_geom",
            "whose_index_is_gone": "DROP TABLE rtree_footprints_geom",
            "whose_count_is_wrong": "UPDATE gpkg_ogr_contents SET feature_count = 1",
            "without_scenes": "UPDATE footprints SET scene = NULL",
        }.items()
    ),
    *(
        Case(f"append_to_one_{name}", APPEND, 4, rf"new\.gpkg: {says}", grown(sql))
        for name, says, sql in (
            ("of_noise", "holds geometries that cannot", "UPDATE footprints SET geom = X'0011'"),
            ("of_more", "its columns differ", "ALTER TABLE footprints ADD COLUMN more TEXT"),
            ("of_less", "its columns differ", "ALTER TABLE footprints DROP COLUMN confidence"),
        )
    ),
    Case("append_to_one_with_a_log", APPEND, 0, "", grown(WITH_LOG), rows(19)),
    *(
        Case(f"append_to_one_{name}", APPEND, 6, r"new\.gpkg: does not keep", grown(EMPTIED + sql))
        for name, sql in {
            "that_deletes_one": TRIGGER.format("DELETE FROM footprints WHERE fid = 1"),
            "that_deletes_what_is_new": TRIGGER.format(
                "DELETE FROM footprints WHERE fid = new.fid"
            ),
            "that_empties_what_is_new": TRIGGER.format(
                "UPDATE footprints SET geom = NULL WHERE fid = new.fid"
            ),
            "that_ignores": TRIGGER.replace("AFTER", "BEFORE").format("SELECT RAISE(IGNORE)"),
        }.items()
    ),
]
