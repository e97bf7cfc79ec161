"""Footprints come out the same whichever format holds them."""

from __future__ import annotations

import shutil
import sqlite3
import warnings
from contextlib import closing

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from geoseg.errors import InputError, UnsuitableError
from geoseg.io.vector.read import describe_layers, read_features, read_footprints

DRIVERS = {".geojson": "GeoJSON", ".fgb": "FlatGeobuf", ".shp": "ESRI Shapefile"}
UTM = CRS.from_epsg(32645)
BOX = shapely.box(334000, 3057000, 334040, 3057030)
COURT = shapely.box(334100, 3057000, 334140, 3057030) - shapely.box(
    334110, 3057010, 334115, 3057012
)
PAIR = shapely.MultiPolygon(
    [shapely.box(334200, 3057000, 334205, 3057030), shapely.box(334210, 3057000, 334225, 3057030)]
)
TALL = shapely.force_3d(shapely.box(334300, 3057000, 334340, 3057030), 7)


def save(path, geometry, crs=UTM, **columns):
    layer = columns.pop("layer", None)
    columns = columns or {"n": range(len(geometry))}
    table = gpd.GeoDataFrame(columns, geometry=geometry, crs=crs)
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the extension
            # which wants geometries everywhere
            options = {"SPATIAL_INDEX": "NO"} if path.suffix == ".fgb" else {}
            table.to_file(path, driver=DRIVERS.get(path.suffix, "GPKG"), layer=layer, **options)
    return path


