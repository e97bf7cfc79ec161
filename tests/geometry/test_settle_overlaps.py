"""Where straightened outlines lie over each other one gives way, whatever the batches they
come in.
"""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geoseg.geometry.regularize import LOWEST_IOU, REACH, Regular
from geoseg.geometry.settle_overlaps import resolve_overlaps

BELOW = 10**6


def regular(outlines, iou=None):
    return Regular(np.array(outlines), np.array(iou or [0.95] * len(outlines)))


def settle(raw, outlines, iou=None):
    ((_, found),) = resolve_overlaps([("all", np.array(raw), regular(outlines, iou), BELOW)])
    return found


RAW = [shapely.box(0, 0, 20, 13), shapely.box(21, 1, 33, 12)]


def test_the_smaller_gives_way():
    found = settle(RAW, [shapely.box(0, 0, 21, 13), shapely.box(20, 0, 33, 12)])
    assert found.geometry[0].equals(shapely.box(0, 0, 21, 13))
    assert found.geometry[1].equals(shapely.box(21, 0, 33, 12))
    assert found.iou[0] == 0.95
    assert found.iou[1] == pytest.approx(11 / 12)


def test_a_raw_outline_gives_way_to_none():
    found = settle(RAW, [shapely.box(0, 0, 21.5, 13), RAW[1]], [0.95, np.nan])
    assert found.geometry[0].equals(shapely.box(0, 0, 21.5, 13) - RAW[1])
    assert found.geometry[1] is RAW[1]
    assert np.isnan(found.iou[1])


def test_what_would_lose_too_much_is_raw_again():
    found = settle(RAW, [shapely.box(0, 0, 25, 13), shapely.box(20, 0, 33, 12)])
    assert found.geometry[1] is RAW[1]
    assert np.isnan(found.iou[1])
    crossing = shapely.box(20.8, 5, 34, 6)
    found = settle([crossing, RAW[1]], [shapely.box(20.7, 5, 34, 6), shapely.box(21.2, 1, 33, 12)])
    assert np.isnan(found.iou[0])


def test_a_batch_waits_for_its_neighbours():
    """Nothing comes out before the rows below it are known."""
    taken = []

    def batches():
        for i, open_row in enumerate((14, 13 + REACH, 13.5 + REACH, 200)):
            taken.append(i)
            box = shapely.box(30 * i, 0, 30 * i + 20, 13)
            yield i, np.array([box]), regular([box]), open_row

    seen = [(name, len(taken)) for name, _ in resolve_overlaps(batches())]
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 4)]


@given(st.integers(0, 10**6), st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_batches_leave_no_trace(seed, sizes):
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 60, (sum(sizes), 2))
    size = rng.integers(4, 30, (sum(sizes), 2))
    raw = shapely.box(*corner.T, *(corner + size).T)
    grown = shapely.box(*corner.T, *(corner + size + rng.integers(0, 2, size.shape)).T)
    iou = np.where(rng.random(len(raw)) < 0.8, shapely.area(raw) / shapely.area(grown), np.nan)
    outlines = np.where(np.isnan(iou), raw, grown)
    ends = np.cumsum(sizes)
    parts = [slice(end - n, end) for end, n in zip(ends, sizes, strict=True)]
    batches = [(i, raw[p], Regular(outlines[p], iou[p]), 0) for i, p in enumerate(parts)]
    cut = list(resolve_overlaps(batches))
    assert [name for name, _ in cut] == list(range(len(sizes)))
    ((_, whole),) = resolve_overlaps([("all", raw, Regular(outlines, iou), BELOW)])
    found = np.concatenate([r.geometry for _, r in cut])
    assert shapely.to_wkb(found).tolist() == shapely.to_wkb(whole.geometry).tolist()
    np.testing.assert_array_equal(np.concatenate([r.iou for _, r in cut]), whole.iou)
    assert shapely.is_ccw(shapely.get_exterior_ring(shapely.get_parts(found))).all()
    straight = np.isfinite(whole.iou)
    assert (whole.iou[straight] >= min(LOWEST_IOU, iou[straight].min(initial=1))).all()
    assert (found[~straight] == raw[~straight]).all()
    one, other = shapely.STRtree(found).query(found)
    # the raw ones overlap here, as traced ones never do
    straight &= ~shapely.equals_identical(raw, outlines)
    both = straight[one] & straight[other] & (one < other)
    assert (shapely.area(shapely.intersection(found[one[both]], found[other[both]])) < 0.02).all()
