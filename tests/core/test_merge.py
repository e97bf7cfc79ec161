import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from geoseg.core.merge import BLENDS, Merger, taper

DTYPES = ["uint8", "int16", "uint16", "int32", "float32", "float64"]


def lay(blend, dtype="uint8", weights=None):
    """Two chips of one value each that share columns 4 and 5, the first not valid at (1, 4)."""
    overlay = Merger((1, 3, 10), dtype, blend)
    valid = np.ones((3, 6), bool)
    valid[1, 4] = False
    overlay.add(0, 0, np.full((1, 3, 6), 10, dtype), valid, weights)
    overlay.add(
        0,
        4,
        np.full((1, 3, 4), 21, dtype),
        np.ones((3, 4), bool),
        None if weights is None else weights[:, :4],
    )
    return overlay.result(fill=255)


@pytest.mark.parametrize(
    ("blend", "shared"), [("first", 10), ("last", 21), ("max", 21), ("mean", 16), ("hann", 16)]
)
def test_what_counts_where_chips_overlap(blend, shared):
    image, valid = lay(blend)
    assert image.dtype == np.uint8
    assert (
        (image[0, :, :4] == 10).all()
        and (image[0, :, 6:8] == 21).all()
        and (image[0, :, 8:] == 255).all()
    )
    assert image[0, 0, 4] == image[0, 2, 5] == shared and image[0, 1, 4] == 21
    np.testing.assert_array_equal(valid, np.broadcast_to(np.arange(10) < 8, (3, 10)))


def test_weights():
    weights = np.ones((3, 6))
    weights[:, 4:] = 0.1
    assert lay("mean", "float32", weights)[0][0, 0, 5] == pytest.approx((10 * 0.1 + 21) / 1.1)
    assert (taper(9) > 0).all() and taper(9).argmax() == 4 and (np.diff(taper(9)[:5]) > 0).all()
    np.testing.assert_array_equal(taper(1), [1])


def test_max_is_of_each_band_and_of_negative_values():
    overlay = Merger((2, 1, 3), "int16", "max")
    overlay.add(0, 0, np.array([[[-5, -5, -5]], [[-9, -9, -9]]], np.int16), np.ones((1, 3), bool))
    overlay.add(0, 1, np.array([[[-7]], [[-8]]], np.int16), np.ones((1, 1), bool))
    assert overlay.result()[0].tolist() == [[[-5, -5, -5]], [[-9, -8, -9]]]


def test_an_unknown_blend():
    with pytest.raises(ValueError, match="unknown blend 'median'"):
        Merger((1, 2, 3), "uint8", "median")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(BLENDS), st.sampled_from(DTYPES), st.integers(0, 2**32 - 1))
def test_chips_that_agree_come_out_unchanged(blend, dtype, seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 40, 2)
    assume(height != width)
    if dtype.startswith("float"):
        scene = rng.normal(0, 1e4, (2, height, width)).astype(dtype)
    else:
        scene = rng.integers(
            np.iinfo(dtype).min, np.iinfo(dtype).max, (2, height, width), dtype, endpoint=True
        )
    data = rng.random((height, width)) < 0.8
    overlay, covered = Merger(scene.shape, dtype, blend), np.zeros((height, width), bool)
    for _ in range(6):
        row, col = rng.integers(0, height), rng.integers(0, width)
        part = slice(row, rng.integers(row, height) + 1), slice(col, rng.integers(col, width) + 1)
        chip = scene[:, *part]
        weight = np.outer(taper(chip.shape[1]), taper(chip.shape[2])) if blend == "hann" else None
        overlay.add(row, col, chip, data[part], weight)
        covered[part] |= data[part]
    image, valid = overlay.result(fill=3)
    np.testing.assert_array_equal(valid, covered)
    np.testing.assert_array_equal(image, np.where(covered, scene, 3))
