"""Which channels make up footprints, and what is between them."""

from __future__ import annotations

import numpy as np
import pytest

from geoseg.geometry.surface import ClassSurface, surfaces, surfaces_of_bands


@pytest.mark.parametrize(
    ("classes", "found"),
    [
        (("background", "building"), [ClassSurface("building", 0)]),
        (("background", "roof", "boundary"), [ClassSurface("roof", 1, 2, True)]),
        (("Background", "Contact", "Building"), [ClassSurface("Building", 2, 1)]),
        (
            ("background", "road", "building", "boundary"),
            [ClassSurface("road", 1), ClassSurface("building", 2, 3, True)],
        ),
        (
            ("background", "road", "tree", "boundary"),
            [ClassSurface("road", 1), ClassSurface("tree", 2)],
        ),
    ],
)
def test_surfaces_of_classes(classes, found):
    assert surfaces(classes) == found


@pytest.mark.parametrize(
    ("bands", "found"),
    [
        (("background", "building"), [ClassSurface("building", 1)]),
        (("footprint", "boundary"), [ClassSurface("footprint", 0, 1, False, True)]),
        (("Building", "Contact", "distance"), [ClassSurface("Building", 0, 1, False, True)]),
        (("background", "building", "boundary"), [ClassSurface("building", 1, 2, True)]),
        (("distance", "contact"), []),
    ],
)
def test_surfaces_of_bands(bands, found):
    assert surfaces_of_bands(bands) == found


def test_what_is_told_apart_is_not_added_up():
    probability = np.array([[[0.9, 0.9, 0.2]], [[0.1, 0.8, 0.9]]], np.float32)
    scores, boundary_margin = ClassSurface("footprint", 0, 1, False, True).score(probability)
    np.testing.assert_array_equal(scores, probability[0])
    assert boundary_margin.tolist() == [[2 * 25 - 254, 2 * 203 - 254, 2 * 229 - 254]]


def test_a_boundary_belongs_to_its_building_and_a_contact_to_the_ground():
    probability = np.array([[[0.7, 0.2, 0.1]], [[0.2, 0.6, 0.0]]], np.float32)
    scores, boundary_margin = ClassSurface("building", 1, 2, True).score(probability)
    np.testing.assert_allclose(scores, [[0.9, 0.8, 0.1]], rtol=1e-6)
    assert (boundary_margin.dtype, boundary_margin.tolist()) == (
        np.int16,
        [[51 - 178, 152 - 51, -25]],
    )
    scores, boundary_margin = ClassSurface("building", 1, 2).score(probability)
    np.testing.assert_array_equal(scores, probability[0])
    assert boundary_margin[0, 1] > 0


def test_codes_stay_codes():
    """Two bands of uint8, 254 for certain, of which rounding may make 255."""
    coded = np.array([[[127, 200]], [[128, 10]]], np.uint8)
    scores, boundary_margin = ClassSurface("building", 1, 2, True).score(coded)
    assert (scores.dtype, scores.tolist()) == (np.uint8, [[254, 210]])
    assert boundary_margin.tolist() == [[1, -190]]
    alone, none = ClassSurface("building", 0).score(coded[:1])
    assert none is None and alone.tolist() == [[127, 200]]
