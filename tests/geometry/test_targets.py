import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pyproj import CRS
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.geometry.burn import burn, repair
from geoseg.geometry.measure import pixel_size
from geoseg.geometry.targets import Target, Targets, distance

SHAPE = 37, 61
GRIDS = {
    "metres": Grid(CRS.from_epsg(32736), Affine(0.5, 0, 512_000.25, 0, -0.5, 9_300_000.75), *SHAPE),
    "degrees": Grid(CRS.from_epsg(4326), Affine(4e-6, 0, 14.5, 0, -4e-6, 60.1), *SHAPE),
    "feet": Grid(CRS.from_epsg(2263), Affine(1.5, 0, 980_000, 0, -1.5, 200_000), *SHAPE),
    "rotated": Grid(
        CRS.from_epsg(32736),
        Affine.translation(5e5, 9e6) * Affine.rotation(30) * Affine.scale(0.5, -0.5),
        *SHAPE,
    ),
    "picture": Grid(None, Affine.identity(), *SHAPE),
}
SIZES = {name: pixel_size(grid) for name, grid in GRIDS.items()}
# a degree is 111.4 km up here, and a degree of longitude half of the equator's
TRUE_SIZES = {
    "degrees": (0.223, 0.446),
    "feet": (0.457, 0.457),
    "picture": (1, 1),
    "metres": (0.5, 0.5),
    "rotated": (0.5, 0.5),
}
GRID = GRIDS["metres"]


def at_pixels(geometry, grid=GRID):
    """Geometry in pixels (x = column, y = row) to the grid's coordinates."""
    t = grid.transform
    return shapely.transform(
        geometry, lambda xy: xy @ np.array([[t.a, t.d], [t.b, t.e]]) + (t.c, t.f)
    )


def whole(geometry, *targets, grid=GRID, **keywords):
    return Targets(geometry, grid, targets, **keywords).burn(Window(0, 0, grid.width, grid.height))


