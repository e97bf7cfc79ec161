import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Geod

from geoseg.evaluation.bootstrap import block_step, ground_blocks, interval, resample
from geoseg.evaluation.metrics import ratios

UTM = CRS.from_epsg(32736)


def test_points_of_a_block():
    points = np.array([[10, 20], [109, 119], [111, 20], [500, 20], [10, 121]]) + (
        540_000,
        9_325_000,
    )
    block, bounds = ground_blocks(points, 100, UTM)
    assert block.tolist() == [0, 0, 2, 3, 1]
    step = block_step(points.mean(axis=0), 100, UTM)
    np.testing.assert_allclose(step, 100, rtol=5e-4)
    np.testing.assert_allclose(
        bounds[3], np.array([540_010, 9_325_020] * 2) + step[0] * np.array([4, 0, 5, 1])
    )
    for at, (left, bottom, right, top) in zip(points, bounds[block], strict=True):
        assert left <= at[0] < right and bottom <= at[1] < top


@pytest.mark.parametrize("epsg", [4326, 3857])
def test_blocks_are_metres_of_ground(epsg):
    middle = np.array([85.5, 27.6]) if epsg == 4326 else np.array([9_517_800.0, 3_199_700.0])
    dx, dy = block_step(middle, 100, CRS.from_epsg(epsg))
    if epsg == 4326:
        geod = Geod(ellps="WGS84")
        assert geod.inv(*middle, middle[0] + dx, middle[1])[2] == pytest.approx(100, rel=1e-4)
        assert geod.inv(*middle, middle[0], middle[1] + dy)[2] == pytest.approx(100, rel=1e-4)
    else:
        assert dx == pytest.approx(112.8, rel=5e-3) and dy == pytest.approx(113.4, rel=5e-3)


def test_pixels_without_a_crs():
    block, bounds = ground_blocks(np.array([[3.0, 4.0], [60.0, 4.0]]), 50, None)
    assert block.tolist() == [0, 1] and bounds.tolist() == [[3, 4, 53, 54], [53, 4, 103, 54]]
    assert [len(a) for a in ground_blocks(np.empty((0, 2)), 50, None)] == [0, 0]


counts = st.lists(st.tuples(*[st.integers(0, 40)] * 3), min_size=1, max_size=30).map(np.array)


@settings(max_examples=60)
@given(counts, st.integers(0, 9))
def test_intervals_contain_the_estimate(blocks, seed):
    drawn, whole = ratios(*resample(blocks, 300, seed).T), ratios(*blocks.sum(axis=0))
    for name, values in drawn.items():
        low, high = interval(values)
        assert low - 1e-12 <= whole[name] <= high + 1e-12, name


def test_the_seed_decides():
    blocks = np.arange(24).reshape(8, 3)
    whole = resample(blocks, 70, 1)
    assert (resample(blocks, 70, 1, weights=50) == whole).all()
    assert (resample(blocks, 70, 1) != resample(blocks, 70, 2)).any()
    # sums of as many blocks as there are
    assert (
        resample(np.ones((8, 2, 5)), 70, 1).shape == (70, 2, 5)
        and (resample(np.ones((8, 2)), 70, 1) == 8).all()
    )
    assert resample(np.empty((0, 3)), 4, 1).shape == (4, 3)


def test_the_interval_covers_what_it_says():
    """Of 200 samples of 60 blocks each, about 95 in 100 intervals hold the true precision."""
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        found = rng.poisson(12, 60)
        tp = rng.binomial(found, rng.beta(7, 3, 60))
        low, high = interval(
            ratios(*resample(np.column_stack([tp, found - tp, tp * 0]), 200, 1).T)["precision"]
        )
        held += low <= 0.7 <= high
    assert 0.88 < held / 200 < 0.99
