import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from rasterio.features import rasterize
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.geometry.burn import Burner, burn, repair
from geoseg.geometry.outlines import to_crs_coordinates
from geoseg.geometry.trace import trace

GRID = Grid(CRS.from_epsg(32736), Affine(0.5, 0, 512_000.25, 0, -0.5, 9_300_000.75), 37, 61)


def at_pixels(geometry, grid=GRID):
    """Geometry in pixels (x = column, y = row) to the grid's coordinates."""
    t = grid.transform
    return shapely.transform(
        geometry, lambda xy: xy @ np.array([[t.a, t.d], [t.b, t.e]]) + (t.c, t.f)
    )


def test_a_rectangle_covers_the_pixels_whose_centres_it_holds():
    labels = burn([at_pixels(shapely.box(40, 3, 52, 8))], GRID)
    expected = np.zeros((37, 61), np.uint8)
    expected[3:8, 40:52] = 1
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, expected)


def test_holes_and_parts():
    court = shapely.Polygon(
        [(2, 2), (20, 2), (20, 12), (2, 12)], [[(5, 4), (11, 4), (11, 9), (5, 9)]]
    )
    labels = burn(
        [at_pixels(shapely.MultiPolygon([court, shapely.box(50, 30, 55, 33)]))], GRID, value=7
    )
    assert labels[6, 3] == 7 and labels[6, 8] == 0 and labels[31, 52] == 7
    assert np.count_nonzero(labels) == 18 * 10 - 6 * 5 + 5 * 3


def test_values_and_order():
    boxes = [at_pixels(shapely.box(10, 5, 30, 15)), at_pixels(shapely.box(20, 10, 40, 20))]
    labels = burn(boxes, GRID, values=[300, 500], dtype="int32", fill=-1)
    assert labels[7, 12] == 300 and labels[12, 25] == 500 and labels[30, 50] == -1
    assert burn(boxes[::-1], GRID, values=[500, 300], dtype="int32")[12, 25] == 300
    with pytest.raises(ValueError, match="1 values for 2 footprints"):
        burn(boxes, GRID, values=[1])


def test_all_touched_takes_the_border_pixels():
    sliver = at_pixels(shapely.box(10.6, 5.6, 14.4, 7.4))
    assert np.count_nonzero(burn([sliver], GRID)) == 3
    touched = burn([sliver], GRID, all_touched=True)
    assert touched[5:8, 10:15].all() and np.count_nonzero(touched) == 3 * 5


def test_all_touched_takes_no_pixel_along_whose_border_an_outline_runs():
    boxes = [at_pixels(shapely.box(40, 3, 52, 8)), at_pixels(shapely.box(0, 30, 61, 37))]
    np.testing.assert_array_equal(burn(boxes, GRID, all_touched=True), burn(boxes, GRID))


def test_all_touched_keeps_the_order_of_the_layer():
    boxes = [
        at_pixels(shapely.box(10.2, 5.2, 20.8, 9.8)),
        at_pixels(shapely.box(20.3, 5.2, 30.8, 9.8)),
    ]
    labels = burn(boxes, GRID, all_touched=True, values=[7, 5], fill=9)
    assert (
        (labels[5:10, 10:20] == 7).all() and (labels[5:10, 20:31] == 5).all() and labels[4, 12] == 9
    )
    assert burn(boxes[::-1], GRID, all_touched=True, values=[5, 7])[6, 20] == 7


@pytest.mark.parametrize(
    "nothing", [[], [None], [shapely.Polygon()], [at_pixels(shapely.box(70, 40, 90, 60))]]
)
def test_nothing_to_burn(nothing):
    assert not burn(nothing, GRID).any()
    assert not Burner(nothing).burn(GRID).any()


def test_a_rotated_grid():
    grid = Grid(
        GRID.crs,
        Affine.translation(5e5, 9e6) * Affine.rotation(30) * Affine.scale(0.5, -0.5),
        37,
        61,
    )
    labels = burn([at_pixels(shapely.box(40, 3, 52, 8), grid)], grid)
    assert labels[3:8, 40:52].all() and np.count_nonzero(labels) == 12 * 5


