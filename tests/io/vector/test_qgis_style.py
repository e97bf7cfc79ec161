"""The style inside of a GeoPackage: where QGIS looks for it, and what other readers see."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from xml.etree import ElementTree as Xml

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from pyproj import CRS

from geoseg.core.layer import FOOTPRINTS
from geoseg.io.vector.qgis_style import graduated, single
from geoseg.io.vector.write import create_vector
from tests.layers import layer, read

UTM = CRS.from_epsg(32645)


def write(path, confidence=(0.55, 0.95, np.nan), columns=FOOTPRINTS, **keywords):
    left = 334000 + 40.0 * np.arange(len(confidence))
    values = {name: np.ones(len(left)) for name in columns} | {"confidence": np.array(confidence)}
    values |= {
        "scene": ["a"] * len(left),
        "class": ["building"] * len(left),
        "edge": np.zeros(len(left), bool),
    }
    for name in ("id", "vertices"):
        values[name] = np.arange(1, len(left) + 1)
    frame = gpd.GeoDataFrame(
        values, geometry=shapely.box(left, 3057000, left + 20, 3057010), crs=UTM
    )
    with create_vector(path, UTM, columns=columns, **keywords) as out:
        out.write(layer(frame))
    return path


def rows(path, query, *values):
    with closing(sqlite3.connect(path)) as package:
        return package.execute(query, values).fetchall()


def test_the_style_is_where_qgis_looks(tmp_path):
    path = write(tmp_path / "out.gpkg", layer="houses")
    ((table, column, default, qml),) = rows(
        path,
        "SELECT f_table_name, f_geometry_column, useAsDefault, styleQML FROM layer_styles "
        "WHERE f_table_schema = ''",
    )
    assert (table, default) == ("houses", 1)
    assert rows(path, "SELECT column_name FROM gpkg_geometry_columns") == [(column,)]
    contents = "SELECT table_name, data_type FROM gpkg_contents ORDER BY rowid"
    assert rows(path, contents) == [("houses", "features"), ("layer_styles", "attributes")]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert (
        Xml.fromstring(qml.split("\n", 1)[1]).find("renderer-v2").get("attr")
        == 'coalesce("confidence", -1)'
    )


def test_footprints_stay_the_first_layer(tmp_path):
    path = write(tmp_path / "out.gpkg")
    assert pyogrio.list_layers(path).tolist() == [
        ["footprints", "MultiPolygon"],
        ["layer_styles", None],
    ]
    assert len(pyogrio.read_dataframe(path, layer=0)) == 3
    assert read(path)["confidence"].tolist()[:2] == [0.55, 0.95]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.gpkg"]


def test_an_empty_layer_is_styled_too(tmp_path):
    path = write(tmp_path / "out.gpkg", ())
    assert rows(path, "SELECT count(*) FROM layer_styles") == [(1,)]


def test_styles_of_one_s_own_and_none(tmp_path):
    own = write(tmp_path / "own.gpkg", style=graduated("area_m2", (0, 50, 100), ("0,0,0", "9,9,9")))
    ((qml,),) = rows(own, "SELECT styleQML FROM layer_styles")
    assert "area_m2" in qml
    plain = write(tmp_path / "plain.gpkg", columns={"id": "int64"})
    assert pyogrio.list_layers(plain).tolist() == [["footprints", "MultiPolygon"]]


def test_each_class_has_a_colour():
    root = Xml.fromstring(graduated().split("\n", 1)[1])
    ranges = [
        (float(r.get("lower")), float(r.get("upper")), r.get("symbol")) for r in root.iter("range")
    ]
    assert ranges[0][:2] == (-1, -1)
    assert [low for low, _, _ in ranges[1:]] == [0, 0.6, 0.7, 0.8, 0.9]
    assert [high for _, high, _ in ranges[1:]] == [0.6, 0.7, 0.8, 0.9, 1]
    symbols = {s.get("name"): s for s in root.iter("symbol")}
    assert set(symbols) == {name for _, _, name in ranges}
    colours = [
        next(p.get("v") for p in s.iter("prop") if p.get("k") == "color") for s in symbols.values()
    ]
    assert len(set(colours)) == len(ranges)


def test_one_colour_filled_or_not():
    for filled, style in ((True, "solid"), (False, "no")):
        root = Xml.fromstring(single("0,158,115", filled).split("\n", 1)[1])
        assert root.find("renderer-v2").get("type") == "singleSymbol"
        props = {p.get("k"): p.get("v") for p in root.iter("prop")}
        assert (props["style"], props["outline_color"]) == (style, "0,158,115,255")
