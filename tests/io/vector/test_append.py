"""Appending to a GeoPackage, alone and beside another program."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import geopandas as gpd
import numpy as np
import pytest
import shapely
from pyproj import CRS

from geoseg.core.layer import Layer
from geoseg.errors import InputError, OutputError, UnsuitableError
from geoseg.io.vector.append import append_to
from geoseg.io.vector.layers import write_layers
from geoseg.io.vector.read import read_footprints
from geoseg.io.vector.write import create_vector
from tests.io.vector.others import in_wal_mode, other_program

KILLED = """
import os, signal, sys
from pathlib import Path
from geoseg.io.vector.append import append_to
columns = {"id": "int64", "scene": "string", "edge": "bool"}
with append_to(Path(sys.argv[1]), "footprints", columns):
    os.kill(os.getpid(), signal.SIGKILL)
"""
UTM = CRS.from_epsg(32645)
COLUMNS = {"id": "int64", "scene": "string", "edge": "bool"}


def houses(*places, scene="a", edge=False, width=20, crs=UTM):
    """Boxes of 20 m x 10 m, 50 m apart, numbered from 1."""
    left = 334000 + 50.0 * np.array(places)
    geometry = shapely.box(left, 3057000, left + width, 3057010)
    count = len(places)
    columns = {
        "id": np.arange(1, count + 1),
        "scene": np.full(count, scene, object),
        "edge": np.full(count, edge),
    }
    return Layer(geometry, crs, columns)


def write(path, batch, append=True, crs=UTM, **keywords):
    with create_vector(path, crs, columns=COLUMNS, append=append, **keywords) as out:
        return len(out.write(batch))


def places(path):
    """Scene by number of place, as other programs read it."""
    found = gpd.read_file(path, layer="footprints")
    numbers = ((found.bounds["minx"] - 334000) / 50).round().astype(int)
    return dict(zip(numbers, found["scene"], strict=True))


def check(path):
    """The file is sound: ids, the spatial index, the extent and the count hold for what it has."""
    with closing(sqlite3.connect(path)) as package:
        rows = lambda query: package.execute(query).fetchall()  # noqa: E731
        assert rows("PRAGMA integrity_check") == [("ok",)]
        fids = {fid for (fid,) in rows("SELECT fid FROM footprints")}
        assert {fid for (fid,) in rows("SELECT id FROM rtree_footprints_geom")} == fids
        ids = [number for (number,) in rows("SELECT id FROM footprints")]
        assert len(set(ids)) == len(ids) and None not in ids
        assert rows("SELECT feature_count FROM gpkg_ogr_contents") == [(len(fids),)]
        ((left, right),) = rows(
            "SELECT min_x, max_x FROM gpkg_contents WHERE data_type = 'features'"
        )
    found = gpd.read_file(path, layer="footprints")
    assert left <= found.total_bounds[0] and right >= found.total_bounds[2]
    box = tuple(found.geometry.iloc[-1].bounds)
    assert found["id"].iloc[-1] in gpd.read_file(path, layer="footprints", bbox=box)["id"].tolist()


@pytest.mark.parametrize(
    "crs", [UTM, CRS.from_proj4("+proj=tmerc +lat_0=3 +lon_0=17 +ellps=GRS80")], ids=["epsg", "own"]
)
def test_what_is_there_is_left_out_and_what_is_better_replaces(tmp_path, crs):
    path = tmp_path / "f.gpkg"
    write(path, houses(1, 2, crs=crs), crs=crs)
    write(path, houses(7, edge=True, width=9, crs=crs), crs=crs)
    # 2 is there, 7 was cut at an edge
    assert write(path, houses(2, 3, 7, scene="b", crs=crs), crs=crs) == 2
    assert places(path) == {1: "a", 2: "a", 3: "b", 7: "b"}
    check(path)
    assert write(path, houses(2, 3, 7, scene="c", crs=crs), crs=crs) == 0
    assert len(places(path)) == 4
    assert [each.name for each in tmp_path.iterdir()] == ["f.gpkg"]


@pytest.mark.parametrize("order", ["together", "whole first", "cut first"])
def test_what_a_replaced_footprint_stood_for_comes_in(tmp_path, order):
    """The layer holds three houses as one, cut at an edge: one of them comes whole, and takes the
    place of all three. The others, cut too and smaller than what was there, are needed then.
    """
    path = tmp_path / "f.gpkg"
    write(path, houses(2, edge=True, width=130))
    whole = houses(2, scene="b", width=40)
    others = houses(3, 4, scene="b", edge=True, width=28)
    if order == "together":
        batches = [Layer.joined([others, whole], UTM)]
    else:
        batches = [whole, others] if order == "whole first" else [others, whole]
    with create_vector(path, UTM, columns=COLUMNS, append=True) as out:
        for batch in batches:
            out.write(batch)
    assert out.count == 3
    assert places(path) == {2: "b", 3: "b", 4: "b"}
    check(path)
    # nothing is missing, so nothing comes with the same scene once more
    assert write(path, Layer.joined(batches, UTM)) == 0
    assert len(places(path)) == 3


def test_what_waits_for_a_footprint_that_stays_is_left_out(tmp_path):
    path = tmp_path / "f.gpkg"
    write(path, houses(2, edge=True, width=130))
    with create_vector(path, UTM, columns=COLUMNS, append=True) as out:
        out.write(houses(3, 4, scene="b", edge=True, width=28))
    assert out.count == 0 and places(path) == {2: "a"}


def test_the_next_run_removes_the_copy_that_a_killed_one_left(tmp_path):
    path = tmp_path / "f.gpkg"
    write(path, houses(1, 2))
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], timeout=60)
    assert done.returncode == -signal.SIGKILL and len(list(tmp_path.iterdir())) == 2
    # the folder of a run that is at work stays
    with append_to(path, "footprints", COLUMNS) as target:
        assert write(path, houses(5)) == 1
        assert target.seen.exists() and len(list(tmp_path.iterdir())) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["f.gpkg"]


def test_what_another_program_has_committed_stays(tmp_path):
    """It has the file open in WAL mode: its edits lie in the log, and it goes on afterwards."""
    path = tmp_path / "f.gpkg"
    write(path, houses(*range(1, 9)))
    with in_wal_mode(path) as other:
        other.run("DELETE FROM footprints WHERE fid > 3", "CREATE TABLE notes (word TEXT)")
        assert path.with_name("f.gpkg-wal").stat().st_size > 0
        # 8 is no longer there, 2 is
        assert write(path, houses(2, 8, 20, scene="b")) == 2
        assert other.run("SELECT count(*) FROM footprints") == "[(5,)]"
        assert other.run("INSERT INTO notes VALUES ('later')") == "[]"
    assert places(path) == {1: "a", 2: "a", 3: "a", 8: "b", 20: "b"}
    with closing(sqlite3.connect(path)) as package:
        assert package.execute("SELECT * FROM notes").fetchall() == [("later",)]
    check(path)
    assert [each.name for each in tmp_path.iterdir()] == ["f.gpkg"]


def test_what_another_program_commits_meanwhile_stays(tmp_path):
    """A building of its own, numbered as ours would be, and one edited that ours would replace."""
    path = tmp_path / "f.gpkg"
    write(path, houses(1, 2, 3, edge=True, width=9))
    copy = "SELECT geom, 4, 'other', 0 FROM footprints WHERE fid = 1"
    with in_wal_mode(path) as other:
        with create_vector(path, UTM, columns=COLUMNS, append=True) as out:
            assert len(out.write(houses(1, 2, 9, scene="b"))) == 3
            for trigger in ("insert", *(f"update{number}" for number in range(1, 8))):
                other.run(f"DROP TRIGGER IF EXISTS rtree_footprints_geom_{trigger}")
            other.run(f"INSERT INTO footprints (geom, id, scene, edge) {copy}")
            other.run(
                "UPDATE footprints SET geom = (SELECT geom FROM footprints WHERE fid = 3), scene = 'mine' WHERE fid = 2"
            )
            assert other.run("SELECT count(*) FROM footprints") == "[(4,)]"
        assert other.run("SELECT count(*) FROM footprints") == "[(6,)]"
    found = gpd.read_file(path, layer="footprints")
    # the first of a was replaced, the second not, for it is another one now
    assert sorted(found["scene"]) == ["a", "b", "b", "b", "mine", "other"]
    assert found["id"].is_unique


@pytest.mark.parametrize("lock", ["BEGIN EXCLUSIVE", "BEGIN IMMEDIATE"])
def test_a_lock_is_named_and_nothing_is_written(tmp_path, lock, impatient):
    path = tmp_path / "f.gpkg"
    write(path, houses(1, 2))
    before = path.read_bytes()
    with other_program(path, lock):
        with pytest.raises(OutputError, match=r"f\.gpkg: is locked by another program \(close it"):
            write(path, houses(5))
        if lock == "BEGIN EXCLUSIVE":
            with pytest.raises(InputError, match=r"f\.gpkg: is locked by another program"):
                read_footprints(path)
        else:
            assert len(read_footprints(path)) == 2
    assert path.read_bytes() == before
    assert len(read_footprints(path)) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["f.gpkg"]


def test_an_error_leaves_the_layer_as_it_was(tmp_path):
    path = tmp_path / "f.gpkg"
    write(path, houses(1, 2))
    before = path.read_bytes()
    with (
        pytest.raises(RuntimeError, match="mine"),
        create_vector(path, UTM, columns=COLUMNS, append=True) as out,
    ):
        out.write(houses(5, 6))
        raise RuntimeError("mine")
    assert path.read_bytes() == before
    with pytest.raises(UnsuitableError, match="is not in EPSG:3857"):
        write(path, houses(5), dst_crs="EPSG:3857")
    path.write_bytes(before[:2000])
    with pytest.raises(OutputError, match=r"f\.gpkg: cannot be appended to"):
        write(path, houses(5))
    assert [each.name for each in tmp_path.iterdir()] == ["f.gpkg"]


def test_a_file_in_use_is_not_replaced(tmp_path, impatient):
    """What the other program saved next would be lost."""
    path = tmp_path / "f.gpkg"
    write(path, houses(1, 2))
    with in_wal_mode(path):
        with pytest.raises(OutputError, match=r"f\.gpkg: is open in another program"):
            write(path, houses(5), append=False, overwrite=True)
        with pytest.raises(OutputError, match=r"f\.gpkg: is open in another program"):
            write_layers(path, {"one": houses(5)}, {}, overwrite=True)
        assert len(read_footprints(path)) == 2
    with create_vector(path, UTM, columns=COLUMNS, overwrite=True) as out:
        out.write(houses(5))
    assert places(path) == {5: "a"}
    with (
        pytest.raises(OutputError, match="is open in another program"),
        create_vector(path, UTM, columns=COLUMNS, overwrite=True) as out,
    ):
        out.write(houses(6))
        held = in_wal_mode(path)
        held.__enter__()
    held.__exit__(None, None, None)
    assert places(path) == {5: "a"}
    assert [each.name for each in tmp_path.iterdir()] == ["f.gpkg"]
