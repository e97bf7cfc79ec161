"""Components of strips are those of the whole mask, each once, with its values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from geoseg.geometry.components import Components, Cut, joined


def found(mask, values, height, connectivity=4, tallest=1000):
    components = Components(mask.shape[1], connectivity, tallest)
    cuts = []
    for top in range(0, len(mask), height):
        rows = slice(top, top + height)
        cuts += components.add(mask[rows], None if values is None else values[rows])
        assert components.first_row <= components.row == min(top + height, len(mask))
        # nothing that is still to come lies above the first row
        given_out = np.zeros_like(mask)
        for cut in cuts:
            given_out[at(cut)] |= cut.mask
        labels, _ = label(mask, connectivity)
        open_labels = np.unique(labels[: components.row][~given_out[: components.row]])
        for number in open_labels[open_labels > 0]:
            own = np.nonzero(labels == number)[0]
            assert own.min() >= components.first_row or np.ptp(own) + 1 > tallest
    return cuts + components.finish()


def label(mask, connectivity):
    return ndimage.label(mask, np.ones((3, 3)) if connectivity == 8 else None)


def at(cut):
    height, width = cut.mask.shape
    return slice(cut.row, cut.row + height), slice(cut.col, cut.col + width)


@settings(max_examples=40)
@given(
    st.integers(0, 10**6),
    st.integers(1, 60),
    st.sampled_from([4, 8]),
    st.sampled_from([3, 8, 1000]),
    st.floats(0.3, 0.7),
)
def test_each_component_comes_once_and_whole(seed, height, connectivity, tallest, share):
    """Noise near the share at which it percolates: spirals, nests, and pieces joined far below."""
    rng = np.random.default_rng(seed)
    mask = rng.random((50, 37)) < share
    values = rng.integers(-9, 9, mask.shape).astype(np.int16)
    cuts = found(mask, values, height, connectivity, tallest)
    numbers = np.zeros(mask.shape, int)
    for number, cut in enumerate(cuts, 1):
        assert not (numbers[at(cut)][cut.mask]).any()
        numbers[at(cut)][cut.mask] = number
        np.testing.assert_array_equal(cut.values[cut.mask], values[at(cut)][cut.mask])
        for side in (cut.mask[0], cut.mask[-1], cut.mask[:, 0], cut.mask[:, -1]):
            assert side.any()
    labels, count = label(mask, connectivity)
    rows = [box[0].stop - box[0].start for box in ndimage.find_objects(labels)]
    low = np.append(False, np.array(rows, int) <= tallest)
    np.testing.assert_array_equal(numbers > 0, low[labels])
    pairs = set(zip(labels[numbers > 0].tolist(), numbers[numbers > 0].tolist(), strict=True))
    assert len(pairs) == len(cuts) == low.sum() <= count


@pytest.mark.parametrize("connectivity", [4, 8])
def test_what_meets_at_a_corner_of_two_strips(connectivity):
    mask = np.eye(6, dtype=bool)[:, ::-1]
    assert len(found(mask, None, 2, connectivity)) == (6 if connectivity == 4 else 1)


def test_cuts_that_lie_side_by_side_are_one():
    left = Cut(3, 2, np.array([[True], [True]]), np.array([[5], [6]]))
    right = Cut(4, 3, np.array([[False, True]]), np.array([[9, 7]]))
    whole = joined([left, right])
    assert whole[:2] == (3, 2)
    np.testing.assert_array_equal(whole.values, [[5, 0, 0], [6, 0, 7]])
    np.testing.assert_array_equal(whole.mask, whole.values > 0)
    without = joined([left._replace(values=None), right])
    np.testing.assert_array_equal(without.values, [[0, 0, 0], [0, 0, 7]])