def multi(geometry):
    return shapely.normalize(shapely.multipolygons(shapely.get_parts(shapely.force_2d(geometry))))


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".fgb", ".parquet", ".shp"])
def test_every_format_holds_the_same(tmp_path, suffix):
    """3D, holes, several parts, no geometry, an empty one, invalid rings, numbers with gaps, names
    that need quotes.
    """
    bow_tie = shapely.Polygon(
        [(334400, 3057000), (334420, 3057010), (334420, 3057000), (334400, 3057010)]
    )
    tall = BOX if suffix == ".fgb" else TALL  # which does not mix
    geometry = [tall, COURT, PAIR, bow_tie, None] + (
        [shapely.Polygon()] if suffix in (".gpkg", ".parquet") else []
    )
    columns = {
        "sto\"rey's": np.arange(len(geometry)),
        "height": [2.5, np.nan] * (len(geometry) // 2) + [1.5] * (len(geometry) % 2),
        "kind": ["Tromsø", None, "b"] + ["c"] * (len(geometry) - 3),
    }
    crs = CRS.from_epsg(4326) if suffix == ".geojson" else UTM
    path = save(tmp_path / f"f{suffix}", geometry, crs, **columns)
    found = read_features(path)
    assert found.crs == crs and list(found.columns) == list(columns)
    assert [None if kind != kind else kind for kind in found.columns["kind"]] == columns["kind"]
    np.testing.assert_array_equal(found.columns["height"], columns["height"])
    assert not shapely.has_z(found.geometry).any()
    for one, other in zip(found.geometry, geometry, strict=True):
        assert (one is None) == (other is None)
        assert one is None or shapely.equals_exact(multi(one), multi(other), 1e-9)
    some = read_features(path, columns=("kind", "height", "none"))
    assert list(some.columns) == ["height", "kind"]
    assert list(read_features(path, columns=()).columns) == []


polygons = st.builds(
    lambda x, y, w, h, z: shapely.force_3d(shapely.box(x, y, x + w, y + h), z) if z else shapely.box(x, y, x + w, y + h),
    st.floats(-1e6, 1e6), st.floats(0, 9e6), st.floats(0.1, 300), st.floats(0.1, 300), st.sampled_from([None, 3.5]),
)  # fmt: skip


@settings(max_examples=40)
@given(
    rows=st.lists(
        st.tuples(
            st.none() | polygons, st.none() | st.text(max_size=4).filter(lambda t: "\0" not in t)
        ),
        max_size=6,
    ),
    numbers=st.lists(st.none() | st.integers(-(2**53), 2**53), min_size=6, max_size=6),
    suffix=st.sampled_from([".gpkg", ".parquet"]),
)
def test_what_geopandas_writes_is_read(tmp_path_factory, rows, numbers, suffix):
    path = tmp_path_factory.mktemp("f") / f"f{suffix}"
    geometry, names = [row[0] for row in rows], [row[1] for row in rows]
    numbers = pd.array(numbers[: len(rows)], "Int64")
    table = gpd.GeoDataFrame(
        {"name": pd.array(names, "string"), "n": numbers}, geometry=geometry, crs=UTM
    )
    table.to_parquet(path) if suffix == ".parquet" else table.to_file(path, geometry_type="Unknown")
    found = read_features(path)
    flat = shapely.force_2d(np.array(geometry, object))
    assert shapely.to_wkb(found.geometry).tolist() == shapely.to_wkb(flat).tolist()
    assert found.crs == UTM
    assert found.columns["name"].tolist() == names
    expected = [np.nan if number is pd.NA else number for number in numbers]
    np.testing.assert_array_equal(found.columns["n"].astype(float), np.array(expected, float))


def test_the_layer_that_is_taken(tmp_path):
    path = save(tmp_path / "several.gpkg", [BOX, COURT, PAIR], layer="parcels")
    assert len(read_footprints(path)) == 3
    save(path, [BOX], layer='ro"ofs')
    with pytest.raises(
        UnsuitableError, match=r'has several layers, parcels, ro"ofs \(choose one with `layer`'
    ):
        read_footprints(path)
    assert len(read_footprints(path, 'ro"ofs')) == 1
    save(path, [BOX, COURT], layer="footprints")
    assert len(read_footprints(path)) == 2
    assert len(read_footprints(path, "parcels")) == 3
    with pytest.raises(
        UnsuitableError, match=r"has no layer walls \(its layers: parcels, ro\"ofs, footprints\)"
    ):
        read_footprints(path, "walls")
    assert [(each["layer"], each["features"]) for each in describe_layers(path)] == [
        ("parcels", 3),
        ('ro"ofs', 1),
        ("footprints", 2),
    ]


def change(path, *statements):
    with closing(sqlite3.connect(path)) as package, package:
        for statement in statements:
            package.execute(statement)
    return path


def put(path, blob):
    """Write ``blob`` for the geometries of the layer f, without the triggers that only GDAL can
    run.
    """
    with closing(sqlite3.connect(path)) as package, package:
        for (name,) in package.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            package.execute(f'DROP TRIGGER "{name}"')
        package.execute("UPDATE f SET geom = ?", (blob,))


def test_odd_geopackages(tmp_path):
    """A write-ahead log, a view, no CRS or one of one's own, dates: nothing is left beside them."""
    plain = save(tmp_path / "f.gpkg", [BOX, COURT], layer="f", n=[3, 4])
    others = {
        name: shutil.copy(plain, tmp_path / name)
        for name in ("log.gpkg", "view.gpkg", "no_crs.gpkg")
    }
    change(others["log.gpkg"], "PRAGMA journal_mode = wal")
    change(others["no_crs.gpkg"], "UPDATE gpkg_geometry_columns SET srs_id = -1")
    change(
        others["view.gpkg"],
        "CREATE VIEW v AS SELECT fid AS OGC_FID, geom, n FROM f WHERE n = 4",
        "INSERT INTO gpkg_contents (table_name, data_type, srs_id) VALUES ('v', 'features', 32645)",
        "INSERT INTO gpkg_geometry_columns VALUES ('v', 'geom', 'POLYGON', 32645, 0, 0)",
    )
    assert read_footprints(others["view.gpkg"], "v").columns["n"].tolist() == [4]
    for name in ("log.gpkg", "no_crs.gpkg"):
        assert read_footprints(others[name]).columns["n"].tolist() == [3, 4]
    dated = save(tmp_path / "dated.gpkg", [BOX], built=pd.to_datetime(["2020-02-03"]), n=[3])
    assert read_footprints(dated, columns=("n",)).columns["n"].tolist() == [3]
    assert str(read_footprints(dated).columns["built"][0]).startswith("2020-02-03")
    own = save(
        tmp_path / "own.gpkg", [BOX], CRS.from_proj4("+proj=tmerc +lat_0=3 +lon_0=17 +ellps=GRS80")
    )
    assert read_footprints(own).crs.to_dict()["lon_0"] == 17
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        ["f.gpkg", *others, "dated.gpkg", "own.gpkg"]
    )


def test_curves_become_lines(tmp_path):
    """A circle of 10 m radius, as WKB of a CurvePolygon, in a table that says nothing of curves."""
    path = save(tmp_path / "f.gpkg", [BOX])
    points = [334010.0, 3057000, 334020, 3057010, 334030, 3057000, 334020, 3056990, 334010, 3057000]
    arc = b"\1\10\0\0\0\5\0\0\0" + np.array(points, "<f8").tobytes()
    blob = b"GP\0\1" + (32645).to_bytes(4, "little") + b"\1\12\0\0\0\1\0\0\0" + arc
    put(path, blob)
    (circle,) = read_footprints(path).geometry
    assert circle.geom_type in ("Polygon", "MultiPolygon") and circle.area == pytest.approx(
        np.pi * 100, rel=2e-3
    )


