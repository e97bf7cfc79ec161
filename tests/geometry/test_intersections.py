"""The area that outlines share, against GEOS."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shapely import affinity

from geoseg.geometry.intersections import intersection_areas
from geoseg.geometry.trace import trace


def outlines(mask, connectivity=4):
    return np.concatenate(
        [np.empty(0, object), *(b.geometry for b in trace([(mask, None)], connectivity))]
    )


@settings(max_examples=80)
@given(
    arrays(
        bool,
        st.tuples(st.integers(2, 20), st.integers(3, 17)),
        elements=st.booleans(),
        fill=st.just(True),
    ),
    st.floats(0, 180),
    st.tuples(st.floats(-4, 4), st.floats(-4, 4)),
    st.sampled_from([4, 8]),
    st.sampled_from([40, 2**16]),
)
def test_what_two_outlines_share(mask, turn, shift, connectivity, limit):
    raw = outlines(mask, connectivity)
    other = np.array([affinity.translate(affinity.rotate(g, turn), *shift) for g in raw], object)
    other = shapely.reverse(other)
    found = intersection_areas(raw, other, limit, at_once=100)
    np.testing.assert_allclose(found, shapely.area(shapely.intersection(raw, other)), atol=1e-6)


def test_outlines_of_any_shape():
    one = np.array([shapely.Point(3, 5).buffer(4), shapely.box(0, 0, 7, 3)])
    other = np.array([shapely.box(2, 2, 9, 6), shapely.Point(5, 1).buffer(2)])
    np.testing.assert_allclose(
        intersection_areas(one, other), shapely.area(shapely.intersection(one, other))
    )
    assert intersection_areas(one[:0], other[:0]).tolist() == []


def test_far_from_the_origin_and_apart():
    raw = shapely.box(40_000 + np.array([0, 9]), 39_000, 40_007 + np.array([0, 9]), 39_013)
    other = shapely.box(40_003.25, 39_001.5, 40_008, 39_050)
    np.testing.assert_allclose(
        intersection_areas(raw, np.array([other, other])), [3.75 * 11.5, 0], atol=1e-6
    )
