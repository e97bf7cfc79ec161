"""Of footprints that show one building the best stays, whatever their order."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geoseg.geometry.duplicates import distinct, same

WHOLE, CUT, BESIDE = shapely.box(0, 0, 12, 7), shapely.box(0, 0, 5, 7), shapely.box(12, 0, 20, 7)


def stay(*found):
    geometry, edge, confidence = (np.array(column) for column in zip(*found, strict=True))
    return distinct(geometry, edge, confidence).tolist()


def test_half_of_the_smaller_one_is_the_same_building():
    ones = np.array([shapely.box(0, 0, 10, 4), shapely.box(6, 0, 20, 4)])
    others = np.array([shapely.box(5, 0, 30, 4), shapely.box(4, 0, 10, 4)])
    assert sorted(zip(*same(ones, others), strict=True)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len(same(ones[:1], np.array([shapely.box(5.1, 0, 30, 4)]))[0]) == 0


def test_what_is_cut_gives_way_however_sure_it_is():
    assert stay((CUT, True, 0.99), (WHOLE, False, 0.6), (BESIDE, False, 0.5)) == [False, True, True]
    assert stay((WHOLE, False, 0.6), (CUT, True, 0.99)) == [True, False]
    assert stay((CUT, True, 0.99), (WHOLE, True, 0.6)) == [False, True]


def test_then_the_more_confident_then_the_earlier():
    near = shapely.box(1, 0, 12, 7)
    assert stay((WHOLE, False, 0.7), (near, False, 0.8)) == [False, True]
    assert stay((WHOLE, False, 0.8), (near, False, 0.8)) == [True, False]
    assert stay((WHOLE, False, np.nan), (near, False, 0.1)) == [False, True]


def test_what_gives_way_takes_none_with_it():
    """Two houses that another scene saw as one: the better house wins against the block, so both
    stay.
    """
    left, right, block = (
        shapely.box(0, 0, 10, 7),
        shapely.box(11, 0, 21, 7),
        shapely.box(0, 0, 21, 7),
    )
    assert stay((block, False, 0.8), (left, False, 0.9), (right, False, 0.7)) == [False, True, True]
    assert stay((block, False, 0.95), (left, False, 0.9), (right, False, 0.7)) == [
        True,
        False,
        False,
    ]


@given(st.integers(0, 10**6), st.integers(1, 25))
def test_every_building_stays_once(seed, count):
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 40, (count, 2)), rng.uniform(4, 15, (count, 2))
    geometry = shapely.box(*corner.T, *(corner + size).T)
    edge, confidence = rng.random(count) < 0.3, rng.permutation(count) / count
    stays = distinct(geometry, edge, confidence)
    one, other = same(geometry, geometry)
    apart = one != other
    assert not (stays[one] & stays[other])[apart].any()
    score = list(zip(~edge, np.where(edge, shapely.area(geometry), 0), confidence, strict=True))
    better = np.array([score[b] > score[a] for a, b in zip(one, other, strict=True)], bool)
    beaten = np.isin(np.arange(count), one[apart & better & stays[other]])
    np.testing.assert_array_equal(stays, ~beaten)
    turn = rng.permutation(count)
    np.testing.assert_array_equal(
        distinct(geometry[turn], edge[turn], confidence[turn]), stays[turn]
    )
