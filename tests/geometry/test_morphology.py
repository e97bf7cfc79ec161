"""Morphology in strips equals morphology of the whole, and both equal scikit-image's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.morphology import closing, dilation, disk, opening

from geoseg.geometry.morphology import MaskStrip, beside_missing, clean, cleaned, dilate


def blobs(height=90, width=61, seed=4, share=0.5):
    noise = np.random.default_rng(seed).random((height, width))
    return dilate(noise > 0.985, 3) ^ (noise < share * 0.04)


@pytest.mark.parametrize("radius", [1, 2, 3, 5, 8])
def test_dilate_is_scikit_image_s(radius):
    mask = blobs(40, 61)
    np.testing.assert_array_equal(dilate(mask, radius), dilation(mask, disk(radius)))


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (3, 4)])
def test_disks_larger_than_the_mask(shape):
    mask = np.zeros(shape, bool)
    mask[-1, 0] = True
    np.testing.assert_array_equal(dilate(mask, 6), dilation(mask, disk(6)))


@pytest.mark.parametrize(("open_radius", "close_radius"), [(1, 0), (2, 0), (0, 2), (0, 3), (2, 3)])
def test_clean_is_scikit_image_s(open_radius, close_radius):
    mask = blobs()
    expected = mask
    if open_radius:
        expected = opening(expected, disk(open_radius), mode="ignore")
    if close_radius:
        expected = closing(expected, disk(close_radius), mode="ignore")
    assert (expected != mask).sum() > 20
    np.testing.assert_array_equal(
        clean(mask, np.ones_like(mask), open_radius, close_radius), expected
    )


def test_missing_data_is_on_neither_side():
    """A wall along missing data is not eroded from there, and closing does not grow into it."""
    mask, valid = np.zeros((12, 17), bool), np.ones((12, 17), bool)
    valid[:, 9:] = False
    mask[3:9, 5:9] = True
    cut = clean(mask[:, :9], valid[:, :9], 2, 3)
    found = clean(mask, valid, 2, 3)
    np.testing.assert_array_equal(found[:, :9], cut)
    assert not found[:, 9:].any()


def test_beside_missing():
    mask, valid = np.ones((4, 6), bool), np.ones((4, 6), bool)
    mask[0] = False
    valid[1, 2] = False
    assert np.argwhere(beside_missing(mask & valid, valid)).tolist() == [[1, 1], [1, 3], [2, 2]]


@st.composite
def cut_masks(draw):
    shape = draw(st.tuples(st.integers(1, 30), st.integers(1, 9)))
    mask, valid = (
        draw(arrays(bool, shape, elements=st.booleans(), fill=st.just(True))) for _ in range(2)
    )
    cuts = sorted(draw(st.lists(st.integers(0, shape[0]), max_size=8)))
    return (
        mask & valid,
        valid,
        [0, *cuts, shape[0]],
        draw(st.floats(0, 3.2)),
        draw(st.floats(0, 3.2)),
    )


@settings(max_examples=150, deadline=None)
@given(cut_masks())
def test_strips_are_cleaned_as_the_whole(case):
    mask, valid, rows, open_radius, close_radius = case
    scores = np.arange(mask.size).reshape(mask.shape)
    strips = [MaskStrip(mask[a:b], valid[a:b], scores[a:b]) for a, b in itertools.pairwise(rows)]
    found = list(cleaned(strips, open_radius, close_radius))
    whole = clean(mask, valid, open_radius, close_radius)
    for name, expected in (("mask", whole), ("valid", valid), ("scores", scores)):
        np.testing.assert_array_equal(
            np.concatenate([getattr(strip, name) for strip in found]), expected
        )
    edges = [
        np.zeros_like(strip.mask) if strip.touches_nodata is None else strip.touches_nodata
        for strip in found
    ]
    np.testing.assert_array_equal(np.concatenate(edges), beside_missing(whole, valid))
