"""Footprints written in every format and read back, by ourselves and by other readers."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from pyproj import CRS, Transformer

from geoseg.core.layer import FOOTPRINTS
from geoseg.errors import OutputError, UsageError
from geoseg.io.vector.read import describe_layers
from geoseg.io.vector.write import create_vector, format_of
from tests.layers import layer, read

UTM = CRS.from_epsg(32645)
NAMES = ["out.gpkg", "out.geojson", "out.fgb", "out.parquet", "out.shp"]


def batch(first=1, count=3, crs=UTM):
    """Boxes of 20 x 10 m, the last one with a hole; the first is a MultiPolygon."""
    if not count:
        return batch(first, 1).iloc[:0]
    left = 334000 + 50.0 * np.arange(first, first + count)
    boxes = shapely.box(left, 3057000, left + 20, 3057010)
    boxes[-1] = boxes[-1].difference(shapely.box(left[-1] + 5, 3057002, left[-1] + 9, 3057004))
    boxes[0] = shapely.MultiPolygon([boxes[0], shapely.box(left[0], 3057020, left[0] + 2, 3057023)])
    columns = {
        "id": np.arange(first, first + count),
        "scene": ["Tromsø"] * count,
        "class": ["building"] * count,
        "confidence": np.where(np.arange(count) == 1, np.nan, 0.8125),
        "area_m2": np.round(shapely.area(boxes), 2),
        "perimeter_m": np.round(shapely.length(boxes), 2),
        "edge": np.arange(count) % 2 == 1,
        "vertices": np.full(count, 4, np.int32),
    }
    return gpd.GeoDataFrame(columns, geometry=boxes, crs=crs)


def in_order(frame):
    return frame.sort_values("id", ignore_index=True)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_read_back(tmp_path, name):
    with create_vector(tmp_path / name, UTM) as out:
        out.write(layer(batch(1, 3)))
        out.write(layer(batch(4, 0)))
        out.write(layer(batch(4, 5)))
        assert not (tmp_path / name).exists()
    assert out.count == 8
    found = in_order(read(tmp_path / name)).rename(columns={"perim_m": "perimeter_m"})
    expected = pd.concat([batch(1, 3), batch(4, 5)], ignore_index=True)
    if name.endswith("json"):
        assert found.crs.to_epsg() == 4326
        found = found.to_crs(UTM)
    assert found.crs.to_epsg() == 32645
    assert list(found.columns) == list(expected.columns)
    apart = shapely.hausdorff_distance(found.geometry.to_numpy(), expected.geometry.to_numpy())
    assert apart.max() < (2e-3 if name.endswith("json") else 1e-9)
    for column, kind in FOOTPRINTS.items():
        one, other = (
            f[column].tolist() if kind == "string" else f[column].astype(float)
            for f in (found, expected)
        )
        np.testing.assert_array_equal(one, other)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    "crs",
    [None, CRS.from_proj4("+proj=tmerc +lat_0=3 +lon_0=17 +ellps=GRS80"), CRS.from_epsg(4979)],
)
def test_odd_crs_and_names_in_a_geopackage(tmp_path, crs):
    columns = {"id": "int64", 'na"me': "string"}
    with create_vector(tmp_path / "f.gpkg", crs, columns=columns, layer='ro"ofs') as out:
        out.write(layer(batch(1, 3).rename(columns={"scene": 'na"me'})))
    found = pyogrio.read_dataframe(tmp_path / "f.gpkg", layer='ro"ofs')
    assert found['na"me'].tolist() == ["Tromsø"] * 3
    assert crs is None or found.crs.name == crs.name or found.crs == crs
    with sqlite3.connect(tmp_path / "f.gpkg") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_without_features(tmp_path, name):
    with create_vector(tmp_path / name, UTM):
        pass
    found = (
        gpd.read_parquet(tmp_path / name)
        if name.endswith("parquet")
        else gpd.read_file(tmp_path / name)
    )
    assert len(found) == 0
    if not name.endswith("json"):  # GeoJSON has columns in its features alone
        assert found.crs.to_epsg() == 32645
        assert len(found.columns) == len(FOOTPRINTS) + 1
    assert len(read(tmp_path / name)) == 0


def test_geopackage_by_sqlite(tmp_path):
    with create_vector(tmp_path / "out.gpkg", UTM, metadata={"GEOSEG_MODEL": "abc"}) as out:
        out.write(layer(batch()))
    with sqlite3.connect(tmp_path / "out.gpkg") as database:
        query = lambda sql: database.execute(sql).fetchall()  # noqa: E731
        assert query("PRAGMA user_version") == [(10200,)]
        assert query("SELECT table_name, data_type, srs_id FROM gpkg_contents") == [
            ("footprints", "features", 32645),
            ("layer_styles", "attributes", 0),
        ]
        assert query("SELECT geometry_type_name FROM gpkg_geometry_columns") == [("MULTIPOLYGON",)]
        assert "abc" in query("SELECT metadata FROM gpkg_metadata")[0][0]
        assert query("SELECT count(*) FROM rtree_footprints_geom") == [(3,)]
        types = {name: kind for _, name, kind, *_ in query("PRAGMA table_info(footprints)")}
        assert (types["edge"], types["scene"], types["confidence"]) == ("BOOLEAN", "TEXT", "REAL")
        assert query("SELECT id, confidence, edge FROM footprints") == [
            (1, 0.8125, 0),
            (2, None, 1),
            (3, 0.8125, 0),
        ]


def test_readers_leave_nothing_beside_a_geopackage(tmp_path):
    """GDAL copies the metadata of a dataset into a .aux.xml, as geopandas shows without our
    settings; those of a layer it does not, and they are found.
    """
    path = tmp_path / "out.gpkg"
    with create_vector(path, UTM, metadata={"GEOSEG_MODEL": "abc"}) as out:
        out.write(layer(batch()))
    program = (
        "import sys, geopandas, pyogrio\n"
        "geopandas.read_file(sys.argv[1], layer='footprints')\n"
        "pyogrio.read_dataframe(sys.argv[1], layer='footprints', use_arrow=True)\n"
        "about = pyogrio.read_info(sys.argv[1], layer='footprints')\n"
        "assert about['layer_metadata'] == {'GEOSEG_MODEL': 'abc'}\n"
        "assert about['dataset_metadata'] is None"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program, str(path)], check=True)
    assert [each.name for each in tmp_path.iterdir()] == ["out.gpkg"]
    (about,) = describe_layers(path)
    assert (about["features"], about["metadata"]) == (3, {"GEOSEG_MODEL": "abc"})


def test_geojson_is_rfc_7946(tmp_path):
    with create_vector(tmp_path / "out.geojson", UTM) as out:
        out.write(layer(batch()))
    content = json.loads((tmp_path / "out.geojson").read_text("utf-8"))
    assert "crs" not in content
    assert len(content["features"]) == 3
    properties = content["features"][1]["properties"]
    assert properties | {"area_m2": 0, "perimeter_m": 0} == {
        "id": 2, "scene": "Tromsø", "class": "building", "confidence": None,
        "area_m2": 0, "perimeter_m": 0, "edge": True, "vertices": 4,
    }  # fmt: skip
    shape = shapely.geometry.shape(content["features"][2]["geometry"])
    (polygon,) = shapely.get_parts(shape)
    assert polygon.exterior.is_ccw
    assert not polygon.interiors[0].is_ccw
    to_lonlat = Transformer.from_crs(UTM, 4326, always_xy=True)
    expected = shapely.transform(batch().geometry[2], to_lonlat.transform, interleaved=False)
    assert polygon.bounds == pytest.approx(expected.bounds, abs=2e-8)


def test_geoparquet_metadata(tmp_path):
    with create_vector(tmp_path / "out.parquet", UTM, metadata={"GEOSEG_MODEL": "abc"}) as out:
        out.write(layer(batch()))
    schema = pq.read_schema(tmp_path / "out.parquet")
    geo = json.loads(schema.metadata[b"geo"])
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    column = geo["columns"]["geometry"]
    assert column["geometry_types"] == ["MultiPolygon", "Polygon"]
    assert column["bbox"] == [334050, 3057000, 334170, 3057023]
    assert CRS.from_json_dict(column["crs"]).to_epsg() == 32645
    assert json.loads(schema.metadata[b"geoseg"]) == {"GEOSEG_MODEL": "abc"}
    assert str(schema.field("id").type) == "int64"


def test_a_shapefile_is_all_of_its_files(tmp_path):
    for leftover in ("out.qix", "out.cpg"):
        (tmp_path / leftover).write_text("old")
    with create_vector(tmp_path / "out.shp", UTM) as out:
        out.write(layer(batch()))
        assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith(".")) == [
            "out.cpg",
            "out.qix",
        ]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "out.cpg",
        "out.dbf",
        "out.prj",
        "out.shp",
        "out.shx",
    ]
    info = pyogrio.read_info(tmp_path / "out.shp")
    assert info["fields"].tolist() == [
        {"perimeter_m": "perim_m"}.get(name, name) for name in FOOTPRINTS
    ]
    assert max(map(len, info["fields"])) <= 10


def test_another_crs_layer_and_format(tmp_path):
    with create_vector(
        tmp_path / "out.dat", UTM, format="GPKG", layer="houses", dst_crs="EPSG:3857"
    ) as out:
        out.write(layer(batch()))
    assert pyogrio.list_layers(tmp_path / "out.dat").tolist()[0] == ["houses", "MultiPolygon"]
    found = read(tmp_path / "out.dat", layer="houses")
    assert found.crs.to_epsg() == 3857
    assert found.geometry.to_numpy()[1].equals_exact(
        shapely.multipolygons([batch().to_crs(3857).geometry[1]]), 1e-6
    )


def test_pixel_coordinates(tmp_path):
    plain = batch(crs=None)
    for name in NAMES:
        with create_vector(tmp_path / name, None) as out:
            out.write(layer(plain))
        assert (
            in_order(read(tmp_path / name)).geometry.to_numpy()[1].bounds
            == plain.geometry[1].bounds
        )


@pytest.mark.parametrize(
    ("name", "format", "kind"),
    [
        ("a.GPKG", None, "gpkg"),
        ("a.json", None, "geojson"),
        ("a.gpkg", "fgb", "flatgeobuf"),
        ("a", "GeoParquet", "parquet"),
    ],
)
def test_format_of(name, format, kind):
    assert format_of(name, format) == kind


def test_bad_formats_and_crs_are_usage_errors(tmp_path):
    for bad in ({"path": "out.kml"}, {"path": "out.gpkg", "format": "dxf"}, {"path": "o.gpkg", "dst_crs": "EPSG:0"},
                {"path": "o.geojson", "dst_crs": "EPSG:3857"}):  # fmt: skip
        path = tmp_path / bad.pop("path")
        with pytest.raises(UsageError), create_vector(path, UTM, **bad):
            pass
    with pytest.raises(UsageError), create_vector(tmp_path / "o.gpkg", None, dst_crs="EPSG:3857"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_an_error_inside_leaves_nothing(tmp_path, name):
    with pytest.raises(RuntimeError, match="mine"), create_vector(tmp_path / name, UTM) as out:
        out.write(layer(batch()))
        raise RuntimeError("mine")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_is_kept_unless_overwritten(tmp_path):
    path = tmp_path / "out.gpkg"
    path.write_text("mine")
    with pytest.raises(OutputError, match="exists"), create_vector(path, UTM):
        pass
    with pytest.raises(RuntimeError), create_vector(path, UTM, overwrite=True):
        raise RuntimeError
    assert path.read_text() == "mine"
    with create_vector(path, UTM, overwrite=True) as out:
        out.write(layer(batch()))
    assert len(read(path)) == 3
    with (
        pytest.raises(OutputError, match="folder"),
        create_vector(tmp_path / "none" / "out.gpkg", UTM),
    ):
        pass


@pytest.mark.parametrize("name", NAMES)
def test_a_disk_that_takes_no_more_is_an_output_error(tmp_path, name):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
    try:
        with pytest.raises(OutputError, match=name), create_vector(tmp_path / name, UTM) as out:
            for first in range(0, 40_000, 1000):
                out.write(layer(batch(first, 1000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.gpkg", "a.fgb"])
def test_utm_in_other_units_is_not_taken_for_utm(tmp_path, name):
    feet = CRS("+proj=utm +zone=33 +datum=WGS84 +units=us-ft")
    refused = pytest.raises(UsageError, match="UTM in units of US survey foot")
    with refused, create_vector(tmp_path / name, feet):
        pass
    assert not (tmp_path / name).exists()
    with create_vector(tmp_path / "a.parquet", feet):
        pass
    assert gpd.read_parquet(tmp_path / "a.parquet").crs.axis_info[0].unit_name == "US survey foot"
    with create_vector(tmp_path / name, feet, dst_crs="EPSG:32633"):
        pass
    assert pyogrio.read_info(tmp_path / name)["crs"] == "EPSG:32633"
