"""Longitudes: the same ground however it is counted."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import example, given
from hypothesis import strategies as st
from pyproj import CRS

from geoseg.geometry.longitudes import gathered, mended, near, period, split_at_seam

boxes = st.lists(
    st.tuples(st.floats(-30, 30), st.floats(-80, 80), st.floats(0.01, 0.4), st.floats(0.01, 0.4)),
    min_size=1,
    max_size=6,
)


def build(rows, middle):
    return np.array(
        [shapely.box(middle + x, y, middle + x + w, y + h) for x, y, w, h in rows], object
    )


def cut(polygon):
    """Cut at 180 degrees and counted from -180 to 180, as RFC 7946 asks."""
    parts = []
    for turn in (-720, -360, 0, 360, 720):
        part = shapely.intersection(polygon, shapely.box(turn - 180, -90, turn + 180, 90))
        if part.area > 0:
            parts.append(shapely.transform(part, lambda xy, turn=turn: xy - [turn, 0]))
    return shapely.multipolygons(parts) if len(parts) > 1 else parts[0]


def wrapped(polygon):
    """Every corner by itself counted from -180 to 180, as a reprojection leaves them."""
    return shapely.transform(polygon, lambda xy: np.c_[(xy[:, 0] + 180) % 360 - 180, xy[:, 1]])


@given(rows=boxes, middle=st.floats(-400, 400), how=st.sampled_from([cut, wrapped]))
def test_cut_or_wrapped_polygons_are_whole_again(rows, middle, how):
    whole = build(rows, middle)
    found = near(np.array([how(each) for each in whole], object), middle, 360.0)
    assert shapely.area(shapely.symmetric_difference(found, whole)).max() < 1e-9
    assert all(len(shapely.get_parts(each)) == 1 for each in found)


@given(rows=boxes, middle=st.floats(-400, 400))
@example(rows=[(-0.1, 3, 0.2, 0.3)], middle=180.0)
def test_what_lies_together_is_gathered(rows, middle):
    """As far apart as before they were cut, at some whole number of turns."""
    whole = build(rows, middle)
    found = gathered(np.array([cut(each) for each in whole], object), 360.0)
    left, _, right, _ = shapely.total_bounds(whole)
    there = shapely.total_bounds(found)
    assert there[2] - there[0] == pytest.approx(right - left, abs=1e-9)
    turns = (there[0] - left) / 360
    assert turns == pytest.approx(round(turns), abs=1e-9)


def test_what_needs_no_turn_is_left_alone():
    world = np.array([shapely.box(-180, -90, 180, 90), None, shapely.Polygon()], object)
    pair = np.array([shapely.box(-120, 3, -119, 5), shapely.box(140, 3, 141, 9)], object)
    for geometry, middle in ((world, 0), (pair, 0)):
        assert near(geometry, middle, 360.0) is geometry
        assert gathered(geometry[:1], 360.0) is not None
    assert shapely.total_bounds(gathered(pair, 360.0)).tolist() in (
        [140, 3, 241, 9],
        [-220, 3, -119, 9],
    )
    nothing = np.array([None, shapely.Polygon()], object)
    assert gathered(nothing, 360.0) is nothing and len(near(nothing[:0], 5, 360.0)) == 0


def test_rings_that_jump_are_mended_and_no_others() -> None:
    jumping = shapely.Polygon([(179.9, 1), (-179.8, 1), (-179.8, 3), (179.9, 3)])
    there = np.array([shapely.box(-179, 1, -178, 3), jumping, shapely.box(178, 1, 179.9, 4)])
    out = mended(there, 360)
    assert out[0] is there[0] and out[2] is there[2]
    np.testing.assert_allclose(out[1].bounds, (179.9, 1, 180.2, 3), atol=1e-9)
    whole = there[[0, 2]]
    assert mended(whole, 360) is whole
    assert len(mended(np.empty(0, object), 360)) == 0


def test_what_reaches_beyond_is_cut_there() -> None:
    there = np.array([shapely.box(178, 1, 179, 3), shapely.box(179.9, 1, 180.2, 3)])
    out = split_at_seam(there, 360)
    assert out[0] is there[0]
    left, right = sorted(out[1].geoms, key=lambda part: part.bounds)
    np.testing.assert_allclose(left.bounds, (-180, 1, -179.8, 3), atol=1e-9)
    np.testing.assert_allclose(right.bounds, (179.9, 1, 180, 3), atol=1e-9)
    assert split_at_seam(there[:1], 360)[0] is there[0]


def test_once_around():
    assert period(CRS.from_epsg(4326)) == pytest.approx(360)
    assert period(CRS.from_epsg(4807)) == pytest.approx(400)  # grads
    assert period(CRS.from_epsg(3857)) == pytest.approx(40_075_016.7, abs=0.1)
    assert period(CRS.from_epsg(32660)) is None and period(None) is None
