import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.core.resize import StripResizer

sides = st.integers(1, 40)


def resized(image, target, cuts, rows=256):
    """``image`` (channel, row, col) through a StripResizer, cut before the rows ``cuts``."""
    resizer = StripResizer(image.shape[1:], target, rows)
    out, expected = [], 0
    for strip in np.split(image, sorted(cuts), axis=1):
        for row, part in resizer.push(strip):
            assert row == expected and part.dtype == np.float32 and part.shape[1] <= rows
            expected += part.shape[1]
            out.append(part)
    assert expected == target[0]
    return np.concatenate(out, axis=1)


@given(sides, sides, sides, sides, st.lists(st.integers(1, 39), max_size=6), st.integers(1, 9))
def test_cutting_makes_no_difference(height, width, rows, cols, cuts, most):
    image = np.random.default_rng(height).random((2, height, width), np.float32)
    whole = resized(image, (rows, cols), [])
    np.testing.assert_array_equal(
        resized(image, (rows, cols), [c for c in set(cuts) if c < height], most), whole
    )


@settings(max_examples=30)
@given(sides, sides, sides, sides)
def test_it_is_torchs_bilinear(height, width, rows, cols):
    torch = pytest.importorskip("torch")
    image = np.random.default_rng(width).random((2, height, width), np.float32)
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(image)[None], (rows, cols), mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(
        resized(image, (rows, cols), [height // 2]), theirs[0].numpy(), atol=2e-5
    )


@given(sides, sides, sides, sides, st.floats(0, 1, width=32))
def test_constants_stay(height, width, rows, cols, value):
    image = np.full((1, height, width), value, np.float32)
    np.testing.assert_array_equal(
        resized(image, (rows, cols), range(1, height, 3)),
        np.full((1, rows, cols), value, np.float32),
    )


@given(sides, sides, st.integers(1, 3))
def test_values_stay_between_the_neighbours(height, width, factor):
    image = np.random.default_rng(factor).random((1, height, width), np.float32)
    out = resized(image, (height * factor + 1, width * factor), [])
    assert out.min() >= image.min() - 1e-6 and out.max() <= image.max() + 1e-6


def test_a_ramp_stays_a_ramp():
    ramp = np.broadcast_to(np.arange(12, dtype=np.float32)[:, None], (1, 12, 7))
    out = resized(ramp, (36, 21), [5])
    np.testing.assert_allclose(out[0, 1:-1, 4], (np.arange(36)[1:-1] + 0.5) / 3 - 0.5, atol=1e-5)


def test_integers_do_not_wrap():
    image = np.array([[[200, 100], [0, 50], [250, 10]]], np.uint8)
    np.testing.assert_allclose(
        resized(image, (6, 4), [1]), resized(image.astype(np.float32), (6, 4), [1])
    )


def test_no_more_rows_are_held_than_needed():
    resizer = StripResizer((400, 30), (1000, 75))
    for start in range(0, 400, 50):
        list(resizer.push(np.zeros((1, 50, 30), np.float32)))
        assert resizer.held <= 2, start
