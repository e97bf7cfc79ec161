"""Filling, thinning and placing outlines: areas, validity, orientation, and no vertex that was not
there.
"""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geoseg.geometry.outlines import (
    filled,
    simplify,
    small_holes,
    stays_valid,
    to_crs_coordinates,
    vertices,
)
from geoseg.geometry.trace import trace

NOWHERE = np.empty((0, 2))
# coordinates of seven digits round what lies on a line to one side of it
ON_THE_GROUND = (
    Affine(0.3, 0, 334_000, 0, -0.3, 3_057_000),
    Affine(0.29, 0.07, 4e5, 0.07, -0.31, 6e6),
)


def outlines(mask, connectivity=4):
    batches = [batch.geometry for batch in trace([(np.asarray(mask, bool), None)], connectivity)]
    return np.concatenate([np.empty(0, object), *batches])


def fill_holes(geometry, smallest, islands):
    return filled(geometry, small_holes(geometry, smallest, islands))


def holes_of(geometry):
    return [sum(len(part.interiors) for part in shapely.get_parts(g)) for g in geometry]


def courtyards():
    """Holes of 1, 6 and 30 pixels in one footprint, none in the other."""
    mask = np.zeros((17, 25), bool)
    mask[1:12, 1:20] = True
    mask[2, 2] = mask[4:6, 4:7] = mask[3:8, 9:15] = False
    mask[14:16, 3:9] = True
    return mask


@pytest.mark.parametrize(("smallest", "left"), [(0, 3), (1, 3), (2, 2), (6, 2), (7, 1), (100, 0)])
def test_holes_below_the_limit_are_filled(smallest, left):
    geometry = outlines(courtyards())
    found = fill_holes(geometry, np.full(2, float(smallest)), NOWHERE)
    assert holes_of(found) == [left, 0]
    assert shapely.is_valid(found).all()
    assert shapely.area(found)[0] == 209 - sum(size for size in (1, 6, 30) if size >= smallest)
    assert holes_of(geometry) == [3, 0]


def test_limits_are_each_footprint_s_own_and_islands_keep_a_hole():
    mask = np.concatenate([courtyards(), courtyards()])
    geometry = outlines(mask)
    assert holes_of(fill_holes(geometry, np.array([2.0, 0, 7, 0]), NOWHERE)) == [2, 0, 1, 0]
    island = np.array([[5.5, 4.5]])
    assert holes_of(fill_holes(geometry, np.full(4, 99.0), island)) == [1, 0, 0, 0]


def test_holes_of_multipolygons():
    mask = np.zeros((9, 14), bool)
    mask[:4, :5] = mask[4:9, 5:12] = True
    mask[1, 1] = mask[6, 7:9] = False
    (footprint,) = fill_holes(outlines(mask, 8), np.array([2.0]), NOWHERE)
    assert footprint.geom_type == "MultiPolygon"
    assert [len(part.interiors) for part in footprint.geoms] == [0, 1]
    assert footprint.is_valid
    assert vertices(np.array([footprint])).tolist() == [4 + 4 + 4]


@settings(max_examples=150, deadline=None)
@given(
    arrays(
        bool,
        st.tuples(st.integers(2, 16), st.integers(2, 13)),
        elements=st.booleans(),
        fill=st.just(True),
    ),
    st.floats(0.1, 4),
    st.sampled_from([4, 8]),
)
@example(np.array([[0, 1], [1, 1], [1, 1]], bool), 0.5, 4)
def test_simplified_outlines_are_valid_and_near(mask, tolerance, connectivity):
    geometry = outlines(mask, connectivity)
    thin = simplify(geometry, tolerance, (0.5, 0.8))
    assert shapely.is_valid(thin).all()
    assert (shapely.area(thin) > 0).all()
    assert (vertices(thin) <= vertices(geometry)).all()
    for transform in ON_THE_GROUND:
        assert shapely.is_valid(to_crs_coordinates(thin, transform)).all()
    for before, after in zip(geometry, thin, strict=True):
        was = {tuple(p) for p in shapely.get_coordinates(before)}
        assert was >= {tuple(p) for p in shapely.get_coordinates(after)}
        outline = shapely.transform(after.boundary, lambda xy: xy * (0.5, 0.8))
        points = shapely.points(shapely.get_coordinates(before) * (0.5, 0.8))
        assert shapely.distance(points, outline).max() <= tolerance + 1e-9


def test_no_corner_rests_on_a_side():
    """Simplified, the slope beside a lone pixel would run through its corner, where no digit holds
    it: on the ground the two parts would overlap.
    """
    mask = np.ones((19, 15), bool)
    mask[17, 0] = mask[18, 1] = False
    # that of a scene in UTM: which of two corners as far from the slope stays is a matter of it
    pixel = (0.3000179607079, 0.30001796072098474)
    thin = simplify(outlines(mask, 8), 0.4, pixel)
    assert thin[0].geom_type == "MultiPolygon"
    assert shapely.is_valid(to_crs_coordinates(thin, ON_THE_GROUND[0])).all()
    slope = shapely.from_wkt(
        [
            "MULTIPOLYGON (((0 0, 0 17, 2 19, 15 19, 15 0, 0 0)), ((0 19, 1 19, 1 18, 0 19)))",
            "MULTIPOLYGON (((0 0, 0 17, 1 18, 2 19, 9 9, 0 0)), ((0 19, 1 19, 1 18, 0 19)))",
            "POLYGON ((0 0, 9 0, 9 9, 0 0), (8 3, 7 7, 5 2, 8 3))",
            "POLYGON ((0 0, 9 0, 9 9, 0 0), (8 3, 7 6, 5 2, 8 3))",
        ]
    )
    assert stays_valid(slope).tolist() == [False, True, False, True]


def test_a_staircase_becomes_a_slope():
    steps = np.tril(np.ones((40, 61), bool))
    assert vertices(outlines(steps)) > 70
    assert vertices(simplify(outlines(steps), 0.8, (1.0, 1.0))) <= 6
    assert simplify(outlines(steps), 0, (1.0, 1.0))[0].equals(outlines(steps)[0])


@pytest.mark.parametrize(
    "transform",
    [
        Affine(0.3, 0, 5e5, 0, -0.3, 6e6),
        Affine(2.0, 0, 0, 0, 3.0, 0),
        Affine(0.2, 0.1, 4e5, 0.1, -0.2, 6e6),
        Affine(0, 0.5, 7, 0.25, 0, 9),
    ],
)
def test_placed_outlines_are_oriented_and_where_they_belong(transform):
    geometry = outlines(courtyards())
    placed = to_crs_coordinates(geometry, transform)
    rings = shapely.get_rings(placed)
    assert shapely.is_ccw(rings).tolist() == [True, False, False, False, True]
    assert shapely.area(placed) == pytest.approx(
        shapely.area(geometry) * abs(transform.determinant)
    )
    assert placed[1].exterior.coords[0] == pytest.approx(
        (
            3 * transform.a + 14 * transform.b + transform.c,
            3 * transform.d + 14 * transform.e + transform.f,
        )
    )
    assert vertices(placed).tolist() == [16, 4]
    assert vertices(placed).dtype == np.int32
