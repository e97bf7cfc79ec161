"""Areas and perimeters against geodesics, on CRSs where planar ones are far off."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Geod, Transformer

from geoseg.core.grid import Grid
from geoseg.geometry.measure import (
    area_scale,
    areas,
    measure,
    metric_tensor,
    pixel_size,
)

# name, CRS, longitude and latitude of the place
PLACES = [
    ("web mercator at 69 N", "EPSG:3857", 18.9, 69.6),
    ("degrees", "EPSG:4326", 85.5, 27.6),
    ("degrees at 69 N", "EPSG:4326", 18.9, 69.6),
    ("degrees across the antimeridian", "EPSG:4326", 180.0, -16.8),
    ("grads from Paris", "EPSG:4807", 2.9, 48.1),
    ("US survey feet", "EPSG:2236", -80.2, 25.8),
    ("UTM", "EPSG:32633", 12.6, 55.6),
    ("UTM far off its zone", "EPSG:32633", 24.0, 60.0),
    ("UTM with heights", "EPSG:32633+5773", 12.6, 55.6),
    ("polar north", "EPSG:3413", -51.7, 70.2),
    ("beside the north pole", "EPSG:3413", 10.0, 89.2),
    ("polar south", "EPSG:3031", 166.7, -77.8),
    ("equal area of its own", "+proj=laea +lat_0=10 +lon_0=40 +ellps=GRS80 +units=m", 46.0, -15.0),
    (
        "rotated pole",
        "+proj=ob_tran +o_proj=longlat +o_lon_p=20 +o_lat_p=40 +ellps=GRS80",
        7.0,
        50.0,
    ),
    ("plate carree", "EPSG:32662", 30.0, 55.0),
]


def polygons(crs: CRS, lon: float, lat: float, size: float) -> np.ndarray:
    """An L with a courtyard, a rotated rectangle, and the two as one, ``size`` metres long around a
    place, in the CRS.
    """
    local = CRS.from_dict({"proj": "aeqd", "lon_0": lon, "lat_0": lat, "datum": "WGS84"})
    here = Transformer.from_crs(local, crs, always_xy=True)
    shell = np.array([[0, 0], [1, 0], [1, 0.3], [0.5, 0.3], [0.5, 0.7], [0, 0.7]])
    hole = np.array([[0.1, 0.1], [0.2, 0.1], [0.2, 0.3], [0.1, 0.3]])
    box = np.array([[0.2, -0.6], [0.9, -0.2], [0.8, 0.0], [0.1, -0.4]])
    made = np.array([shapely.Polygon(shell, [hole]), shapely.Polygon(box), None])
    made[2] = shapely.MultiPolygon([made[0], made[1]])

    def placed(points: np.ndarray) -> np.ndarray:
        x, y = here.transform(*(points * size).T)
        return np.column_stack([x % 360 if abs(lon) > 179 else x, y])

    return shapely.transform(made, placed)


def geodesic(geometry: np.ndarray, crs: CRS) -> tuple[np.ndarray, np.ndarray]:
    """Areas and perimeters by Karney's geodesics over densified edges, on the CRS's ellipsoid."""
    geod = crs.get_geod() or Geod(ellps="WGS84")
    geodetic = crs.geodetic_crs
    to_lonlat = Transformer.from_crs(crs, geodetic, always_xy=True)
    degrees = np.degrees(geodetic.axis_info[0].unit_conversion_factor)
    found = []
    for polygon in geometry:
        area = around = 0.0
        for part in shapely.get_parts(shapely.segmentize(polygon, shapely.length(polygon) / 400)):
            on_earth = shapely.transform(
                part, lambda p: np.column_stack(to_lonlat.transform(*p.T)) * degrees
            )
            # the exterior's perimeter alone
            own = geod.geometry_area_perimeter(shapely.orient_polygons(on_earth))
            area += own[0]
            around += own[1] + sum(geod.geometry_length(hole) for hole in on_earth.interiors)
        found.append((area, around))
    return tuple(abs(np.array(column)) for column in zip(*found, strict=True))


@pytest.mark.parametrize("size", [12, 900, 60_000])
@pytest.mark.parametrize(("crs", "lon", "lat"), [p[1:] for p in PLACES], ids=[p[0] for p in PLACES])
def test_against_geodesics(crs, lon, lat, size):
    crs = CRS.from_user_input(crs)
    geometry = polygons(crs, lon, lat, size)
    area, around = geodesic(geometry, crs)
    np.testing.assert_allclose(areas(geometry, crs), area, rtol=1e-4)
    np.testing.assert_allclose(measure(geometry, crs)[1], around, rtol=1e-4)


def test_footprint_at_the_pole_itself():
    crs = CRS.from_epsg(3413)
    around_it = np.array([shapely.box(-40, -15, 20, 35)])
    scale = 0.9699
    np.testing.assert_allclose(areas(around_it, crs), 60 * 50 / scale**2, rtol=1e-3)
    np.testing.assert_allclose(measure(around_it, crs)[1], 220 / scale, rtol=1e-3)


@pytest.mark.parametrize("reach", [1e9, 1e14])
def test_what_reaches_beyond_the_earth_is_measured_in_the_plane(reach):
    wide = np.array([shapely.box(-reach, 5e6, reach, 5e6 + reach)])
    area, around = measure(wide, CRS(32633))
    np.testing.assert_allclose([area[0], around[0]], [2 * reach**2, 6 * reach], rtol=0.02)


def test_without_an_ellipsoid_units_are_the_plane_s():
    geometry = np.array([shapely.box(3, 5, 13, 9)])
    feet = CRS.from_wkt('LOCAL_CS["site",UNIT["foot",0.3048],AXIS["x",EAST],AXIS["y",NORTH]]')
    np.testing.assert_allclose(measure(geometry, None), [[40], [28]])
    np.testing.assert_allclose(measure(geometry, feet), [[40 * 0.3048**2], [28 * 0.3048]])
    assert measure(geometry[:0], feet)[0].shape == (0,)


def test_metric_of_web_mercator():
    """E = G = cos² of latitude to the ellipsoid's flattening, no shear."""
    lat = np.array([0, 45, -69.0])
    x, y = Transformer.from_crs(4326, 3857, always_xy=True).transform([10.0] * 3, lat)
    found = metric_tensor(np.column_stack([x, y]), CRS.from_epsg(3857))
    np.testing.assert_allclose(
        found[:, [0, 2]], np.cos(np.radians(lat))[:, None] ** 2 * [1, 1], rtol=0.015
    )
    np.testing.assert_allclose(found[:, 1], 0, atol=1e-6)
    np.testing.assert_allclose(area_scale(found), np.cos(np.radians(lat)) ** 2, rtol=0.015)


def test_pixel_size():
    degrees = Grid(CRS.from_epsg(4326), Affine(1e-5, 0, 18.9, 0, -1e-5, 69.6), 300, 700)
    across, along = pixel_size(degrees)
    assert across == pytest.approx(0.390, abs=0.002)
    assert along == pytest.approx(1.116, abs=0.002)
    rotated = Grid(CRS.from_epsg(32633), Affine(0.3, 0.4, 5e5, 0.6, -0.8, 6e6), 30, 70)
    assert pixel_size(rotated) == pytest.approx((0.4500**0.5, 0.8000**0.5), rel=1e-3)
    assert pixel_size(Grid(None, Affine.scale(7, 7), 30, 70)) == (1, 1)
