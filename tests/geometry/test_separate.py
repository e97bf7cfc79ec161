"""Touching buildings are parted, wings are not, and the strips a mask comes in leave no trace."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.separate import TALLEST, dividing, separated

PIXEL = (0.3, 0.3)


def rows(height, *arrays):
    return [
        MaskStrip(*(a[top : top + height] for a in arrays))
        for top in range(0, len(arrays[0]), height)
    ]


def parted(mask, height=None, pixel=PIXEL, connectivity=4, tallest=TALLEST):
    strips = rows(height or len(mask), mask, np.ones_like(mask))
    found = separated(strips, pixel, connectivity, tallest)
    return np.concatenate([strip.mask for strip in found])


def count(mask, connectivity=4):
    return ndimage.label(mask, np.ones((3, 3)) if connectivity == 8 else None)[1]


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


def test_the_border_of_the_scene_is_no_wall():
    """Half of a house at the border is as wide as the whole one."""
    mask = np.zeros((80, 50), bool)
    mask[:20, 4:44] = True  # 6 m of a house that goes on above the scene
    mask[20:28, 16:32] = True
    mask[28:64, 4:44] = True
    assert count(parted(mask)) == 2
    np.testing.assert_array_equal(parted(np.ones((30, 70), bool)), np.ones((30, 70), bool))


def test_what_belongs_to_a_strip_stays_with_it():
    mask = two_houses()
    scores = np.arange(mask.size, dtype=np.float32).reshape(mask.shape)
    beside = scores % 7 == 0
    strips = [
        strip._replace(touches_nodata=b)
        for strip, b in zip(
            rows(11, mask, mask, scores), np.split(beside, range(11, 70, 11)), strict=True
        )
    ]
    strips.insert(3, MaskStrip(*np.zeros((2, 0, 130), bool)))
    found = list(separated(strips, PIXEL))
    assert [len(strip.mask) for strip in found] == [11] * 6 + [4]
    np.testing.assert_array_equal(np.concatenate([strip.scores for strip in found]), scores)
    np.testing.assert_array_equal(np.concatenate([strip.touches_nodata for strip in found]), beside)
    assert list(separated([], PIXEL)) == []


def town(seed, shape=(230, 170)):
    """Blobs, most of them grown together."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 5)
    return field > 0.1 * field.std()


@settings(max_examples=25)
@given(
    st.integers(0, 10**6),
    st.integers(1, 120),
    st.sampled_from([4, 8]),
    st.sampled_from([20, 60, 2048]),
)
def test_strips_of_any_height_give_the_same(seed, height, connectivity, tallest):
    mask = town(seed)
    limits = {"connectivity": connectivity, "tallest": tallest}
    whole = parted(mask, **limits)
    np.testing.assert_array_equal(parted(mask, height, **limits), whole)
    assert not (whole & ~mask).any()
    assert count(whole, connectivity) >= count(mask, connectivity)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_blobs_that_grew_together_are_parted(connectivity):
    mask, margin = ridges(3)
    whole = parted(mask, connectivity=connectivity)
    assert count(whole, connectivity) > count(mask, connectivity)
    whole = parted_along(mask, margin, len(mask), connectivity)
    assert count(whole, connectivity) > count(mask, connectivity)


def test_each_component_is_parted_by_itself():
    """Alone, with the others gone, a component is cut at the same pixels."""
    mask = town(5)
    out = parted(mask)
    labels, number = ndimage.label(mask)
    for label in range(1, number + 1):
        alone = labels == label
        np.testing.assert_array_equal(alone & ~dividing(alone, PIXEL), alone & out)


def test_what_is_too_tall_is_left_and_holds_nothing():
    mask = np.zeros((200, 90), bool)
    mask[:, 40:44] = True  # a wall through the whole scene
    mask[20:60, 4:40] = mask[70:110, 44:80] = True
    held = []

    def strips():
        for i, strip in enumerate(rows(10, mask, mask)):
            held.append(i)
            yield strip

    lag = [len(held) - i for i, _ in enumerate(separated(strips(), PIXEL, 4, 40))]
    assert max(lag) <= 6
    np.testing.assert_array_equal(parted(mask, 10, tallest=40), mask)


