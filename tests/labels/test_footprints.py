"""Footprints as files have them, on the grid of a scene."""

from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Transformer

from geoseg.core.grid import Grid
from geoseg.errors import InputError, UnsuitableError, UsageError
from geoseg.geometry.burn import Burner
from geoseg.labels.footprints import footprints_in, footprints_on
from geoseg.report import Remarks
from geoseg.specs.vectors import VectorFiles

UTM = CRS.from_epsg(32633)
LONLAT = CRS.from_epsg(4326)
GRID = Grid(UTM, Affine(0.3, 0, 458_520, 0, -0.3, 5_548_710), 200, 240)
STEP = 0.0001


def house(number=0):
    """10 m x 8 m, each 20 m farther to the right."""
    return shapely.box(458_530 + 20 * number, 5_548_682, 458_540 + 20 * number, 5_548_690)


def geojson(path, geometries, **columns):
    rows = [
        {
            "type": "Feature",
            "properties": {name: values[number] for name, values in columns.items()},
            "geometry": None if each is None else shapely.geometry.mapping(each),
        }
        for number, each in enumerate(geometries)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": rows}))
    return path


def lonlat(*geometries):
    return gpd.GeoSeries(list(geometries), crs=UTM).to_crs(LONLAT).tolist()


def save(path, *geometries, crs=UTM, **columns):
    gpd.GeoDataFrame(columns, geometry=list(geometries), crs=crs).to_file(path)
    return path


def areas(layer):
    return np.round(shapely.area(layer.geometry), 1).tolist()


def test_what_has_no_polygon_keeps_its_row_and_is_told(tmp_path):
    """A point, nothing, an empty polygon, and collections: of a polygon, of a line, of both in a
    collection of its own.
    """
    point = shapely.Point(458_525, 5_548_705)
    line = shapely.LineString([(458_525, 5_548_705), (458_529, 5_548_700)])
    collections = [
        shapely.GeometryCollection([house(1), point]),
        shapely.GeometryCollection([line]),
        shapely.GeometryCollection([shapely.GeometryCollection([house(2), line]), house(0)]),
    ]
    shapes = lonlat(house(), point, *collections)
    path = geojson(tmp_path / "f.geojson", [*shapes, None, shapely.Polygon()])
    warnings = []
    found = footprints_on(path, GRID, warnings)
    assert areas(found) == [80.0, 0, 80.0, 0, 160.0, 0, 0]
    assert warnings == [
        f"{path}: left out what is no polygon: 2 without a geometry, 2 Point, 2 LineString",
        f"{path}: reprojected from EPSG:4326 to EPSG:32633",
    ]
    only = geojson(tmp_path / "points.geojson", lonlat(point, point))
    with pytest.raises(UnsuitableError, match="holds a Point, footprints are polygons"):
        footprints_on(only, GRID, [])


def test_layers_without_footprints_are_told(tmp_path):
    nothing = geojson(tmp_path / "nothing.geojson", [])
    null = geojson(tmp_path / "null.geojson", [None])
    for path in (nothing, null):
        warnings = []
        assert areas(footprints_on(path, GRID, warnings)) == [0] * (path == null)
        assert warnings[-1] == f"{path}: holds no footprints"
    path, warnings = save(tmp_path / "f.gpkg", house(), n=[4]), []
    assert len(footprints_on(VectorFiles.of(path, where="n > 4"), GRID, warnings)) == 0
    assert warnings == [f"{path}: holds no footprints"]


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp", ".fgb", ".parquet"])
def test_a_condition_means_the_same_in_every_format(tmp_path, suffix):
    table = gpd.GeoDataFrame(
        {"kind": ["house", "shed", None, "house"], "height": [2.5, 7.0, 9.0, np.nan]},
        geometry=[house(number) for number in range(4)],
        crs=UTM,
    ).to_crs(LONLAT)
    path = tmp_path / f"f{suffix}"
    table.to_parquet(path) if suffix == ".parquet" else table.to_file(path)
    for where, expected in {
        "kind = 'house'": [0, 3],
        "height > 3 AND kind IS NOT NULL": [1],
        "kind IN ('shed') OR height IS NULL": [1, 3],
        "kind LIKE 'h%'": [0, 3],
    }.items():
        found = footprints_on(VectorFiles.of(path, where=where), GRID, [], columns=("height",))
        assert list(found.columns) == ["height"]
        middles = (shapely.bounds(found.geometry)[:, 0] - 458_530) / 20
        # FlatGeobuf has an order of its own
        assert sorted(np.round(middles).astype(int)) == expected
    for wrong in ("absent > 3", "kind =", "kind = 'a"):
        with pytest.raises(UsageError, match="cannot be filtered by"):
            footprints_on(VectorFiles.of(path, where=wrong), GRID, [])
    with pytest.raises(
        UsageError, match="no such column" if suffix in (".gpkg", ".parquet") else "absent"
    ):
        footprints_on(VectorFiles.of(path, where="absent > 3"), GRID, [])


def test_several_files_are_read_as_one(tmp_path):
    """In CRSs and with columns of their own."""
    first = save(tmp_path / "a.gpkg", house(0), house(1), kind=["a", "b"])
    second = geojson(tmp_path / "b.geojson", lonlat(house(2)), floors=[3])
    files, warnings = VectorFiles.of([first, second]), []
    found = footprints_on(files, GRID, warnings, columns=("kind", "floors"))
    assert areas(found) == [80.0, 80.0, 80.0]
    assert found.columns["kind"].tolist() == ["a", "b", None]
    assert found.columns["floors"].tolist() == [None, None, 3]
    assert warnings == [f"{second}: reprojected from EPSG:4326 to EPSG:32633"]
    assert str(files) == f"{first} and 1 more"
    with pytest.raises(InputError, match=r"none\.gpkg: does not exist"):
        footprints_on(VectorFiles.of([first, tmp_path / "none.gpkg"]), GRID, [])


def test_coordinates_that_are_not_those_of_the_crs(tmp_path):
    degrees = save(tmp_path / "degrees.gpkg", *lonlat(house()))
    with pytest.raises(UnsuitableError, match=r"14\.4.* of EPSG:32633, which counts in metres"):
        footprints_on(degrees, GRID, [])
    metres = geojson(tmp_path / "metres.geojson", [house()])
    with pytest.raises(UnsuitableError, match=r"458530 .* of EPSG:4326, which counts in degrees"):
        footprints_on(metres, GRID, [])
    with pytest.raises(UnsuitableError, match="counts in degrees"):
        footprints_in(metres, None, [])
    # beyond 180 degrees nothing is wrong, nor near the origin of a CRS
    beyond = Grid(LONLAT, Affine(STEP, 0, 190, 0, -STEP, -17), 60, 50)
    box = shapely.box(190.001, -17.003, 190.002, -17.001)
    footprints_on(geojson(tmp_path / "beyond.geojson", [box]), beyond, [])
    gulf = Grid(CRS.from_epsg(3857), Affine(1, 0, 0, 0, -1, 60), 60, 50)
    footprints_on(save(tmp_path / "gulf.gpkg", shapely.box(3, 4, 9, 20), crs=3857), gulf, [])


@pytest.mark.parametrize("left", [179.997, -180.003, 539.997])
@pytest.mark.parametrize("how", ["cut", "whole", "turned", "wrapped"])
def test_a_building_across_180_degrees_is_whole(tmp_path, left, how):
    grid = Grid(LONLAT, Affine(STEP, 0, left, 0, -STEP, -17), 60, 50)
    low, high = -17 - 40 * STEP, -17 - 20 * STEP
    box = {
        "cut": shapely.MultiPolygon(
            [shapely.box(179.999, low, 180, high), shapely.box(-180, low, -179.999, high)]
        ),
        "whole": shapely.box(179.999, low, 180.001, high),
        "turned": shapely.box(-180.001, low, -179.999, high),
        "wrapped": shapely.Polygon(
            [(179.999, low), (-179.999, low), (-179.999, high), (179.999, high)]
        ),
    }[how]
    found = footprints_on(geojson(tmp_path / "f.geojson", [box]), grid, [])
    expected = shapely.box(left + 0.002, low, left + 0.004, high)
    assert found.geometry[0].geom_type == "Polygon"
    assert shapely.symmetric_difference(found.geometry[0], expected).area < 1e-12
    utm = footprints_in(tmp_path / "f.geojson", CRS.from_epsg(32760), [])
    width, height = np.ptp(utm.geometry[0].bounds[::2]), np.ptp(utm.geometry[0].bounds[1::2])
    assert (width, height) == (pytest.approx(213, abs=5), pytest.approx(221, abs=5))


@pytest.mark.parametrize("west, east", [(5, 25), (-180, 180), (0, 360)])
@pytest.mark.parametrize("row", [0, 17, 40])
def test_an_area_of_four_corners_follows_its_parallel(tmp_path, west, east, row):
    """An edge along a parallel is no straight line in UTM, where it may not even have ends."""
    grid = Grid(CRS.from_epsg(32633), Affine(5, 0, 430_000, 0, -5, 5_500_000), 40, 64)
    x, y = grid.transform * (grid.width / 2, row)
    lat = Transformer.from_crs(grid.crs, 4326, always_xy=True).transform(x, y)[1]
    path = tmp_path / "area.geojson"
    gpd.GeoDataFrame(geometry=[shapely.box(west, lat, east, 80)], crs=4326).to_file(path)
    found = footprints_on(path, grid, Remarks())
    burnt = Burner(found.geometry).burn(grid)
    # the parallel climbs by some metres over the width of the scene
    np.testing.assert_allclose(burnt.sum(), row * grid.width, atol=2 * grid.width)


def test_an_area_beside_the_scene_is_refused(tmp_path):
    """Its bounds in UTM reach the scene, for its edge is curved there."""
    grid = Grid(CRS.from_epsg(32633), Affine(0.3, 0, 430_000, 0, -0.3, 5_500_000), 40, 64)
    lat = Transformer.from_crs(grid.crs, 4326, always_xy=True).transform(*grid.corners[2])[1]
    path = tmp_path / "area.geojson"
    area = shapely.box(5, 40, 25, lat - 0.001)
    gpd.GeoDataFrame(geometry=[area], crs=4326).to_file(path)
    assert area.bounds[3] < lat
    with pytest.raises(UnsuitableError, match="no overlap"):
        footprints_on(path, grid, Remarks())
