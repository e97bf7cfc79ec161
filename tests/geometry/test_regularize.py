"""Right angles: the shapes that buildings have come back, turned, stretched and hollow; round and
free forms stay.
"""

from __future__ import annotations

import numpy as np
import pytest
import rasterio.features
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pyproj import CRS
from scipy import ndimage
from shapely import affinity

from geoseg.geometry.measure import metric_tensor
from geoseg.geometry.outlines import vertices
from geoseg.geometry.regularize import LOWEST_IOU, directions, pixel_metric, regularize
from geoseg.geometry.trace import trace

SHAPES = {
    "block": shapely.box(0, 0, 19, 11),
    "L": shapely.Polygon([(0, 0), (22, 0), (22, 8), (9, 8), (9, 18), (0, 18)]),
    "T": shapely.Polygon([(0, 0), (24, 0), (24, 8), (16, 8), (16, 19), (8, 19), (8, 8), (0, 8)]),
    "U": shapely.Polygon([(0, 0), (26, 0), (26, 17), (18, 17), (18, 7), (8, 7), (8, 17), (0, 17)]),
    "courtyard": shapely.box(0, 0, 27, 19).difference(shapely.box(8, 6, 18, 13)),
}
CORNERS = {"block": 4, "L": 6, "T": 8, "U": 8, "courtyard": 8}
# Metres of a pixel along x and y, and how much the two axes lean
PIXELS = [(0.3, 0.3, 0.0), (0.2, 0.35, 0.0), (0.3, 0.25, 0.08)]


def at(count, pixel):
    """Metric of pixels with these sides."""
    across, along, lean = pixel
    return np.tile([across**2, across * lean, along**2 + lean**2], (count, 1))


def to_metres(geometry, pixel):
    across, along, lean = pixel
    return shapely.transform(
        geometry,
        lambda xy: np.column_stack([across * xy[:, 0] + lean * xy[:, 1], along * xy[:, 1]]),
    )


def burnt(shape, pixel):
    """The outline, in pixels, of the pixels whose centres lie in ``shape``, in metres."""
    across, along, lean = pixel
    inverse = np.linalg.inv([[across, lean], [0, along]])
    wanted = shapely.transform(shape, lambda xy: xy @ inverse.T)
    wanted = affinity.translate(wanted, 7.3 - wanted.bounds[0], 5.8 - wanted.bounds[1])
    mask = rasterio.features.rasterize(
        [wanted], (int(wanted.bounds[3]) + 9, int(wanted.bounds[2]) + 7)
    ).astype(bool)
    outlines = [g for batch in trace([(mask, None)]) for g in batch.geometry]
    return max(outlines, key=shapely.area), wanted


def iou(one, other):
    return shapely.area(shapely.intersection(one, other)) / shapely.area(shapely.union(one, other))


def angles(polygon):
    """Degrees between the sides at each corner, 90 where they meet at a right angle."""
    out = []
    for ring in shapely.get_rings(polygon):
        side = np.diff(shapely.get_coordinates(ring), axis=0)
        bearing = np.degrees(np.arctan2(side[:, 1], side[:, 0]))
        out.extend(np.abs(np.diff(np.append(bearing, bearing[0])) % 180))
    return np.array(out)


@pytest.mark.parametrize("pixel", PIXELS)
@pytest.mark.parametrize("turn", [0, 7, 31, 45, 68, 89])
@pytest.mark.parametrize("name", SHAPES)
def test_the_shapes_of_buildings_come_back(name, turn, pixel):
    raw, true = burnt(affinity.rotate(SHAPES[name], turn, origin=(0, 0)), pixel)
    found = regularize(np.array([raw]), at(1, pixel))
    regular = found.geometry[0]
    assert vertices(found.geometry).tolist() == [CORNERS[name]]
    np.testing.assert_allclose(angles(to_metres(regular, pixel)), 90, atol=0.1)
    assert iou(regular, true) > 0.965
    assert iou(regular, true) > iou(raw, true) - 0.004
    assert found.iou[0] == pytest.approx(iou(regular, raw))


def test_walls_at_a_slant_stay():
    """A hall with one corner cut off at 45 degrees."""
    shape = shapely.Polygon([(0, 0), (24, 0), (24, 12), (15, 21), (0, 21)])
    raw, true = burnt(affinity.rotate(shape, 20), PIXELS[0])
    found = regularize(np.array([raw]), at(1, PIXELS[0]))
    assert vertices(found.geometry).tolist() == [5]
    assert iou(found.geometry[0], true) > 0.98


FREE = {
    "circle": shapely.Point(0, 0).buffer(8),
    "small circle": shapely.Point(0, 0).buffer(3),
    "ellipse": affinity.scale(shapely.Point(0, 0).buffer(1), 14, 6),
    "ring": shapely.Point(0, 0).buffer(12).difference(shapely.Point(0, 0).buffer(7)),
    "crescent": shapely.Point(0, 0).buffer(12).difference(shapely.Point(7, 2).buffer(11)),
}


