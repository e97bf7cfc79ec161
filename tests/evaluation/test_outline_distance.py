import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from geoseg.evaluation.outline_distance import outline_distances
from geoseg.geometry.measure import centres, metric_tensor, to_local_metres


def polygon(seed, vertices=7):
    """A star-shaped polygon off the origin."""
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, vertices))
    radius = rng.uniform(3, 9, vertices)
    return shapely.Polygon(
        np.column_stack([20 + radius * np.cos(angle), 5 + 2 * radius * np.sin(angle)])
    )


def distances(one, other):
    polis, hausdorff = outline_distances(np.array([one]), np.array([other]))
    return polis[0], hausdorff[0]


def slow(one, other):
    def to(a, b):
        return [
            shapely.Point(p).distance(b.boundary)
            for r in [a.exterior, *a.interiors]
            for p in r.coords[:-1]
        ]

    there, back = to(one, other), to(other, one)
    return (np.mean(there) + np.mean(back)) / 2, max(there + back)


@settings(max_examples=40)
@given(st.integers(0, 999), st.integers(0, 999))
def test_symmetric_zero_on_itself_and_as_defined(first, second):
    one, other = polygon(first), polygon(second, 11)
    assert distances(one, other) == pytest.approx(distances(other, one))
    assert distances(one, other) == pytest.approx(slow(one, other))
    assert distances(one, one) == distances(one, shapely.reverse(one)) == (0, 0)


@settings(max_examples=40)
@given(st.floats(0, 4.9), st.floats(0, 360))
def test_a_long_wall_moved_gives_the_shift(shift, turn):
    """With vertices all along it; of its corners alone half lie on the other outline."""
    wall = shapely.box(0, 0, 400, 10)
    for outline, polis in ((shapely.segmentize(wall, 1), 800 / 820 * shift), (wall, shift / 2)):
        moved = shapely.affinity.translate(outline, 0, shift)
        turned = [
            shapely.affinity.rotate(shape, turn, origin=(77, 12)) for shape in (outline, moved)
        ]
        assert distances(*turned) == pytest.approx((polis, shift), rel=0.02, abs=1e-9)


def test_outlines_of_holes_and_parts_count():
    court = shapely.box(0, 0, 30, 20).difference(shapely.box(12, 8, 16, 11))
    filled = shapely.box(0, 0, 30, 20)
    # four of eight vertices lie at the court, 8, 8, 9 and 9 from the nearest outer wall
    assert distances(court, filled) == pytest.approx((34 / 8 / 2, 9))
    both = shapely.union(filled, shapely.box(50, 0, 53, 20))
    assert distances(both, filled) == pytest.approx((2 * (20 + 23) / 8 / 2, 23))


def test_pairs_by_the_thousand():
    """Groups of pairs give what each pair gives."""
    ours, theirs = (
        np.array([polygon(seed) for seed in range(first, first + 8)]) for first in (0, 50)
    )
    single = [distances(*pair) for pair in zip(ours, theirs, strict=True)]
    np.testing.assert_allclose(np.transpose(outline_distances(ours, theirs, pairs=3)), single)


def test_nothing_to_measure():
    empty = np.empty(0, object)
    assert [len(found) for found in outline_distances(empty, empty)] == [0, 0]


@pytest.mark.parametrize("epsg", [32736, 4326, 3857, 2263, 21781])
def test_metres_on_any_crs(epsg):
    """A hall of 40 by 12 m and the same 1.5 m aside, on the ground; New York's feet and Switzerland
    have their own places.
    """
    place = {2263: (-73.9, 40.7), 21781: (7.4, 46.9)}.get(epsg, (39.2, -6.1))
    local = CRS.from_dict({"proj": "aeqd", "lon_0": place[0], "lat_0": place[1], "datum": "WGS84"})
    shapes = [shapely.box(0, 0, 40, 12), shapely.box(0, 1.5, 40, 13.5)]
    there = gpd.GeoSeries(shapes, crs=local).to_crs(epsg).to_numpy()
    crs, middle = CRS.from_epsg(epsg), centres(there[:1])
    flat = [to_local_metres(there[[i]], metric_tensor(middle, crs), middle) for i in (0, 1)]
    np.testing.assert_allclose(np.concatenate(outline_distances(*flat)), (0.75, 1.5), rtol=2e-4)
    np.testing.assert_allclose(shapely.area(np.concatenate(flat)), 480, rtol=2e-4)
