"""Tracing strip by strip equals tracing whole, and both equal what GDAL and a labelling say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import rasterio.features
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.transform import Affine
from scipy import ndimage

from geoseg.geometry.trace import trace

EIGHT = np.ones((3, 3))


def traced(mask, values=None, connectivity=4, cuts=()):
    """Footprints of a mask cut into strips at the rows ``cuts``."""
    bounds = [0, *sorted(cuts), len(mask)]
    strips = [
        (mask[top:bottom], None if values is None else values[:, top:bottom])
        for top, bottom in itertools.pairwise(bounds)
    ]
    batches = list(trace(strips, connectivity))
    if not batches:
        return (
            np.empty(0, object),
            np.empty(0, np.int64),
            np.empty((0, 0 if values is None else len(values))),
        )
    return tuple(
        np.concatenate([getattr(b, name) for b in batches])
        for name in ("geometry", "pixels", "sums")
    )


def assert_same(one, other):
    assert shapely.to_wkb(one[0]).tolist() == shapely.to_wkb(other[0]).tolist()
    np.testing.assert_array_equal(one[1], other[1])
    np.testing.assert_array_equal(one[2], other[2])


def by_gdal(mask):
    """Normalised WKT of GDAL's polygons, which for some masks need a repair."""
    found = rasterio.features.shapes(mask.astype(np.uint8), mask=mask, connectivity=4)
    polygons = shapely.make_valid(np.array([shapely.geometry.shape(s) for s, _ in found], object))
    return sorted(shapely.to_wkt(shapely.normalize(shapely.get_parts(polygons))))


def parts(geometry):
    return sorted(shapely.to_wkt(shapely.normalize(shapely.get_parts(geometry))))


def rasterised(geometry, shape):
    if not len(geometry):
        return np.zeros(shape, bool)
    return rasterio.features.rasterize(geometry, shape, transform=Affine.identity()).astype(bool)


@st.composite
def cases(draw):
    shape = draw(st.tuples(st.integers(1, 15), st.integers(1, 12)))
    mask = draw(arrays(bool, shape, elements=st.booleans()))
    values = draw(arrays(np.float32, (2, *shape), elements=st.floats(0, 1, width=32)))
    return (
        mask,
        values,
        draw(st.lists(st.integers(0, shape[0]), max_size=6)),
        draw(st.sampled_from([4, 8])),
    )


@settings(max_examples=250, deadline=None)
@given(cases())
def test_random_masks(case):
    mask, values, cuts, connectivity = case
    whole = traced(mask, values, connectivity)
    assert_same(traced(mask, values, connectivity, cuts), whole)
    geometry, pixels, sums = whole
    assert shapely.is_valid(geometry).all()
    assert parts(geometry) == by_gdal(mask)
    np.testing.assert_array_equal(rasterised(geometry, mask.shape), mask)

    labels, count = ndimage.label(mask, EIGHT if connectivity == 8 else None)
    assert len(geometry) == count
    index = np.arange(1, count + 1)
    for footprint, size, total in zip(geometry, pixels, sums, strict=True):
        label = np.unique(labels[rasterised([footprint], mask.shape)])
        assert len(label) == 1
        assert size == (labels == label[0]).sum()
        expected = [
            ndimage.sum_labels(v.astype(float), labels, index)[label[0] - 1] for v in values
        ]
        np.testing.assert_allclose(total, expected, atol=1e-6)


def buildings(height=1600, width=900, seed=3):
    """Rotated rectangles with courtyards, one on each of the seams of strips of 256, 512 and 777
    rows.
    """
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:height, :width]
    mask = np.zeros((height, width), bool)
    seams = [r for h in (256, 512, 777) for r in range(h, height, h)]
    centres = [(r, c) for r in seams for c in range(60, width, 150)] + list(
        rng.uniform(0, (height, width), (120, 2))
    )
    for row, col in centres:
        angle, half, length = rng.uniform(0, np.pi), rng.uniform(5, 25), rng.uniform(8, 45)
        box = (
            slice(max(0, int(row) - 60), int(row) + 60),
            slice(max(0, int(col) - 60), int(col) + 60),
        )
        dy, dx = rows[box] - row, cols[box] - col
        across, along = (
            dx * np.cos(angle) + dy * np.sin(angle),
            dy * np.cos(angle) - dx * np.sin(angle),
        )
        mask[box] |= (abs(across) < half) & (abs(along) < length)
        mask[box] &= ~((abs(across) < half / 3) & (abs(along) < length / 3))
    return mask


@pytest.mark.parametrize("height", [1, 256, 512, 777])
def test_buildings_on_every_seam(height):
    mask = buildings()
    values = np.random.default_rng(1).random((2, *mask.shape), np.float32)
    whole = traced(mask, values)
    assert len(whole[0]) > 60
    assert shapely.get_num_interior_rings(whole[0]).sum() > 60
    assert_same(traced(mask, values, cuts=range(height, len(mask), height)), whole)
    assert parts(whole[0]) == by_gdal(mask)