@pytest.mark.parametrize("name", FREE)
def test_round_and_free_forms_are_left(name):
    raw, _ = burnt(FREE[name], PIXELS[0])
    found = regularize(np.array([raw]), at(1, PIXELS[0]))
    assert found.geometry[0] is raw
    assert np.isnan(found.iou[0])


def test_ragged_outlines_become_straight():
    """What a network makes of a house: corners rounded off, walls that waver."""
    rng = np.random.default_rng(3)
    row, col = np.mgrid[:90, :120]
    angle = np.radians(24)
    x, y = (
        (col - 60) * np.cos(angle) + (row - 45) * np.sin(angle),
        (row - 45) * np.cos(angle) - (col - 60) * np.sin(angle),
    )
    noise = ripples(rng, row.shape)
    distance = np.hypot(np.maximum(abs(x) - 28, 0), np.maximum(abs(y) - 15, 0)) - 6
    raw = max(
        (g for b in trace([(distance + noise < 0, None)]) for g in b.geometry), key=shapely.area
    )
    found = regularize(np.array([raw]), at(1, PIXELS[0]))
    assert vertices(np.array([raw]))[0] > 60
    assert vertices(found.geometry).tolist() == [4]
    assert found.iou[0] > 0.93


def ripples(rng, shape):
    field = ndimage.gaussian_filter(rng.standard_normal(shape), 3)
    return field / field.std()


def test_the_direction_of_walls():
    angle = np.radians([10, 100.4, 10.2, 47, 190, 88, -1, 1.5])
    weight = np.array([9.0, 5, 7, 3, 9, 1, 6, 6])
    found = np.degrees(directions(angle, weight, np.array([0, 0, 0, 0, 0, 1, 1, 1]), 3))
    assert found[0] == pytest.approx((9 * 10 + 5 * 10.4 + 7 * 10.2 + 9 * 10) / 30)
    assert found[1] == pytest.approx((-2 - 6 + 9) / 13)
    assert directions(angle, weight, np.array([1] * 8), 2)[0] < np.pi / 2


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:4326", Affine(4e-6, 0, 18.9, 0, -2e-6, 69.6)),
        ("EPSG:3857", Affine(0.9, 0.1, 2103920, 0.1, -0.8, 10945000)),
        ("EPSG:2236", Affine(1.0, 0, 900000, 0, -1.0, 500000)),
    ],
)
def test_metric_of_pixels(crs, transform):
    """The length of a step by columns and rows is that of the same step in the CRS."""
    there = metric_tensor(np.array([[transform.c, transform.f]]), CRS.from_user_input(crs))
    found = pixel_metric(there, transform)
    step = np.array([3.0, -5.0])
    dx, dy = transform.a * 3 - transform.b * 5, transform.d * 3 - transform.e * 5

    def square(g, u, v):
        return g[0, 0] * u * u + 2 * g[0, 1] * u * v + g[0, 2] * v * v

    assert square(found, *step) == pytest.approx(square(there, dx, dy))


@settings(max_examples=60)
@given(
    arrays(
        bool,
        st.tuples(st.integers(8, 40), st.integers(9, 31)),
        elements=st.booleans(),
        fill=st.just(True),
    ),
    st.data(),
)
def test_any_mask_stays_valid_and_near_whatever_the_batch(mask, data):
    pixel = data.draw(st.sampled_from(PIXELS))
    batches = [b.geometry for b in trace([(mask, None)], data.draw(st.sampled_from([4, 8])))]
    geometry = np.concatenate([np.empty(0, object), *batches])
    found = regularize(geometry, at(len(geometry), pixel))
    assert shapely.is_valid(found.geometry).all()
    taken = np.isfinite(found.iou)
    assert (found.geometry[~taken] == geometry[~taken]).all()
    assert (found.iou[taken] >= LOWEST_IOU).all()
    cut = data.draw(st.integers(0, len(geometry)))
    halves = [
        regularize(part, at(len(part), pixel)).geometry for part in (geometry[:cut], geometry[cut:])
    ]
    assert (
        shapely.to_wkb(np.concatenate(halves)).tolist() == shapely.to_wkb(found.geometry).tolist()
    )
    same = [shapely.get_num_geometries(g) for g in (geometry, found.geometry)]
    np.testing.assert_array_equal(*same)


def test_towns_come_back_with_few_vertices(shared_data):
    """Surveyed footprints burnt at 0.3 m: an IoU of 0.95 with the survey, less than half of the
    vertices.
    """
    import geopandas as gpd

    survey = gpd.read_file(
        shared_data / "oam_banepa_centre" / "labels" / "oam_banepa_centre_train.geojson"
    )
    survey = survey.to_crs(survey.estimate_utm_crs()).explode()
    pairs = [burnt(shape, PIXELS[0]) for shape in survey.geometry[survey.area > 20][::20]]
    raw, true = (np.array(side) for side in zip(*pairs, strict=True))
    found = regularize(raw, at(len(raw), PIXELS[0]))
    agreement = [iou(*pair) for pair in zip(found.geometry, true, strict=True)]
    assert np.mean(agreement) >= 0.95
    assert vertices(found.geometry).sum() < vertices(raw).sum() / 4
    assert np.isfinite(found.iou).mean() > 0.9