def filled(*boxes):
    out = np.zeros(SHAPE, bool)
    for x0, y0, x1, y1 in boxes:
        out[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
    return out


def boxes(*corners, grid=GRID):
    return at_pixels(np.array([shapely.box(*c) for c in corners]), grid)


@settings(max_examples=60)
@given(
    arrays(
        "uint32", st.tuples(st.integers(1, 12), st.integers(13, 25)), elements=st.integers(0, 2)
    ),
    st.sampled_from([(1.0, 1.0), (0.3, 0.3), (0.25, 0.6), (1.7, 0.4)]),
    st.floats(0.1, 9),
)
def test_distances_are_those_to_the_nearest_square_of_another_label(labels, size, limit):
    row, col = np.indices(labels.shape).reshape(2, -1)
    dx = np.maximum(abs(col[:, None] - col) - 0.5, 0) * size[0]
    dy = np.maximum(abs(row[:, None] - row) - 0.5, 0) * size[1]
    away = np.where(labels.ravel()[:, None] == labels.ravel(), np.inf, np.hypot(dx, dy))
    expected = away.min(axis=1).reshape(labels.shape)
    found = distance(labels, size, limit)
    assert found.dtype == np.float32 and (np.isfinite(found) | (expected > limit * 0.99999)).all()
    assert found[np.isfinite(found)].max(initial=0) <= np.float32(limit)
    np.testing.assert_allclose(found[np.isfinite(found)], expected[np.isfinite(found)], rtol=1e-5)


def test_distances_across_blocks():
    """Far from every edge of the pieces that are looked at together, and over them."""
    labels = np.zeros((150, 1100), np.uint32)
    labels[70, 505] = 1
    row, col = np.indices(labels.shape)
    expected = np.hypot(np.maximum(abs(col - 505) - 0.5, 0), np.maximum(abs(row - 70) - 0.5, 0))
    expected[70, 505] = 0.5
    np.testing.assert_allclose(
        distance(labels, (1, 1), 40), np.where(expected > 40, np.inf, expected), rtol=1e-6
    )


def test_footprint_and_instance():
    geometry = boxes((40, 3, 52, 8), (44, 5, 50, 12))
    masks = whole(geometry, Target("footprint"), Target("instance"), value=9)
    assert masks.dtype == np.uint32
    np.testing.assert_array_equal(masks[0], burn(geometry, GRID, value=9))
    np.testing.assert_array_equal(masks[1], burn(geometry, GRID, values=[1, 2], dtype="uint32"))
    assert whole(geometry, Target("footprint")).dtype == np.uint8
    np.testing.assert_array_equal(
        whole(geometry, Target("footprint"), values=np.array([3, 200]))[0],
        masks[1] * 197 - (masks[1] > 0) * 194,
    )


def test_more_instances_than_16_bits_hold():
    geometry = np.full(70_000, shapely.Polygon(), object)
    geometry[66_000] = boxes((40, 3, 52, 8))[0]
    assert whole(geometry, Target("instance"))[0][5, 45] == 66_001


@pytest.mark.parametrize("name", GRIDS)
def test_the_width_of_a_boundary_is_metres_on_the_ground(name):
    """Of a block of 20 x 12 pixels a ring is left out of whose pixels the squares are nearer than
    the width.
    """
    grid, size = GRIDS[name], SIZES[name]
    assert size == pytest.approx(TRUE_SIZES[name], rel=3e-3)
    geometry = boxes((30, 10, 50, 22), grid=grid)
    wide, high = 4 * size[0], 3 * size[1]
    for width, (across, down) in {
        1.01 * wide: (4, int(1.01 * wide / size[1] + 0.5)),
        1.01 * high: (int(1.01 * high / size[0] + 0.5), 3),
    }.items():
        inner, outer, both = whole(
            geometry,
            *(Target("boundary", width, side) for side in ("inner", "outer", "both")),
            grid=grid,
        )
        np.testing.assert_array_equal(
            inner,
            filled((30, 10, 50, 22)) & ~filled((30 + across, 10 + down, 50 - across, 22 - down)),
        )
        assert (
            outer[16, 30 - across]
            and not outer[16, 29 - across]
            and outer[10 - down, 40]
            and not outer[9 - down, 40]
        )
        assert not (outer & filled((30, 10, 50, 22))).any() and not outer[10 - down, 30 - across]
        np.testing.assert_array_equal(both, inner + outer)


def test_a_boundary_runs_between_buildings_that_touch_and_not_along_the_scenes_edge():
    mask = whole(
        boxes((20, 10, 30, 20), (30, 10, 45, 20), (50, -5, 70, 12)),
        Target("boundary", 0.5),
        value=7,
    )[0]
    rings = [
        filled((20, 10, 30, 20)) & ~filled((21, 11, 29, 19)),
        filled((30, 10, 45, 20)) & ~filled((31, 11, 44, 19)),
    ]
    cut = filled((50, 0, 61, 12)) & ~filled((51, 0, 61, 11))
    np.testing.assert_array_equal(mask, 7 * (rings[0] | rings[1] | cut))


@pytest.mark.parametrize("name", GRIDS)
def test_contact_is_in_gaps_narrower_than_its_width(name):
    """The middle of gaps of 4 pixels to the right and of 3 below, whose centres are within half the
    width of either side.
    """
    grid, (across, down) = GRIDS[name], SIZES[name]
    geometry = boxes((10, 10, 20, 18), (24, 10, 40, 18), (10, 21, 20, 30), grid=grid)
    for width, columns in {4.9: (22, 22), 5.1: (21, 23), 6.9: (21, 23), 7.1: (20, 24)}.items():
        found = whole(geometry, Target("contact", width * across), grid=grid)[0][12:16, 20:]
        np.testing.assert_array_equal(found, filled((columns[0], 12, columns[1], 16))[12:16, 20:])
    for width, rows in {2.9: (19, 19), 3.1: (19, 20), 4.9: (19, 20), 5.1: (18, 21)}.items():
        found = whole(geometry, Target("contact", width * down), grid=grid, value=5)[0][18:, 13:17]
        np.testing.assert_array_equal(found, 5 * filled((13, rows[0], 17, rows[1]))[18:, 13:17])


def test_contact_is_never_in_a_building_nor_in_its_own_court():
    court = shapely.Polygon(
        [(10, 5), (40, 5), (40, 30), (10, 30)], [[(20, 15), (24, 15), (24, 19), (20, 19)]]
    )
    mask = whole(at_pixels(np.array([court, shapely.box(38, 5, 50, 20)])), Target("contact", 10))[0]
    assert not mask[5:30, 10:40].any() and not mask[5:20, 38:50].any() and mask[21, 41]


@pytest.mark.parametrize("name", GRIDS)
def test_distances_are_signed_and_clipped(name):
    grid, (across, down) = GRIDS[name], SIZES[name]
    mask = whole(boxes((20, 10, 40, 26), grid=grid), Target("distance", 5 * across), grid=grid)[0]
    assert mask.dtype == np.float32
    np.testing.assert_allclose(
        mask[18, 17:24] / across, [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5], rtol=2e-3
    )
    np.testing.assert_allclose(mask[8:12, 30] / down, [-1.5, -0.5, 0.5, 1.5], rtol=2e-3)
    assert (
        mask.max() == np.float32(5 * across) == -mask.min()
        and mask[18, 30] == mask.max()
        and mask[2, 2] == mask.min()
    )


def test_distances_to_buildings_beyond_the_scene():
    mask = whole(boxes((63, 5, 70, 15)), Target("distance", 10))[0]
    np.testing.assert_allclose(
        mask[10, 58:61], np.multiply([-4.5, -3.5, -2.5], SIZES["metres"][0]), rtol=1e-6
    )


@pytest.mark.parametrize("kind", ["footprint", "boundary", "contact", "distance", "instance"])
def test_nothing_to_burn(kind):
    for nothing in ([], [None, shapely.Polygon()], boxes((100, 100, 120, 110))):
        assert not (whole(nothing, Target(kind, 2.0)) > 0).any()


@st.composite
def layers(draw):
    """Triangles and rectangles around the grid, on half pixels (where ties are) or anywhere."""
    number = draw(
        st.sampled_from([st.integers(-20, 160).map(lambda n: n / 2), st.floats(-10, 80, width=32)])
    )
    points = st.tuples(number, number)
    box = st.tuples(points, points).map(lambda p: shapely.box(p[0][0], p[0][1], p[1][0], p[1][1]))
    return draw(
        st.lists(st.one_of(st.tuples(points, points, points).map(shapely.Polygon), box), max_size=8)
    )


@settings(max_examples=60)
@given(
    layers(),
    st.sampled_from(sorted(GRIDS)),
    st.integers(6, 40),
    st.integers(6, 40),
    st.floats(0.1, 12),
    st.booleans(),
)
def test_windows_agree_with_the_whole(layer, name, height, width, metres, all_touched):
    grid = GRIDS[name]
    kinds = [
        Target("footprint"),
        Target("boundary", metres, "both"),
        Target("contact", metres),
        Target("distance", metres / 2),
        Target("instance"),
    ]
    targets = Targets(
        at_pixels(repair(layer)[0], grid), grid, kinds, all_touched=all_touched, value=3
    )
    expected = targets.burn(Window(0, 0, grid.width, grid.height))
    for row in range(0, grid.height, height):
        for col in range(0, grid.width, width):
            part = expected[:, row : row + height, col : col + width]
            np.testing.assert_array_equal(targets.burn(Window(col, row, *part.shape[:0:-1])), part)
