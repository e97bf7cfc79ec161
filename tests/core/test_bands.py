import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geoseg.core import bands
from geoseg.core.bands import BandSampler, percentile_stretch, to_uint8, to_unit
from geoseg.errors import UnsuitableError
from geoseg.specs import Stretch

percents = (
    st.tuples(st.integers(0, 1000), st.integers(0, 1000)).filter(lambda p: p[0] < p[1]).map(lambda p: (p[0] / 10, p[1] / 10))
)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int8"])
@given(data=st.data(), low_high=percents)
def test_percentiles_of_integers_are_numpys(dtype, data, low_high):
    image = data.draw(hnp.arrays(dtype, (2, 7, 11)))
    valid = data.draw(hnp.arrays(bool, (7, 11)))
    valid[4, 9] = True
    sampler = BandSampler(2, dtype)
    sampler.add(image[:, :3], valid[:3])
    sampler.add(image[:, 3:], valid[3:])
    stretch = sampler.percentiles(*low_high)
    low, high = np.percentile(image[:, valid], low_high, axis=1, method="inverted_cdf").astype(float)
    assert stretch.low == tuple(low)
    assert stretch.high == tuple(np.where(high > low, high, low + 1))


def test_percentiles_of_floats_with_nan_are_numpys():
    image = np.random.default_rng(3).normal(120, 40, (3, 90, 140)).astype("float32")
    image[:, 5:30, 60:] = np.nan
    image[1, 70, 8:20] = np.inf
    valid = np.isfinite(image).all(axis=0)
    stretch = percentile_stretch([(image[:, :40], valid[:40]), (image[:, 40:], valid[40:])], 2, 98)
    low, high = np.percentile(image[:, valid].astype(float), [2, 98], axis=1)
    np.testing.assert_allclose((stretch.low, stretch.high), (low, high), rtol=1e-6)


def test_a_large_scene_of_floats_is_sampled_in_bounded_memory(monkeypatch):
    monkeypatch.setattr(bands, "_SAMPLE", 5000)
    rng = np.random.default_rng(8)
    sampler = BandSampler(2, "float32")
    # columns differ, so a sample that always met the same ones would be off; the last rows hold other values
    columns = np.linspace(0, 1, 256, dtype="float32")
    for row in range(60):
        image = np.stack([columns + rng.normal(0, 0.01, (16, 256)), np.full((16, 256), row)]).astype("float32")
        sampler.add(image, np.ones((16, 256), bool))
        assert sum(sample.shape[1] for sample in sampler._samples) <= 5000
    stretch = sampler.percentiles(10, 90)
    np.testing.assert_allclose((stretch.low, stretch.high), [(0.1, 6), (0.9, 53)], rtol=0.03, atol=1.01)
    np.testing.assert_allclose((stretch.low[0], stretch.high[0]), (0.1, 0.9), atol=0.02)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_nothing_valid(dtype):
    sampler = BandSampler(2, dtype)
    sampler.add(np.zeros((2, 7, 11), dtype), np.zeros((7, 11), bool))
    with pytest.raises(UnsuitableError, match="no valid pixel"):
        sampler.percentiles(2, 98)
    with pytest.raises(UnsuitableError, match="no valid pixel"):
        percentile_stretch([], 2, 98)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int16", "int32", "float32"])
@given(data=st.data())
def test_to_unit_lies_between_0_and_1(dtype, data):
    elements = {"elements": st.floats(-(2.0**99), 2.0**99, width=32)} if dtype == "float32" else {}
    image = data.draw(hnp.arrays(dtype, (2, 5, 7), **elements))
    for stretch in (None, Stretch((3, 100), (200, 101))):
        unit = to_unit(image, stretch)
        assert unit.dtype == np.float32 and unit.shape == image.shape
        assert unit.min() >= 0 and unit.max() <= 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int8"])
def test_to_unit_reaches_both_ends(dtype):
    ends = np.array([[[0, np.iinfo(dtype).max, np.iinfo(dtype).min]]], dtype)
    assert to_unit(ends).tolist() == [[[0, 1, 0]]]


def test_to_unit_is_linear_between_the_ends_of_each_band():
    image = np.array([[[100, 150, 300, 50]], [[1000, 1100, 900, 1050]]], "uint16")
    np.testing.assert_allclose(to_unit(image, Stretch((100, 1000), (200, 1100))), [[[0, 0.5, 1, 0]], [[0, 1, 0, 0.5]]])
    np.testing.assert_allclose(to_unit(np.array([[[51, 102]]], "uint8")), [[[0.2, 0.4]]], rtol=1e-6)
    assert to_uint8(image, Stretch((100, 1000), (200, 1100))).tolist() == [[[0, 128, 255, 0]], [[0, 255, 0, 128]]]


def test_a_constant_band_of_large_values_stays_finite():
    image = np.full((1, 5, 7), 3e9, "float32")
    stretch = percentile_stretch([(image, np.ones((5, 7), bool))], 2, 98)
    assert to_unit(image, stretch).tolist() == np.zeros((1, 5, 7)).tolist()