def test_batches_come_as_soon_as_they_are_complete():
    mask = np.zeros((40, 9), bool)
    mask[2:5, 1:3] = mask[3:20, 5:8] = True
    consumed = []

    def strips():
        for top in range(0, 40, 4):
            consumed.append(top)
            yield mask[top : top + 4], None

    found = [(consumed[-1], batch.geometry[0].bounds) for batch in trace(strips())]
    assert found == [(4, (1, 2, 3, 5)), (20, (5, 3, 8, 20))]


def test_order_start_and_orientation():
    mask = np.zeros((9, 14), bool)
    mask[1:8, 1:6] = True
    mask[3:5, 2:4] = False
    mask[0:3, 8:12] = True
    mask[5:8, 7:9] = True
    geometry, pixels, _ = traced(mask)
    assert [shapely.to_wkt(g) for g in geometry] == [
        "POLYGON ((8 0, 12 0, 12 3, 8 3, 8 0))",
        "POLYGON ((1 1, 6 1, 6 8, 1 8, 1 1), (2 3, 2 5, 4 5, 4 3, 2 3))",
        "POLYGON ((7 5, 9 5, 9 8, 7 8, 7 5))",
    ]
    assert pixels.tolist() == [12, 31, 6]
    assert shapely.is_ccw(shapely.get_exterior_ring(geometry)).all()


def test_holes_nested_in_holes_across_seams():
    """Rings around rings: each footprint lies in the hole of the one around it."""
    mask = np.zeros((43, 31), bool)
    for inset in range(0, 15, 2):
        mask[inset : 43 - inset, inset : 31 - inset] = (inset // 2) % 2 == 0
    whole = traced(mask)
    assert shapely.get_num_interior_rings(whole[0]).tolist() == [1, 1, 1, 1]
    assert whole[0][0].within(shapely.Polygon(whole[0][1].interiors[0]))
    assert_same(traced(mask, cuts=range(43)), whole)


def test_spiral_and_comb():
    """One footprint whose arms meet only at its far end, so that its parts must be joined across
    all the seams.
    """
    mask = np.zeros((37, 53), bool)
    mask[:, ::2] = True
    mask[-1] = True
    spiral = np.zeros((37, 53), bool)
    top, left, bottom, right = 0, 0, 36, 52
    while bottom - top > 4:
        spiral[top, left : right + 1] = spiral[top : bottom + 1, right] = spiral[
            bottom, left : right + 1
        ] = True
        spiral[top + 2 : bottom + 1, left] = True
        spiral[top + 2, left : left + 3] = True
        top, left, bottom, right = top + 2, left + 2, bottom - 2, right - 2
    for shape in (mask, mask[::-1], spiral, spiral[::-1, ::-1]):
        shape = np.ascontiguousarray(shape)
        whole = traced(shape)
        assert len(whole[0]) == 1
        assert whole[1][0] == shape.sum()
        assert_same(traced(shape, cuts=range(37)), whole)
        assert parts(whole[0]) == by_gdal(shape)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 4)])
def test_full_and_empty(shape):
    height, width = shape
    geometry, pixels, sums = traced(np.ones(shape, bool), np.full((1, *shape), 0.25, np.float32))
    assert (
        shapely.to_wkt(geometry[0])
        == f"POLYGON ((0 0, {width} 0, {width} {height}, 0 {height}, 0 0))"
    )
    assert pixels.tolist() == [height * width]
    assert sums.tolist() == [[height * width / 4]]
    assert len(traced(np.zeros(shape, bool))[0]) == 0
    assert list(trace([])) == []
    assert list(trace([(np.zeros((0, 5), bool), None)])) == []


def test_corners_that_touch():
    """4: a checkerboard corner separates; 8: it is a MultiPolygon; a bay closed by a corner is a
    hole in both.
    """
    diagonal = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]], bool)
    assert traced(diagonal)[1].tolist() == [1, 1, 1]
    geometry, pixels, _ = traced(diagonal, connectivity=8)
    assert shapely.to_wkt(geometry).tolist() == [
        "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 1, 0 0)), ((1 1, 2 1, 2 2, 1 2, 1 1)))",
        "POLYGON ((2 3, 3 3, 3 4, 2 4, 2 3))",
    ]
    assert pixels.tolist() == [2, 1]
    bay = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1]], bool)
    for connectivity in (4, 8):
        geometry, pixels, _ = traced(bay, connectivity=connectivity)
        assert shapely.is_valid(geometry).all()
        assert pixels.tolist() == [10]


def test_channels_that_are_absent_in_a_strip_count_as_zero():
    mask = np.ones((6, 4), bool)
    strips = [(mask[:2], [np.ones((2, 4)), None]), (mask[2:], [None, np.full((4, 4), 0.5)])]
    (batch,) = trace(strips)
    assert batch.sums.tolist() == [[8, 8]]
