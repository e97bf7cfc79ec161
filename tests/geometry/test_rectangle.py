"""The share that a mask fills of the smallest rectangle around it, and how long that is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio.features import rasterize
from shapely import affinity, box

from geoseg.geometry.rectangle import rectangle_around


@given(st.integers(1, 40), st.integers(1, 70), st.sampled_from([(0.3, 0.3), (0.5, 0.2)]))
def test_a_rectangle_of_pixels_fills_itself(height, width, pixel):
    mask = np.zeros((50, 80), bool)
    mask[3 : 3 + height, 5 : 5 + width] = True
    share, elongation = rectangle_around(mask, pixel)
    sides = sorted([height * pixel[1], width * pixel[0]])
    assert share == pytest.approx(1)
    assert elongation == pytest.approx(sides[1] / sides[0])


@given(st.floats(0, 180), st.floats(1, 3))
def test_turned_it_does_but_for_its_jagged_edge(angle, elongation):
    house = affinity.rotate(box(0, 0, 60 * elongation, 60), angle)
    house = affinity.translate(house, *(5 - value for value in house.bounds[:2]))
    mask = rasterize([house], out_shape=(200, 210)).astype(bool)
    share, measured = rectangle_around(mask, (1.0, 1.0))
    assert share > 0.94
    assert measured == pytest.approx(elongation, rel=0.04)


def test_pixels_longer_than_wide_are_measured_on_the_ground():
    """In degrees at 60 north a house of 20 x 20 m, turned by 45 degrees, is a rhombus."""
    rows, cols = np.mgrid[:90, :61]
    mask = np.abs(rows - 40) * 0.25 + np.abs(cols - 30) * 0.5 <= 10
    share, elongation = rectangle_around(mask, (0.5, 0.25))
    assert share > 0.9
    assert elongation == pytest.approx(1, rel=0.02)


def test_an_l_fills_less():
    mask = np.zeros((40, 50), bool)
    mask[5:35, 8:44] = True
    mask[5:20, 8:26] = False
    assert rectangle_around(mask, (0.3, 0.3)).share == pytest.approx(0.75)
