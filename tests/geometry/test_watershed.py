"""Touching buildings are parted at their necks or along predicted boundaries, wings are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from geoseg.geometry.watershed import boundary_lines, neck_lines

PIXEL = (0.3, 0.3)


def parted(mask, pixel=PIXEL):
    return mask & ~neck_lines(mask, pixel)


def parted_along(mask, boundary_margin, labelled=False):
    return mask & ~boundary_lines(mask, boundary_margin, PIXEL, labelled=labelled)


def count(mask):
    return ndimage.label(mask)[1]


def two_houses(neck=12, shape=(70, 130)):
    """Two houses of 40 x 44 pixels with a bridge of ``neck`` rows."""
    mask = np.zeros(shape, bool)
    mask[12:52, 9:53] = mask[14:54, 60:104] = True
    mask[32 - neck // 2 : 32 + (neck + 1) // 2, 50:62] = True
    return mask


@pytest.mark.parametrize(("neck", "parts"), [(1, 2), (6, 2), (20, 2), (34, 1)])
def test_a_neck_is_cut_where_it_is_narrow(neck, parts):
    mask = two_houses(neck)
    assert count(mask) == 1
    out = parted(mask)
    assert count(out) == parts
    assert (mask & ~out).sum() <= 2 * neck
    assert not (out & ~mask).any()
    assert not (mask & ~out)[:, :50].any()
    assert not (mask & ~out)[:, 63:].any()


def test_houses_in_a_row_and_their_areas():
    """Six houses whose yards leave notches between them."""
    mask = np.zeros((60, 216), bool)
    mask[10:46, 6:210] = True
    for col in range(38, 200, 34):
        mask[10:20, col : col + 3] = mask[36:46, col : col + 3] = False
    labels, houses = ndimage.label(parted(mask))
    assert houses == 6
    np.testing.assert_allclose(np.bincount(labels.ravel())[1:], mask.sum() / 6, rtol=0.07)


def wings(name):
    mask = np.zeros((90, 110), bool)
    if name in "LTU+":
        mask[60:84, 8:100] = True
    if name in "LU":
        mask[6:84, 8:32] = True
    if name == "U":
        mask[20:84, 76:100] = True
    if name in "T+":
        mask[6:84, 40:64] = True
    if name == "+":
        mask[36:60] = mask[60:84]
        mask[60:84, :40] = mask[60:84, 64:] = False
    if name == "courtyard":
        mask[6:84, 8:100] = True
        mask[30:60, 34:76] = False
    return mask


@pytest.mark.parametrize("name", ["L", "T", "U", "courtyard"])
def test_wings_stay_with_their_house(name):
    mask = wings(name)
    np.testing.assert_array_equal(parted(mask), mask)
    turned = ndimage.rotate(mask.astype(float), 27, order=1) > 0.5
    assert count(parted(turned)) == 1


def test_small_things_and_noise_are_no_houses():
    """A porch at a neck, and a porch where a pixel is as wide as a house."""
    mask = two_houses()
    mask[:, 62:] = False
    mask[30:37, 53:60] = True
    np.testing.assert_array_equal(parted(mask), mask)
    assert count(parted(two_houses(12)[::8, ::8], pixel=(2.4, 2.4))) == 1


def test_widths_are_metres_on_the_ground():
    """The same ground with pixels twice as long: the same houses are parted, at the same place."""
    mask = two_houses(12)
    out = parted(mask[:, ::2], pixel=(0.6, 0.3))
    assert count(out) == 2
    assert not (mask[:, ::2] & ~out)[:, :25].any()


def test_houses_with_one_wall_are_parted_along_their_boundary():
    """Terraced houses are one block: no neck to see, only the boundary tells."""
    mask, boundary_margin = np.zeros((50, 130), bool), np.full((50, 130), 0.5, np.float32)
    mask[8:40, 5:125] = True
    for left in range(5, 125, 30):
        boundary_margin[10:38, left + 2 : left + 28] = -0.8
    np.testing.assert_array_equal(parted(mask), mask)
    out = parted_along(mask, boundary_margin)
    labels, houses = ndimage.label(out)
    assert houses == 4
    np.testing.assert_allclose(np.bincount(labels.ravel())[1:], mask.sum() / 4, rtol=0.05)
    assert (mask & ~out).sum() <= 3 * 32


def test_what_is_as_small_as_one_house_is_one():
    """A boundary through 95 m2 is a ridge, through 200 m2, longer than a house, a wall."""
    for width, houses in ((33, 1), (70, 2)):
        mask, boundary_margin = np.zeros((50, 80), bool), np.full((50, 80), 0.5, np.float32)
        mask[8:40, 4 : 4 + width] = True
        for left in (4, 4 + width // 2):
            boundary_margin[10:38, left + 2 : left + width // 2 - 2] = -0.8
        assert count(parted_along(mask, boundary_margin)) == houses
        assert count(parted_along(mask, boundary_margin, labelled=True)) == 2


@pytest.mark.parametrize(
    ("sides", "cut", "houses"),
    [
        ((45, 70), 0, 1),  # 284 m2, a rectangle
        ((45, 70), 25, 2),  # a corner of 25 x 35 pixels is missing: 0.72 of the rectangle
        ((38, 80), 0, 2),  # longer than twice its width
        ((60, 90), 0, 2),  # 486 m2
    ],
)
def test_a_rectangle_of_the_size_of_a_house_is_one(sides, cut, houses):
    mask = np.zeros((70, 100), bool)
    mask[4 : 4 + sides[0], 6 : 6 + sides[1]] = True
    mask[4 : 4 + cut, 6 : 6 + sides[1] // 2] = False
    boundary_margin = np.where(ndimage.distance_transform_edt(mask) > 2, -0.8, 0.5)
    boundary_margin[:, 6 + sides[1] // 2 - 1 : 6 + sides[1] // 2 + 2] = 0.5
    boundary_margin = boundary_margin.astype(np.float32)
    assert count(parted_along(mask, boundary_margin)) == houses
    assert count(parted_along(mask, boundary_margin, labelled=True)) == 2


def test_a_part_far_smaller_than_the_houses_beside_it_joins_one():
    mask, boundary_margin = np.zeros((50, 130), bool), np.full((50, 130), 0.5, np.float32)
    mask[8:40, 5:125] = True
    for left, right in ((5, 42), (42, 50), (50, 88), (88, 125)):
        boundary_margin[10:38, left + 2 : right - 2] = -0.8
    boundary_margin[:, 48:52] += 0.2
    labels, houses = ndimage.label(parted_along(mask, boundary_margin))
    assert houses == 3 and labels[20, 10] == labels[20, 46]
    assert count(parted_along(mask, boundary_margin, labelled=True)) == 4


def test_what_is_small_inside_its_boundary_is_no_house():
    mask, boundary_margin = np.zeros((50, 60), bool), np.full((50, 60), 0.5, np.float32)
    mask[8:40, 5:55] = True
    boundary_margin[10:38, 8:40] = -0.8
    boundary_margin[15:18, 45:48] = -0.8
    np.testing.assert_array_equal(parted_along(mask, boundary_margin), mask)
