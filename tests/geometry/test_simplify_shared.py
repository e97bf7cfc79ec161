"""Classes side by side, simplified: no gap, no overlap, no wall further off than the tolerance."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from geoseg.geometry.outlines import vertices
from geoseg.geometry.simplify_shared import simplify_together
from geoseg.geometry.trace import trace

SIZE = (0.5, 0.8)


def traced(labels, connectivity=4):
    outlines = [
        batch.geometry
        for c in np.unique(labels)
        for batch in trace([(labels == c, None)], connectivity)
    ]
    return np.concatenate(outlines)


def land(shape=(83, 120), seed=4):
    """Fields of four classes."""
    rng = np.random.default_rng(seed)
    return np.argmax(
        [ndimage.gaussian_filter(rng.standard_normal(shape), 4) for _ in range(4)], axis=0
    )


def check(geometry, found, tolerance):
    assert shapely.is_valid(found).all()
    covered = shapely.union_all(found)
    assert abs(shapely.area(found).sum() - covered.area) < 1e-6  # no overlaps
    assert shapely.get_num_interior_rings(shapely.get_parts(covered)).sum() == 0  # no gaps
    scale = np.array(SIZE)
    for before, after in zip(geometry, found, strict=True):
        points = shapely.points(shapely.get_coordinates(before) * scale)
        outline = shapely.transform(after.boundary, lambda xy: xy * scale)
        assert shapely.distance(points, outline).max() <= tolerance + 1e-9


def test_fields_keep_their_common_walls():
    geometry = traced(land())
    found = simplify_together(geometry, 1.0, SIZE)
    assert vertices(found).sum() < vertices(geometry).sum() / 3
    check(geometry, found, 1.0)
    assert simplify_together(geometry, 0, SIZE) is geometry


def test_an_island_and_the_hole_around_it():
    """No corner where three walls meet: the ring is one wall, which both have."""
    row, col = np.mgrid[:40, :51]
    labels = (np.hypot(row - 18, col - 27) < 12).astype(int)
    geometry = traced(labels)
    found = simplify_together(geometry, 0.9, SIZE)
    check(geometry, found, 0.9)
    assert vertices(found).tolist() == [4 + vertices(found)[1], vertices(found)[1]]
    assert vertices(found)[1] < vertices(geometry)[1] / 2


@settings(max_examples=60)
# a wall that would cut through the class beyond
@example(np.array([[0, 2, 1], [1, 1, 1]], np.uint8), 2.0, 4)
@given(
    arrays(
        np.uint8,
        st.tuples(st.integers(1, 14), st.integers(1, 11)),
        elements=st.integers(0, 3),
        fill=st.just(1),
    ),
    st.floats(0.1, 4),
    st.sampled_from([4, 8]),
)
def test_any_classes(labels, tolerance, connectivity):
    geometry = traced(labels, connectivity)
    found = simplify_together(geometry, tolerance, SIZE)
    check(geometry, found, tolerance)
    corners = {tuple(xy) for xy in shapely.get_coordinates(geometry)}
    for before, after in zip(geometry, found, strict=True):
        points = shapely.get_coordinates(after)
        assert (
            corners.issuperset(map(tuple, points))
            and shapely.distance(shapely.points(points), before.boundary).max() == 0
        )
