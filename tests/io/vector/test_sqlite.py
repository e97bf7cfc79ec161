"""GeoPackages that other programs have open, left behind, or counted wrongly."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

import geopandas as gpd
import pytest
import shapely

from geoseg.io.vector.read import describe_layers, read_footprints
from geoseg.io.vector.sqlite import in_order, miscounted

ROOFS = [shapely.box(10 * place, 0, 10 * place + 6, 4) for place in range(5)]


@pytest.fixture
def roofs(tmp_path):
    path = tmp_path / "roofs.gpkg"
    gpd.GeoDataFrame(geometry=ROOFS, crs="EPSG:32633").to_file(path)
    return path


@pytest.mark.parametrize("count", [0, 2, 7])
def test_rows_are_counted_where_the_file_says_otherwise(roofs, count):
    assert miscounted(roofs, "roofs") is None
    with closing(sqlite3.connect(roofs)) as database:
        database.execute("UPDATE gpkg_ogr_contents SET feature_count = ?", [count])
        database.commit()
    assert miscounted(roofs, "roofs") == 5
    assert len(read_footprints(roofs)) == 5
    assert describe_layers(roofs)[0]["features"] == 5


AT_WORK = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode = WAL")
database.execute("DELETE FROM roofs WHERE fid > 3")
print("ready", flush=True)
sys.stdin.read()
"""


def test_what_a_program_is_at_work_with_is_read_where_it_lies(roofs):
    command = [sys.executable, "-c", AT_WORK, str(roofs)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"ready\n"
        log = roofs.with_name("roofs.gpkg-wal").read_bytes()
        with in_order(roofs) as found:
            assert found == roofs
        assert len(read_footprints(roofs)) == 3
        assert log and roofs.with_name("roofs.gpkg-wal").read_bytes() == log
        other.stdin.close()


def test_a_log_that_was_left_is_read_and_stays(roofs, tmp_path):
    with closing(sqlite3.connect(roofs, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("DELETE FROM roofs WHERE fid > 3")
        left = tmp_path / "left"
        left.mkdir()
        for name in ("roofs.gpkg", "roofs.gpkg-wal"):
            (left / name).write_bytes(roofs.with_name(name).read_bytes())
    before = {path.name: path.read_bytes() for path in left.iterdir()}
    assert len(read_footprints(left / "roofs.gpkg")) == 3
    assert {path.name: path.read_bytes() for path in left.iterdir()} == before
