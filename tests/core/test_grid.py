import math

import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Geod, Transformer
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.errors import UnsuitableError

WGS84 = Geod(ellps="WGS84")


def around(epsg, lon, lat, x_size, y_size, height=90, width=140, angle=0.0):
    """Grid of a CRS that has its centre at ``lon``, ``lat``."""
    crs = CRS.from_epsg(epsg)
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(lon, lat)
    spin = Affine.rotation(angle) * Affine.scale(x_size, -y_size)
    return Grid(
        crs,
        Affine.translation(x, y) * spin * Affine.translation(-width / 2, -height / 2),
        height,
        width,
    )


def measured(grid):
    """Mean of the sides of the pixel at the centre on the WGS 84 ellipsoid."""
    to_lonlat = Transformer.from_crs(grid.crs, 4326, always_xy=True)
    col, row = grid.width / 2, grid.height / 2
    here, right, down = (
        to_lonlat.transform(*(grid.transform * p))
        for p in ((col, row), (col + 1, row), (col, row + 1))
    )
    return math.sqrt(WGS84.inv(*here, *right)[2] * WGS84.inv(*here, *down)[2])


@pytest.mark.parametrize(
    ("epsg", "lon", "lat", "x_size", "y_size"),
    [
        (3857, 18.9, 69.6, 0.5, 0.5),
        (3857, 39.24, -6.05, 0.075, 0.075),
        (4326, 39.24, -6.05, 3e-6, 2e-6),
        (4326, -150, 71.2, 9e-6, 3e-6),
        (32737, 39.24, -6.05, 0.3, 0.3),
        (2263, -73.98, 40.75, 0.5, 0.5),  # New York, US feet
        (3031, 12.3, -82.4, 5, 5),
        (3413, -40, 83, 2, 3),
        (4807, 0.05, 48.9, 4e-6, 3e-6),  # Paris, grads
        (27571, 2.4, 48.9, 0.5, 0.5),
        (25832, 7.5, 46.9, 0.25, 0.25),
    ],
)
def test_gsd_is_what_geod_measures(epsg, lon, lat, x_size, y_size):
    grid = around(epsg, lon, lat, x_size, y_size)
    assert grid.gsd == pytest.approx(measured(grid), rel=2e-3)


def test_gsd_of_known_places():
    assert around(3857, 18.9, 60, 1, 1).gsd == pytest.approx(math.cos(math.radians(60)), rel=5e-3)
    assert around(2263, -73.98, 40.75, 1, 1).gsd == pytest.approx(1200 / 3937, rel=1e-3)
    assert around(32737, 39.24, -6.05, 0.2, 0.45).gsd == pytest.approx(0.3, rel=1e-3)


def test_gsd_of_a_picture_and_of_a_site_plan():
    assert Grid(None, Affine.identity(), 90, 140).gsd is None
    feet = CRS.from_wkt('LOCAL_CS["site",UNIT["foot",0.3048],AXIS["x",EAST],AXIS["y",NORTH]]')
    assert Grid(feet, Affine(2, 0, 50, 0, -0.5, 70), 90, 140).gsd == pytest.approx(0.3048)


@given(st.floats(-180, 180), st.floats(0.01, 3))
def test_gsd_does_not_turn_with_the_grid(angle, size):
    turned = around(32737, 39.24, -6.05, size, size, angle=angle)
    assert turned.gsd == pytest.approx(around(32737, 39.24, -6.05, size, size).gsd, rel=1e-5)


def test_gsd_outside_the_crs():
    for crs, transform in (
        (32737, Affine(1, 0, 1e12, 0, -1, 1e12)),
        (4326, Affine(1, 0, 0, 0, -1, 5000)),
    ):
        with pytest.raises(UnsuitableError, match="outside its CRS"):
            Grid(CRS.from_epsg(crs), transform, 90, 140).gsd  # noqa: B018


@pytest.mark.parametrize(
    ("transform", "height", "width"),
    [
        (Affine.identity(), 0, 140),
        (Affine.identity(), 90, -1),
        (Affine(1, 2, 0, 2, 4, 0), 90, 140),
        (Affine(math.nan, 0, 0, 0, -1, 0), 90, 140),
        (Affine(1, 0, math.inf, 0, -1, 0), 90, 140),
    ],
)
def test_what_is_no_grid(transform, height, width):
    with pytest.raises(UnsuitableError):
        Grid(None, transform, height, width)


def test_bounds_and_corners():
    grid = Grid(None, Affine(0.5, 0, 100, 0, -0.25, 80), 90, 140)
    assert grid.bounds == (100, 57.5, 170, 80) and grid.shape == (90, 140)
    assert grid.corners == [(100, 80), (170, 80), (170, 57.5), (100, 57.5)]
    turned = Grid(None, Affine.rotation(90) * Affine.scale(1, -1), 90, 140)
    assert turned.bounds == pytest.approx((0, 0, 90, 140))


affines = st.builds(
    lambda x, y, angle, sx, sy: (
        Affine.translation(x, y) * Affine.rotation(angle) * Affine.scale(sx, -sy)
    ),
    *[st.floats(-1e6, 1e6)] * 2,
    st.floats(-180, 180),
    *[st.floats(0.01, 100)] * 2,
)


@given(
    affines, st.integers(-50, 200), st.integers(-50, 200), st.integers(1, 80), st.integers(1, 80)
)
def test_a_window_lies_where_its_pixels_lie(transform, col, row, width, height):
    part = Grid(None, transform, 90, 140).window(Window(col, row, width, height))
    assert part.shape == (height, width)
    for x, y in ((0, 0), (width, 0), (3.5, height)):
        assert part.transform * (x, y) == pytest.approx(
            transform * (col + x, row + y), rel=1e-9, abs=1e-6
        )


@given(affines, st.floats(0.05, 12))
def test_a_scaled_grid_covers_the_same_ground(transform, factor):
    grid = Grid(None, transform, 90, 140)
    scaled = grid.scaled(factor)
    assert scaled.shape == (max(1, round(90 * factor)), max(1, round(140 * factor)))
    for ours, theirs in zip(scaled.corners, grid.corners, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-6)


def test_scaling_to_a_gsd_reaches_it():
    grid = around(3857, 18.9, 69.6, 0.5, 0.5, height=900, width=1400)
    assert grid.scaled(grid.gsd / 0.3).gsd == pytest.approx(0.3, rel=5e-3)