def test_agrees_with_gdal_on_real_coordinates():
    rng = np.random.default_rng(4)
    centres = rng.uniform((0, 0), (61, 37), (40, 2))
    geometry = at_pixels(
        shapely.convex_hull(shapely.multipoints([c + rng.normal(0, 4, (8, 2)) for c in centres]))
    )
    values = np.arange(1, 41)
    expected = rasterize(
        zip(geometry, values.tolist(), strict=True),
        GRID.shape,
        transform=GRID.transform,
        dtype="uint8",
    )
    np.testing.assert_array_equal(burn(geometry, GRID, values=values), expected)


@st.composite
def layers(draw):
    """Triangles and rectangles around the grid, on half pixels (where ties are) or anywhere."""
    half = st.integers(-20, 160).map(lambda n: n / 2)
    number = draw(st.sampled_from([half, st.floats(-10, 80, width=32)]))
    points = st.tuples(number, number)
    shapes = draw(
        st.lists(
            st.one_of(st.tuples(points, points, points).map(shapely.Polygon), rectangles(points)),
            max_size=12,
        )
    )
    return at_pixels(repair(shapes)[0])


@settings(max_examples=15, deadline=None)
@given(layers())
def test_all_touched_is_every_pixel_with_a_part_in_it(geometry):
    """Parts too thin for the rounding of an outline, a 4096th of a pixel, may go either way."""
    labels = burn(geometry, GRID, all_touched=True) > 0
    rows, cols = np.indices(GRID.shape)
    pixels = shapely.box(cols, rows, cols + 1, rows + 1)
    t = ~GRID.transform
    outlines = shapely.transform(
        geometry, lambda xy: (xy - (GRID.transform.c, GRID.transform.f)) * (t.a, t.e)
    )
    surely = [shapely.intersects(pixels, shapely.buffer(g, -0.001)) for g in outlines]
    maybe = [
        shapely.intersects(
            shapely.buffer(pixels, -0.001, join_style="mitre"), shapely.buffer(g, 0.001)
        )
        | (shapely.area(shapely.intersection(pixels, g)) > 0)
        for g in outlines
    ]
    nowhere = np.zeros(GRID.shape, bool)
    assert not (np.logical_or.reduce([nowhere, *surely]) & ~labels).any()
    assert not (labels & ~np.logical_or.reduce([nowhere, *maybe])).any()


def rectangles(points):
    return st.tuples(points, points).map(lambda p: shapely.box(p[0][0], p[0][1], p[1][0], p[1][1]))


@settings(max_examples=50, deadline=None)
@given(layers(), st.integers(6, 40), st.integers(6, 40), st.booleans())
def test_windows_agree_with_the_whole(geometry, height, width, all_touched):
    burner = Burner(
        geometry,
        GRID,
        values=np.arange(1, len(geometry) + 1),
        dtype="uint16",
        all_touched=all_touched,
    )
    whole = burn(
        geometry,
        GRID,
        values=np.arange(1, len(geometry) + 1),
        dtype="uint16",
        all_touched=all_touched,
    )
    for row in range(0, GRID.height, height):
        for col in range(0, GRID.width, width):
            part = whole[row : row + height, col : col + width]
            window = Window(col, row, part.shape[1], part.shape[0])
            np.testing.assert_array_equal(burner.burn(GRID.window(window)), part)


@settings(max_examples=50, deadline=None)
@given(layers(), st.booleans(), st.sampled_from([4, 8]))
def test_what_is_traced_burns_to_the_same_mask(geometry, all_touched, connectivity):
    """Burn, trace, burn: nothing is lost or moved, whatever was burned first."""
    labels = burn(geometry, GRID, all_touched=all_touched)
    outlines = [found.geometry for found in trace([(labels > 0, None)], connectivity)]
    footprints = to_crs_coordinates(
        np.concatenate([np.empty(0, object), *outlines]), GRID.transform
    )
    np.testing.assert_array_equal(burn(footprints, GRID), labels)
    if connectivity == 4:  # outlines along the borders of pixels touch no others
        np.testing.assert_array_equal(burn(footprints, GRID, all_touched=True), labels)