def ridges(seed, shape=(230, 170)):
    """A town of blobs whose inside is known, and how much likelier each pixel is a boundary."""
    mask = town(seed, shape)
    inside = ndimage.distance_transform_edt(mask) + ndimage.gaussian_filter(
        np.random.default_rng(seed).standard_normal(shape), 2
    )
    return mask, (3 - inside).astype(np.float32) / 10


def parted_along(mask, boundary_margin, height, connectivity=4, tallest=TALLEST):
    strips = [
        MaskStrip(
            mask[top : top + height],
            mask[top : top + height],
            boundary_margin=boundary_margin[top : top + height],
        )
        for top in range(0, len(mask), height)
    ]
    found = list(separated(strips, PIXEL, connectivity, tallest))
    assert all(strip.boundary_margin is None for strip in found)
    return np.concatenate([strip.mask for strip in found])


def test_houses_with_one_wall_are_parted_along_their_boundary():
    """Terraced houses are one block: no neck to see, only the boundary tells."""
    mask, boundary_margin = np.zeros((50, 130), bool), np.full((50, 130), 0.5, np.float32)
    mask[8:40, 5:125] = True
    for left in range(5, 125, 30):
        boundary_margin[10:38, left + 2 : left + 28] = -0.8
    np.testing.assert_array_equal(parted(mask), mask)
    out = parted_along(mask, boundary_margin, 50)
    labels, houses = ndimage.label(out)
    assert houses == 4
    np.testing.assert_allclose(np.bincount(labels.ravel())[1:], mask.sum() / 4, rtol=0.05)
    assert (mask & ~out).sum() <= 3 * 32


def test_what_is_as_small_as_one_house_is_one():
    """A boundary through 95 m2 is a ridge, through 145 m2 a wall between two houses."""
    for width, houses in ((33, 1), (50, 2)):
        mask, boundary_margin = np.zeros((50, 60), bool), np.full((50, 60), 0.5, np.float32)
        mask[8:40, 4 : 4 + width] = True
        for left in (4, 4 + width // 2):
            boundary_margin[10:38, left + 2 : left + width // 2 - 2] = -0.8
        assert count(parted_along(mask, boundary_margin, 50)) == houses


def test_a_part_far_smaller_than_the_houses_beside_it_joins_one():
    mask, boundary_margin = np.zeros((50, 130), bool), np.full((50, 130), 0.5, np.float32)
    mask[8:40, 5:125] = True
    for left, right in ((5, 42), (42, 50), (50, 88), (88, 125)):
        boundary_margin[10:38, left + 2 : right - 2] = -0.8
    boundary_margin[:, 48:52] += 0.2
    labels, houses = ndimage.label(parted_along(mask, boundary_margin, 50))
    assert houses == 3 and labels[20, 10] == labels[20, 46]


def test_what_is_small_inside_its_boundary_is_no_house():
    mask, boundary_margin = np.zeros((50, 60), bool), np.full((50, 60), 0.5, np.float32)
    mask[8:40, 5:55] = True
    boundary_margin[10:38, 8:40] = -0.8
    boundary_margin[15:18, 45:48] = -0.8
    np.testing.assert_array_equal(parted_along(mask, boundary_margin, 50), mask)


@settings(max_examples=25)
@given(
    st.integers(0, 10**6),
    st.integers(1, 120),
    st.sampled_from([4, 8]),
    st.sampled_from([20, 60, 2048]),
)
def test_strips_of_any_height_are_parted_the_same_along_boundaries(
    seed, height, connectivity, tallest
):
    mask, boundary_margin = ridges(seed)
    whole = parted_along(mask, boundary_margin, len(mask), connectivity, tallest)
    np.testing.assert_array_equal(
        parted_along(mask, boundary_margin, height, connectivity, tallest), whole
    )
    assert not (whole & ~mask).any()
    assert count(whole, connectivity) >= count(mask, connectivity)
