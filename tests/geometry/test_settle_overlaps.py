"""Where straightened outlines lie over each other one gives way, whatever the batches they
come in.
"""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
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


def test_none_covers_much_of_what_a_neighbour_was_traced_as():
    found = settle(RAW, [shapely.box(0, 0, 25, 13), shapely.box(20, 0, 33, 12)])
    assert found.geometry[0].equals(shapely.box(0, 0, 25, 13) - RAW[1])
    assert shapely.area(shapely.intersection(*found.geometry)) == 0
    assert shapely.area(found.geometry[1] - RAW[1]) < 0.1 * shapely.area(RAW[1])


def test_what_would_be_cut_in_two_is_raw_but_for_what_covers_it():
    bar = shapely.box(0, 5, 40, 8)
    over = settle(
        [bar, shapely.box(10, 8, 20, 20)], [bar.buffer(0.1), shapely.box(10, 7.4, 20, 20)]
    )
    assert shapely.area(shapely.intersection(*over.geometry)) < 0.01
    assert shapely.get_num_geometries(over.geometry).tolist() == [1, 1]


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


@settings(max_examples=300)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_batches_leave_no_trace_and_nothing_overlaps(seed, sizes):
    rng = np.random.default_rng(seed)
    count = sum(sizes)
    # traced outlines lie beside each other: one in each cell of a lattice, many of them touching
    cells = rng.permutation(8 * 5)[:count]
    corner = np.column_stack([cells % 8, cells // 8]) * [14, 11]
    size = rng.integers(3, [14, 11], (count, 2), endpoint=True)
    raw = shapely.box(*corner.T, *(corner + size).T)
    low, high = rng.uniform(-4, 0.5, (count, 2)), rng.uniform(-0.5, 4, (count, 2))
    grown = shapely.box(*(corner + low).T, *(corner + size + high).T)
    kept = rng.random(count) < 0.2
    outlines = np.where(kept, raw, grown)
    iou = np.where(kept, np.nan, 0.95)
    ends = np.cumsum(sizes)
    parts = [slice(end - n, end) for end, n in zip(ends, sizes, strict=True)]
    batches = [(i, raw[p], Regular(outlines[p], iou[p]), 0) for i, p in enumerate(parts)]
    cut = list(resolve_overlaps(batches))
    assert [name for name, _ in cut] == list(range(len(sizes)))
    ((_, whole),) = resolve_overlaps([("all", raw, Regular(outlines, iou), BELOW)])
    found = np.concatenate([r.geometry for _, r in cut])
    assert shapely.equals_identical(found, whole.geometry).all()
    np.testing.assert_array_equal(np.concatenate([r.iou for _, r in cut]), whole.iou)
    assert shapely.is_valid(found).all()
    assert shapely.is_ccw(shapely.get_exterior_ring(shapely.get_parts(found))).all()
    one, other = shapely.STRtree(found).query(found)
    pairs = one < other
    shared = shapely.area(shapely.intersection(found[one[pairs]], found[other[pairs]]))
    assert (shared < 0.05).all()
    straight = np.isfinite(whole.iou)
    agreement = shapely.area(shapely.intersection(found, raw)) / shapely.area(
        shapely.union(found, raw)
    )
    cut_down = straight & ~shapely.equals_identical(found, outlines)
    assert (agreement[cut_down] >= LOWEST_IOU - 1e-9).all()
