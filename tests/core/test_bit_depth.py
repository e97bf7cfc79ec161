from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.core.bands import BandHistogram
from geoseg.core.bit_depth import full_scale

SHAPE = (3, 60, 81)


def photo(seed: int = 3) -> np.ndarray:
    """uint8 of a photo's spread: from dark shadows to white, about 90 in the middle."""
    values = np.random.default_rng(seed).normal(95, 45, SHAPE).clip(1, 254).astype("uint8")
    values[:, 0, 0] = 250
    return values


def full(image: np.ndarray, bits: int | None = None) -> float | None:
    histogram = BandHistogram(len(image), str(image.dtype))
    histogram.add(image, np.ones(image.shape[1:], bool))
    values = histogram.values()
    return values and full_scale(values, bits)


@pytest.mark.parametrize(
    ("held", "white"),
    [
        (lambda p: p.astype("uint16"), 255),
        (lambda p: p.astype("int16"), 255),
        (lambda p: p.astype("float32"), 255),
        (lambda p: p.astype("float32") / 255, 1),
        (lambda p: p.astype("float64") / 255, 1),
        (lambda p: p.clip(0, 180).astype("float32") / np.float32(255), 1),
        (lambda p: p.astype("uint16") * 257, 65535),
        (lambda p: p.astype("uint32") * 257, 65535),
        (lambda p: p.astype("uint16") * 8, 2040),
        (lambda p: p.astype("uint16") * 16, 4080),
        (lambda p: p.astype("int16") * 128, 32640),
        (lambda p: np.rint(p * (2047 / 255)).astype("uint16"), 2047),
        (lambda p: np.rint(p * (4095 / 255)).astype("uint16"), 4095),
        (lambda p: (p * (4095 / 255)).astype("uint16"), 4095),
        (lambda p: np.rint(p * (65535 / 255)).astype("float32"), 65535),
    ],
)
def test_an_8_bit_picture_in_another_type(held, white: float) -> None:
    assert full(held(photo())) == pytest.approx(white)


@given(st.integers(2, 257), st.integers(0, 2**31))
def test_any_multiple_of_a_picture_is_known(step: int, seed: int) -> None:
    image = photo(seed)
    found = full(image.astype("uint16") * step)
    assert found == 255 * step
    np.testing.assert_allclose(image.astype(float) * step / found, image / 255)


def test_bits_and_range_tell_what_more_shades_than_256_do_not() -> None:
    random = np.random.default_rng(2)
    deep = random.normal(1500, 600, SHAPE).clip(0, 4095).astype("uint16")
    deep[:, 0, 0] = 4090
    assert full(deep) == 4095 and full(deep, bits=12) == 4095


@pytest.mark.parametrize(
    "counts",
    [
        np.random.default_rng(1).gamma(4, 80, SHAPE).clip(0, 2047),  # raw counts of 11 bits
        np.random.default_rng(1).gamma(4, 300, SHAPE).clip(0, 20_000),  # reflectance by 10,000
        np.random.default_rng(1).normal(95, 45, SHAPE) - 60,
    ],
)
def test_what_is_no_picture_is_left_to_percentiles(counts: np.ndarray) -> None:
    assert full(counts.astype("int32")) is None


def test_reflectance_is_no_picture() -> None:
    assert full(np.random.default_rng(1).gamma(4, 0.03, SHAPE).clip(0, 1).astype("float32")) is None
    assert full(np.zeros(SHAPE, "uint16")) is None
    assert full(np.zeros(SHAPE, "float32")) is None
