"""Touching buildings are parted, wings are not, and the strips a mask comes in leave no trace."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.separate import TALLEST, separated
from geoseg.geometry.watershed import neck_lines

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


def test_the_border_of_the_scene_is_no_wall():
    """Half of a house at the border is as wide as the whole one."""
    mask = np.zeros((80, 50), bool)
    mask[:20, 4:44] = True  # 6 m of a house that goes on above the scene
    mask[20:28, 16:32] = True
    mask[28:64, 4:44] = True
    assert count(parted(mask)) == 2
    np.testing.assert_array_equal(parted(np.ones((30, 70), bool)), np.ones((30, 70), bool))


def test_what_belongs_to_a_strip_stays_with_it():
    mask = town(2, (70, 130))
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
        np.testing.assert_array_equal(alone & ~neck_lines(alone, PIXEL), alone & out)


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