def test_rings_that_are_not_closed_are(tmp_path):
    path = tmp_path / "f.geojson"
    ring = "[[10, 50], [10.001, 50], [10.001, 50.001], [10, 50.002]]"
    path.write_text(
        f'{{"type": "Feature", "properties": {{}}, "geometry": {{"type": "Polygon", "coordinates": [{ring}]}}}}'
    )
    (polygon,) = read_footprints(path).geometry
    assert polygon.exterior.is_closed and polygon.bounds == (10, 50, 10.001, 50.002)


def test_a_geopackage_that_may_not_be_written_is_read(tmp_path):
    folder = tmp_path / "shelf"
    folder.mkdir()
    path = save(folder / "f.gpkg", [BOX])
    path.chmod(0o444)
    folder.chmod(0o555)
    assert len(read_footprints(path)) == 1
    folder.chmod(0o755)


def test_no_crs(tmp_path):
    for suffix in (".gpkg", ".parquet", ".shp", ".fgb"):
        found = read_footprints(save(tmp_path / f"f{suffix}", [BOX], None))
        assert found.crs is None or found.crs.name.startswith("Undefined")
        assert len(found) == 1


def test_what_is_no_polygon_is_refused(tmp_path):
    for suffix in (".gpkg", ".geojson", ".fgb", ".parquet", ".shp"):
        crs = CRS.from_epsg(4326)
        with pytest.raises(UnsuitableError, match="holds a LineString, footprints are polygons"):
            read_footprints(
                save(tmp_path / f"f{suffix}", [shapely.LineString([(1, 2), (3, 5)])], crs)
            )


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_footprints(tmp_path / "none.gpkg")
    with pytest.raises(InputError, match="folder"):
        read_footprints(tmp_path)
    whole = save(tmp_path / "whole.gpkg", [shapely.box(0, 0, 4, 3)]).read_bytes()
    parquet = save(tmp_path / "whole.parquet", [shapely.box(0, 0, 4, 3)]).read_bytes()
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "table.parquet")
    pyogrio.write_dataframe(pd.DataFrame({"a": [1]}), tmp_path / "table.gpkg")
    for name, content in {
        "text.gpkg": b"hello",
        "cut.gpkg": whole[:3000],
        "half.gpkg": whole[: len(whole) // 2],
        "cut.json": b'{"type": "FeatureCollection", "features": [',
        "cut.fgb": b"fgb\x03fgb\x00" + bytes(20),
        "cut.parquet": b"PAR1" + bytes(40),
        "half.parquet": parquet[: len(parquet) // 2],
        "cut.shp": b"\0\0\x27\x0a" + bytes(10),
        "empty.gpkg": b"",
        "vrt.gpkg": b"<OGRVRTDataSource/>",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            read_footprints(tmp_path / name)
    for name in ("table.parquet", "table.gpkg"):
        with pytest.raises(UnsuitableError, match="no geometries"):
            read_footprints(tmp_path / name)


def test_damaged_geometries_are_an_input_error(tmp_path):
    for blob in (
        b"GP\0\1",
        b"nonsense",
        b"GP\0\17" + bytes(40),
        b"GP\0\1" + bytes(4) + b"\1\3\0\0\0\1\0\0\0\4",
    ):
        path = save(tmp_path / "f.gpkg", [BOX])
        put(path, blob)
        try:
            # what GDAL makes of it
            assert shapely.is_missing(read_footprints(path).geometry).all()
        except InputError as error:
            assert "f.gpkg" in str(error)
        path.unlink()


def test_a_missing_category_is_none_of_them(tmp_path):
    kinds = pd.Categorical(["house", None, "shed", None], categories=["house", "shed"])
    boxes = [shapely.box(9 * x, 0, 9 * x + 7, 4) for x in range(len(kinds))]
    frame = gpd.GeoDataFrame({"kind": kinds}, geometry=boxes, crs=32633)
    frame.to_parquet(tmp_path / "roofs.parquet")
    found = read_footprints(tmp_path / "roofs.parquet")
    assert found.columns["kind"].tolist() == ["house", None, "shed", None]
    assert len(read_footprints(tmp_path / "roofs.parquet", where="kind IS NULL")) == 2
