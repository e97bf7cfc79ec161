"""Outlines on the level: marching squares, exact for any strips, valid whatever the surface."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.measure import find_contours

from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.subpixel import Crossings
from geoseg.geometry.trace import trace

STEP = 1 / 1024


def outlines(scores, valid=None, level=0.5, mask=None, height=None, connectivity=4):
    """Traced outlines and those on the level, by strips of ``height`` rows."""
    valid = np.ones(scores.shape, bool) if valid is None else valid
    mask = (scores >= level) & valid if mask is None else mask
    crossings, height = Crossings(level), height or len(scores)
    strips = [
        MaskStrip(*(a[top : top + height] for a in (mask, valid, scores)))
        for top in range(0, len(mask), height)
    ]
    traced, found = [np.empty(0, object)], [np.empty(0, object)]
    for batch in trace(((s.mask, [s.scores]) for s in crossings.noted(strips)), connectivity):
        traced.append(batch.geometry)
        found.append(crossings.outlines(batch.geometry))
    assert not len(crossings.key)  # nothing of a finished outline is held
    return np.concatenate(traced), np.concatenate(found)


def smooth(shape=(83, 61), seed=2):
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 3)
    return (0.5 + field / field.std() / 5).astype(np.float32)


def test_a_wall_lies_where_the_surface_crosses():
    """A slope along x: from 0.2 to 0.9 in two pixels, so the level lies 3/7 of the way from centre
    to centre.
    """
    scores = np.zeros((9, 12), np.float32)
    scores[2:7, 3:8] = 0.9
    scores[2:7, 8] = 0.2
    _, (found,) = outlines(scores)
    left, top, right, bottom = found.bounds
    assert right == pytest.approx(7.5 + 4 / 7, abs=STEP)
    assert (left, top, bottom) == pytest.approx((3.5 - 4 / 9, 2.5 - 4 / 9, 6.5 + 4 / 9), abs=STEP)
    assert shapely.get_num_coordinates(found) == 9  # straight walls, each corner cut once


def test_the_corners_are_those_of_marching_squares():
    scores = np.pad(smooth(), 1, constant_values=0.05)
    _, found = outlines(scores)
    lines = [
        line[:, ::-1] + 0.5
        for line in find_contours(scores.astype(float), 0.5, fully_connected="low")
    ]
    theirs, ours = (
        shapely.points(points) for points in (np.concatenate(lines), shapely.get_coordinates(found))
    )
    assert len(ours) > 500
    # both ways; corners keep 1/16 off the centres of pixels
    for one, other in ((ours, theirs), (theirs, shapely.boundary(found))):
        assert (
            shapely.STRtree(other)
            .query_nearest(one, return_distance=True, all_matches=False)[1]
            .max()
            < 0.07
        )


def test_a_circle_is_rounder_than_its_pixels():
    y, x = np.mgrid[:40, :47] + 0.5
    away = np.hypot(x - 23.3, y - 19.8)
    scores = (1 / (1 + np.exp(away - 11))).astype(np.float32)
    (pixels,), (fine,) = outlines(scores)
    true = shapely.Point(23.3, 19.8).buffer(11, quad_segs=64)
    assert fine.hausdorff_distance(true) < 0.05 < 0.5 < pixels.hausdorff_distance(true)
    assert fine.symmetric_difference(true).area < pixels.symmetric_difference(true).area / 20


def test_beside_missing_data_and_at_the_border_sides_of_pixels_stay():
    scores, valid = np.full((10, 14), 0.1, np.float32), np.ones((10, 14), bool)
    scores[:4, :6] = 0.7
    scores[6:9, 8:12] = 0.7
    valid[6:10, 10:] = False
    _, (corner, cut) = outlines(scores, valid)
    # 0.7 to 0.1: the level is a third of the way from centre to centre
    x, y = 5.5 + 1 / 3, 3.5 + 1 / 3
    corners = [(0, 0), (x, 0), (x, 3.5), (5.5, y), (0, y), (0, 0)]
    assert shapely.get_coordinates(corner) == pytest.approx(np.array(corners), abs=STEP)
    # rows 6 to 8 and columns 8 and 9 are left, with nothing known on the right
    left, top, below = 8.5 - 1 / 3, 6.5 - 1 / 3, 8.5 + 1 / 3
    corners = [(8.5, top), (10, top), (10, below), (8.5, below), (left, 8.5), (left, 6.5)]
    assert {tuple(p) for p in np.round(shapely.get_coordinates(cut), 2)} == {
        tuple(np.round(p, 2)) for p in corners
    }


def test_where_the_mask_was_cleaned_sides_stay_in_the_middle():
    """Pixels filled below the level, pixels removed above it: nothing crosses there."""
    scores = np.full((9, 13), 0.1, np.float32)
    scores[2:6, 2:9] = 0.9
    mask = scores >= 0.5
    mask[2:6, 9], mask[2:6, 2] = True, False
    _, (found,) = outlines(scores, mask=mask)
    assert found.bounds == pytest.approx((3, 2, 10, 6))


@st.composite
def surfaces(draw):
    shape = draw(st.tuples(st.integers(1, 15), st.integers(1, 12)))
    levels = st.sampled_from([0.0, 0.25, 0.49, 0.5, 0.51, 0.75, 1.0])
    scores = draw(arrays(np.float32, shape, elements=levels))
    valid = draw(arrays(bool, shape, elements=st.booleans(), fill=st.just(True)))
    cleaned = draw(st.none() | arrays(bool, shape, elements=st.booleans()))
    return (
        scores,
        valid,
        None if cleaned is None else cleaned & valid,
        draw(st.sampled_from([4, 8])),
    )


@settings(max_examples=250)
@given(surfaces(), st.integers(1, 6))
def test_any_surface_in_any_strips(case, height):
    """The same whatever the strips, valid, as many rings as traced, apart from each other, within
    half a pixel of the sides.
    """
    scores, valid, mask, connectivity = case
    traced, whole = outlines(scores, valid, mask=mask, connectivity=connectivity)
    _, cut = outlines(scores, valid, mask=mask, connectivity=connectivity, height=height)
    assert shapely.to_wkb(cut).tolist() == shapely.to_wkb(whole).tolist()
    assert shapely.is_valid(whole).all()
    assert (shapely.area(whole) > 0).all()
    for count in (
        shapely.get_num_geometries,
        lambda g: shapely.get_num_interior_rings(shapely.get_parts(g)),
    ):
        np.testing.assert_array_equal(count(whole), count(traced))
    assert (shapely.hausdorff_distance(whole, traced) <= 0.75).all()
    parts = shapely.get_parts(whole)
    one, other = shapely.STRtree(parts).query(parts, predicate="intersects")
    assert shapely.area(shapely.intersection(parts[one], parts[other]))[one < other].sum() == 0
    rings = shapely.get_exterior_ring(parts)
    assert shapely.is_ccw(rings).all()


def test_what_is_held_does_not_grow_with_the_scene():
    """Rows of blobs, by strips that cut them, of one scene and of one eight times as high."""
    most = []
    for height in (200, 1600):
        row, col = np.mgrid[:height, :90]
        scores = np.exp(-(((row % 20) - 10) ** 2 + ((col % 15) - 7) ** 2) / 20).astype(np.float32)
        crossings, held = Crossings(0.5), []
        strips = (
            MaskStrip(part >= 0.5, np.ones_like(part, bool), part)
            for part in np.split(scores, range(7, height, 7))
        )
        for batch in trace((s.mask, None) for s in crossings.noted(strips)):
            held.append(len(crossings.key))
            crossings.outlines(batch.geometry)
        most.append(max(held))
    assert most[0] == most[1] < 6 * 60


@pytest.mark.parametrize("height", [256, 512, 777])
def test_courtyards_on_every_seam(height):
    """Buildings with courtyards, blurred, on the seams of all three heights."""
    row, col = np.mgrid[:1600, :300]
    y, x = row % 64, col % 75
    mask = (y > 5) & (y < 58) & (x > 6) & (x < 66) & ~((y > 22) & (y < 40) & (x > 25) & (x < 50))
    scores = ndimage.gaussian_filter(mask.astype(np.float32), 2)
    _, whole = outlines(scores)
    _, cut = outlines(scores, height=height)
    assert shapely.get_num_interior_rings(whole).sum() == len(whole) == 100
    assert shapely.to_wkb(cut).tolist() == shapely.to_wkb(whole).tolist()