def test_a_window_only_sees_its_footprints():
    burner = Burner([at_pixels(shapely.box(c, 4, c + 3, 9)) for c in (50, 5, 30)])
    np.testing.assert_array_equal(burner.inside(GRID.window(Window(28, 0, 33, 20))), [0, 2])


def test_windows_anywhere():
    burner = Burner([at_pixels(shapely.box(40, 3, 52, 8))], value=3)
    coarse = Grid(GRID.crs, GRID.transform * Affine.translation(38, 1) * Affine.scale(2), 7, 9)
    labels = burner.burn(coarse)
    assert (labels[1:3, 1:7] == 3).all() and labels.shape == (7, 9) and labels[5, 8] == 0
    with pytest.raises(ValueError, match="not a window"):
        Burner([at_pixels(shapely.box(40, 3, 52, 8))], GRID).burn(coarse)
    with pytest.raises(ValueError, match="not a window"):
        Burner([], GRID).burn(Grid(GRID.crs, GRID.transform * Affine.translation(3.5, 1), 7, 9))


def test_repair():
    bow_tie = shapely.Polygon([(0, 0), (4, 4), (4, 0), (0, 4)])
    overlapping = shapely.MultiPolygon([shapely.box(0, 0, 4, 2), shapely.box(2, 0, 6, 2)])
    line = shapely.LineString([(0, 0), (1, 3)])
    mixed = shapely.GeometryCollection(
        [line, shapely.box(0, 0, 3, 2), shapely.MultiPolygon([shapely.box(5, 5, 7, 6)])]
    )
    fine = shapely.box(8, 8, 9, 10)
    spike = shapely.Polygon([(0, 0), (2, 0), (0, 0)])
    geometry, repaired = repair(
        [bow_tie, overlapping, line, mixed, fine, None, shapely.Polygon(), spike]
    )
    assert repaired == 5
    assert shapely.is_valid(geometry).all()
    np.testing.assert_allclose(shapely.area(geometry), [8, 12, 0, 8, 2, 0, 0, 0])
    assert geometry[4] is fine
    assert shapely.is_empty(geometry[[2, 5, 6, 7]]).all()
    assert set(shapely.get_type_id(geometry)) <= {3, 6}


def test_repair_of_nothing():
    geometry, repaired = repair([])
    assert len(geometry) == 0 and repaired == 0


# GDAL burns nothing of coordinates beyond int32, and touched pixels are found in int64
@pytest.mark.parametrize("all_touched", [False, True])
@pytest.mark.parametrize("far", [1e4, 1e6, 1e9, 1e13])
def test_polygons_that_reach_far_beyond_the_grid(far, all_touched):
    # an edge that falls by a row for each column, through corners of pixels
    slope = at_pixels(
        shapely.Polygon([(10 - far, 20 - far), (10 + far, 20 + far), (10 - far, far)])
    )
    column, row = np.meshgrid(np.arange(61), np.arange(37))
    expected = row - 10 >= column
    found = burn([slope], GRID, all_touched=all_touched)
    np.testing.assert_array_equal(found, expected)
    window = GRID.window(Window(5, 9, 30, 20))
    for burner in (
        Burner([slope], GRID, all_touched=all_touched),
        Burner([slope], all_touched=all_touched),
    ):
        np.testing.assert_array_equal(burner.burn(window), expected[9:29, 5:35])


def test_far_polygons_that_cross_themselves():
    far, x, y = 1e7, 30.25, 18
    crossed = at_pixels(
        shapely.Polygon(
            [(x - far, y - far), (x + far, y + far), (x + far, y - far), (x - far, y + far)]
        )
    )
    column, row = np.meshgrid(np.arange(61) + 0.5, np.arange(37) + 0.5)
    expected = np.abs(column - x) > np.abs(row - y)
    np.testing.assert_array_equal(Burner([crossed], GRID).burn(GRID), expected)
