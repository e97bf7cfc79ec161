"""GeoPackages written with SQLite hold what GDAL writes, and stay whole when they are edited."""

from __future__ import annotations

import sqlite3
import struct
import subprocess
import sys
from contextlib import closing

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from pyproj import CRS

from geoseg.core.layer import Layer
from geoseg.io.vector import write as writer
from geoseg.io.vector.gpkg_sink import GpkgSink
from geoseg.io.vector.write import create_vector

UTM = CRS.from_epsg(32645)
COLUMNS = {"id": "int64", 'na"me': "string", "score": "double", "edge": "bool", "vertices": "int32"}
METADATA = {"GEOSEG_COMMAND": 'geoseg extract <a> & "b"', "GEOSEG_VERSION": "1"}


def batch(first, count, crs=UTM):
    left = 334000 + 50.0 * np.arange(first, first + count)
    boxes = shapely.box(left, 3057000, left + 20, 3057010)
    boxes[-1] = shapely.MultiPolygon(
        [boxes[-1], shapely.box(left[-1], 3057020, left[-1] + 3, 3057021)]
    )
    columns = {
        "id": np.arange(first, first + count),
        'na"me': np.array(["Tromsø", None] * count, object)[:count],
        "score": np.where(np.arange(count) % 3 == 1, np.nan, 0.8125),
        "edge": np.arange(count) % 2 == 1,
        "vertices": np.full(count, 4, np.int32),
    }
    return Layer(boxes, crs, columns)


def write(path, crs=UTM, layer='ro"ofs'):
    with create_vector(path, crs, columns=COLUMNS, layer=layer, metadata=METADATA) as out:
        for first, count in ((1, 5), (6, 200), (206, 1)):
            out.write(batch(first, count, crs))
    return path


def rows(path, query):
    with closing(sqlite3.connect(path)) as package:
        return package.execute(query).fetchall()


def test_it_holds_what_gdal_writes(tmp_path, monkeypatch):
    ours = write(tmp_path / "ours.gpkg")
    monkeypatch.setattr(writer, "GpkgSink", refuse)
    theirs = write(tmp_path / "theirs.gpkg")
    one, other = (pyogrio.read_dataframe(path) for path in (ours, theirs))
    pd.testing.assert_frame_equal(one, other)
    assert one.crs == other.crs == UTM and len(one) == 206
    about, known = (pyogrio.read_info(path, layer='ro"ofs') for path in (ours, theirs))
    assert about.pop("layer_metadata") == known.pop("layer_metadata")
    assert {key: str(value) for key, value in about.items()} == {
        key: str(value) for key, value in known.items()
    }
    assert about["dataset_metadata"] == METADATA and about["capabilities"]["fast_spatial_filter"]
    for query in (
        "PRAGMA application_id", "PRAGMA user_version", "PRAGMA integrity_check", "PRAGMA foreign_key_check",
        "SELECT table_name, data_type, identifier, min_x, min_y, max_x, max_y, srs_id FROM "
        "gpkg_contents",
        "SELECT * FROM gpkg_geometry_columns", "SELECT * FROM gpkg_extensions ORDER BY 1, 2, 3",
        "SELECT srs_id, organization, organization_coordsys_id FROM gpkg_spatial_ref_sys "
        "ORDER BY 1",
        'SELECT fid, hex(geom) FROM "ro""ofs"', 'SELECT * FROM "rtree_ro""ofs_geom" ORDER BY id',
    ):  # fmt: skip
        assert rows(ours, query) == rows(theirs, query), query
    triggers = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'rtree%' ORDER BY 1"
    )
    assert rows(ours, triggers) == rows(theirs, triggers) != []


def refuse(*arguments):
    raise ValueError("let GDAL do it")


def test_edits_keep_the_index(tmp_path):
    """As an editor makes them that brings the functions its triggers call."""
    path = write(tmp_path / "f.gpkg", layer="f")
    with closing(sqlite3.connect(path)) as package, package:
        for place, name in enumerate(("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY")):
            package.create_function(
                name, 1, lambda blob, place=place: struct.unpack_from("<4d", blob, 8)[place]
            )
        package.create_function("ST_IsEmpty", 1, lambda blob: blob is None)
        package.execute("DELETE FROM f WHERE fid < 10")
        package.execute("UPDATE f SET geom = (SELECT geom FROM f WHERE fid = 50) WHERE fid = 51")
        package.execute("UPDATE f SET geom = NULL WHERE fid = 52")
        package.execute("UPDATE f SET fid = 900 WHERE fid = 53")
        package.execute("INSERT INTO f (geom) SELECT geom FROM f WHERE fid = 54")
    boxes = {fid: box for fid, *box in rows(path, "SELECT * FROM rtree_f_geom")}
    held = {fid for (fid,) in rows(path, "SELECT fid FROM f WHERE geom NOTNULL")}
    assert boxes.keys() == held and 900 in held and not {9, 52, 53} & held
    assert boxes[51] == boxes[50] and boxes[max(held)] == boxes[54]
    inside = gpd.read_file(path, bbox=(334000 + 50 * 60, 3057000, 334000 + 50 * 63 + 20, 3057010))
    assert inside["id"].tolist() == [60, 61, 62, 63]


@pytest.mark.parametrize(
    "crs",
    [None, CRS.from_proj4("+proj=tmerc +lat_0=3 +lon_0=17 +ellps=GRS80"), CRS.from_epsg(4979)],
)
def test_what_it_cannot_write_gdal_writes(tmp_path, crs):
    if crs is not None:
        with pytest.raises(ValueError, match="CRS"):
            GpkgSink(tmp_path / "f.gpkg", COLUMNS, crs, "f", {})
    assert len(pyogrio.read_dataframe(write(tmp_path / "g.gpkg", crs, layer="f"))) == 206
    assert [path.name for path in tmp_path.iterdir()] == ["g.gpkg"]


def test_longitude_and_latitude(tmp_path):
    path = tmp_path / "f.gpkg"
    with create_vector(path, UTM, columns=COLUMNS, dst_crs="EPSG:4326") as out:
        out.write(batch(1, 3))
    found = gpd.read_file(path)
    expected = gpd.GeoSeries(batch(1, 3).geometry, crs=UTM).to_crs(4326)
    assert found.crs.to_epsg() == 4326 and found.total_bounds == pytest.approx(
        expected.total_bounds, abs=1e-9
    )
    assert rows(path, "SELECT count(*) FROM gpkg_spatial_ref_sys") == [(3,)]


def test_footprints_are_written_without_pandas(tmp_path):
    """It takes longer to be imported than a mask of some thousand buildings to be traced."""
    program = (
        "import sys, shapely, numpy as np; from pyproj import CRS\n"
        "from geoseg.core.layer import Layer; from geoseg.io.vector.write import create_vector\n"
        "with create_vector(sys.argv[1], CRS.from_epsg(32645), columns={'id': 'int64'}) as out:\n"
        "    out.write(Layer(np.array([shapely.box(0, 0, 3, 2)]), CRS.from_epsg(32645), "
        "{'id': np.array([7])}))\n"
        "assert not {'pandas', 'geopandas', 'pyogrio', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "f.gpkg")], check=True)
    assert gpd.read_file(tmp_path / "f.gpkg")["id"].tolist() == [7]
