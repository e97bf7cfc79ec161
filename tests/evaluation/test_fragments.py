import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.evaluation.fragments import merges, splits
from geoseg.evaluation.matching import assign, overlaps

ROW = shapely.box(0, 0, 30, 10)
THIRDS = [shapely.box(0, 0, 10, 10), shapely.box(10, 0, 20, 10), shapely.box(20, 0, 30, 10)]
ALONE = shapely.box(50, 3, 70, 11)


def test_one_building_found_as_several():
    found = overlaps([*THIRDS, ALONE], [ALONE, ROW])
    split = splits(found)
    assert (split.whole.tolist(), split.parts.tolist()) == ([1], [3])
    np.testing.assert_allclose(split.covered, 1)
    assert len(merges(found)) == 0


def test_several_buildings_found_as_one():
    found = overlaps([ALONE, ROW], [*THIRDS[:2], ALONE])
    merged = merges(found)
    assert (merged.whole.tolist(), merged.parts.tolist()) == ([1], [2])
    np.testing.assert_allclose(merged.covered, 2 / 3)
    assert len(splits(found)) == 0


def test_a_whole_quarter_found_as_one():
    """Fifty houses, each a fiftieth of it."""
    houses = [shapely.box(x, y, x + 9, y + 7) for x in range(0, 100, 10) for y in range(0, 40, 8)]
    merged = merges(overlaps([shapely.box(0, 0, 99, 39)], houses))
    assert merged.parts.tolist() == [50]


def test_what_is_no_split():
    crumb = shapely.box(29, 2, 30, 4)
    beyond = shapely.box(12, 0, 23, 40)
    for parts in (
        [THIRDS[0]],
        [THIRDS[0], crumb],
        [THIRDS[0], beyond],
        [shapely.box(0, 0, 8, 9), shapely.box(20, 0, 26, 10)],
    ):
        assert len(splits(overlaps(parts, [ROW]))) == 0


def test_of_a_split_building_the_larger_part_may_match():
    found = overlaps([shapely.box(0, 0, 19, 10), shapely.box(20, 0, 30, 10)], [ROW])
    assert len(splits(found)) == 1 and assign(found).counts.tp == 1


boxes = st.lists(
    st.tuples(st.integers(0, 14), st.integers(0, 9), st.integers(1, 9), st.integers(1, 6)).map(
        lambda b: shapely.box(b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
    max_size=12,
)


@settings(max_examples=150)
@given(boxes, boxes)
def test_splits_and_merges_are_mirror_images(one, other):
    there, back = overlaps(one, other), overlaps(other, one)
    for forth, mirrored in ((splits(there), merges(back)), (merges(there), splits(back))):
        assert (
            forth.whole.tolist() == mirrored.whole.tolist()
            and forth.parts.tolist() == mirrored.parts.tolist()
        )
        np.testing.assert_allclose(forth.covered, mirrored.covered)


@settings(max_examples=150)
@given(boxes, boxes)
def test_agrees_with_the_slow_way(prediction, truth):
    slow = {}
    for t, whole in enumerate(truth):
        parts = [
            whole.intersection(p).area
            for p in prediction
            if whole.intersection(p).area > 0.5 * p.area
        ]
        parts = [part for part in parts if part >= 0.1 * max(parts)]
        if len(parts) > 1 and sum(parts) > 0.5 * whole.area:
            slow[t] = len(parts)
    split = splits(overlaps(prediction, truth))
    assert dict(zip(split.whole.tolist(), split.parts.tolist(), strict=True)) == slow
