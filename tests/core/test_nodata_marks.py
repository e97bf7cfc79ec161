from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geoseg.core.nodata_marks import ends, nodata_mark

FLOATS = st.floats(-(2**20), 2**20, width=32) | st.sampled_from(
    [-9999.0, np.nan, np.inf, float(np.float32(1e20))]
)


@given(parts=st.lists(arrays("float32", st.integers(0, 9), elements=FLOATS), min_size=1))
def test_the_ends_of_parts_are_all_that_is_needed(parts):
    whole = nodata_mark(np.concatenate(parts))
    assert nodata_mark(np.concatenate([ends(part) for part in parts])) == whole


@given(image=arrays("float32", 50, elements=st.floats(-4000, 4000, width=32)))
def test_imagery_has_no_mark_but_the_one_it_is_given(image):
    # -999 alone among others near it is a number like any
    near = np.concatenate([image, [-4000, 4000]]).astype("float32")
    assert nodata_mark(near) is None
    for mark in (-9999 * 2, -99999, -3.4e38, 1e31):
        found = nodata_mark(np.concatenate([near, [mark]]).astype("float32"))
        assert found == (None if mark == -9999 * 2 else np.float32(mark))


def test_a_number_among_others_is_no_mark():
    heights = np.array([-9999, -9500, 0, 3000], "float32")
    assert nodata_mark(heights) is None
    assert nodata_mark(np.array([-9999, 0, 3000], "int16")) == -9999
    assert nodata_mark(np.array([-9999, -9999], "float32")) == -9999
    assert nodata_mark(np.array([np.nan], "float32")) is None
