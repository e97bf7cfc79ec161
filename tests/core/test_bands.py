import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geoseg.core.bands import (
    BandHistogram,
    check_same_bands,
    for_display,
    percentile_stretch,
    to_keys,
    to_uint8,
    to_unit,
)
from geoseg.errors import UnsuitableError
from geoseg.specs import Stretch

percents = (
    st.tuples(st.integers(0, 1000), st.integers(0, 1000))
    .filter(lambda p: p[0] < p[1])
    .map(lambda p: (p[0] / 10, p[1] / 10))
)
KINDS = [
    "uint8",
    "uint16",
    "uint32",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
]


def numpys(values, low_high):
    """(low, high) of each band by numpy, and a step up where there is no range."""
    low, high = np.percentile(values, low_high, axis=-1, method="inverted_cdf").astype(float)
    return low, np.where(high > low, high, low + np.maximum(1, abs(low) * 1e-6))


@pytest.mark.parametrize("dtype", KINDS)
@given(data=st.data(), low_high=percents)
def test_percentiles_are_numpys(dtype, data, low_high):
    """Of any values, in windows of any order: signs, constant bands and outliers too."""
    image = data.draw(hnp.arrays(dtype, (2, 7, 11), elements=plain(dtype)))
    valid = data.draw(hnp.arrays(bool, (7, 11)))
    image[1, 4, 9], valid[4, 9] = 1, True
    histogram, other = BandHistogram(2, dtype), BandHistogram(2, dtype)
    for rows in data.draw(st.permutations([slice(0, 3), slice(3, 4), slice(4, 7)])):
        data.draw(st.sampled_from([histogram, other])).add(image[:, rows], valid[rows])
    histogram.merge(other)
    stretch = histogram.percentiles(*low_high)
    data = valid & (image.any(axis=0) | (np.dtype(dtype).kind != "u"))
    low, high = numpys(image[:, data], low_high)
    assert (stretch.low, stretch.high) == (tuple(low), tuple(high))


def plain(dtype):
    width = {"float16": 16, "float32": 32, "float64": 64}.get(dtype)
    if not width:
        return None
    return st.floats(-6e4, 6e4, width=width) | st.sampled_from(
        [0.0, -0.0, 6e4, -6e4] + [1e30, -1e30] * (width > 16)
    )


@given(
    st.integers(0, 2**32 - 1), st.sampled_from(["float32", "float64", "int32", "uint32"]), percents
)
def test_percentiles_of_more_values_than_bins_are_off_by_a_bin_at_most(seed, dtype, low_high):
    rng = np.random.default_rng(seed)
    image = (
        (
            rng.normal(size=(2, 50, 70)) * 10.0 ** rng.uniform(2, 8, (2, 1, 1))
            + 10.0 ** rng.uniform(0, 8)
        )
        .clip(0)
        .astype(dtype)
    )
    valid = rng.random((50, 70)) < 0.9
    orders = []
    for rows in (range(0, 50, 5), range(45, -1, -5)):
        histogram, other = (BandHistogram(2, dtype, bins=200) for _ in range(2))
        for row in rows:
            (histogram if row < 35 else other).add(image[:, row : row + 5], valid[row : row + 5])
        histogram.merge(other)
        assert all(counts.held <= 2 * (800 + 350) for counts in histogram.counts)
        orders.append(histogram.percentiles(*low_high))
    assert orders[0] == orders[1]
    data = valid & (image.any(axis=0) | (dtype != "uint32"))
    exact = np.percentile(image[:, data], low_high, axis=1, method="inverted_cdf").astype(dtype)
    for counts, wanted in zip(histogram.counts, to_keys(exact).T, strict=True):
        off = wanted - counts.at(low_high)
        assert (off < 2**counts.shift).all()  # unsigned: above it, were it below 0


def test_what_is_not_finite_does_not_count():
    image = np.random.default_rng(3).normal(120, 40, (3, 90, 140)).astype("float32")
    image[:, 5:30, 60:] = np.nan
    image[1, 70, 8:20] = np.inf
    image[2, 71, 8:20] = -np.inf
    stretch = percentile_stretch(
        [(image[:, :40], np.ones((40, 140), bool)), (image[:, 40:], np.ones((50, 140), bool))],
        2,
        98,
    )
    for band in range(3):
        low, high = numpys(image[band][np.isfinite(image[band])], (2, 98))
        assert (stretch.low[band], stretch.high[band]) == (low, high)


def test_black_margins_do_not_count():
    image = np.random.default_rng(2).integers(300, 900, (2, 40, 70)).astype("uint16")
    image[0, :, 30:50] = 0  # one band alone may well be 0
    expected = percentile_stretch([(image, np.ones((40, 70), bool))], 5, 90)
    margin = np.zeros((2, 40, 200), "uint16")
    both = np.concatenate([image, margin], axis=2)
    assert percentile_stretch([(both, np.ones((40, 270), bool))], 5, 90) == expected
    assert percentile_stretch([(margin, np.ones((40, 200), bool))], 5, 90) == Stretch(
        (0, 0), (1, 1)
    )


def test_a_few_outliers_do_not_coarsen_the_bins():
    """Bins lie where the values are: a surface model of half a million heights with undeclared fill
    values of 1e30.
    """
    heights = np.random.default_rng(1).normal(523, 4, (1, 600, 900)).astype("float32")
    heights[0, ::100, 7] = 1e30
    heights[0, 3, ::100] = -1e30
    stretch = percentile_stretch(
        [(heights[:, i : i + 50], np.ones((50, 900), bool)) for i in range(0, 600, 50)], 2, 98
    )
    low, high = numpys(heights.reshape(1, -1), (2, 98))
    np.testing.assert_allclose([stretch.low, stretch.high], [low, high], atol=0.001)
    assert to_unit(heights, stretch)[0, 200, 7] == 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_nothing_valid(dtype):
    histogram = BandHistogram(2, dtype)
    histogram.add(np.zeros((2, 7, 11), dtype), np.zeros((7, 11), bool))
    assert histogram.percentiles(2, 98) is None
    assert percentile_stretch([], 2, 98) is None


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
    np.testing.assert_allclose(
        to_unit(image, Stretch((100, 1000), (200, 1100))), [[[0, 0.5, 1, 0]], [[0, 1, 0, 0.5]]]
    )
    np.testing.assert_allclose(to_unit(np.array([[[51, 102]]], "uint8")), [[[0.2, 0.4]]], rtol=1e-6)
    assert to_uint8(image, Stretch((100, 1000), (200, 1100))).tolist() == [
        [[0, 128, 255, 0]],
        [[0, 255, 0, 128]],
    ]


def test_a_constant_band_of_large_values_stays_finite():
    image = np.full((1, 5, 7), 3e9, "float32")
    stretch = percentile_stretch([(image, np.ones((5, 7), bool))], 2, 98)
    assert to_unit(image, stretch).tolist() == np.zeros((1, 5, 7)).tolist()


@pytest.mark.parametrize("value", [0, -7, 30_000, 3e9, 1e30, -1e30])
def test_a_constant_band_becomes_0(value):
    image = np.full((1, 5, 7), value, "float64")
    stretch = percentile_stretch([(image, np.ones((5, 7), bool))], 2, 98)
    assert to_unit(image, stretch).tolist() == np.zeros((1, 5, 7)).tolist()


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "float64"])
def test_a_narrow_range_far_from_0_keeps_its_values_apart(dtype):
    image = (2_000_000_000 + np.arange(200)).reshape(1, 10, 20).astype(dtype)
    unit = to_unit(image, Stretch((2_000_000_000,), (2_000_000_199,)))
    np.testing.assert_allclose(unit, np.linspace(0, 1, 200).reshape(1, 10, 20), atol=1e-6)


def test_for_display_leaves_eight_bits_and_stretches_the_rest():
    eight = np.arange(24, dtype=np.uint8).reshape(1, 4, 6)
    valid = np.ones((4, 6), bool)
    assert for_display(eight, valid) is eight
    plain = for_display(eight.astype(np.uint16) * 2849, valid, "none")
    assert plain.max() == round(23 * 2849 / 65535 * 255)
    shown = for_display(eight.astype(np.uint16) * 100 + 50, valid, "percentile:0,100")
    assert shown.dtype == np.uint8 and (shown.min(), shown.max()) == (0, 255)
    # the values that are not valid have no say
    wild = eight.astype(np.float32)
    wild[0, 0, 0] = 1e9
    valid[0, 0] = False
    assert np.ptp(for_display(wild, valid)[0][valid].astype(int)) == 255


def test_files_of_other_bands_are_refused_by_name():
    check_same_bands([("a.tif", 3, "uint8"), ("b.tif", 3, "uint8")])
    for count, dtype in ((4, "uint8"), (3, "uint16")):
        with pytest.raises(UnsuitableError) as error:
            check_same_bands([("a.tif", 3, "uint8"), ("b.tif", count, dtype)], "choose")
        assert str(error.value).startswith(f"b.tif: has {count} bands of {dtype}, a.tif 3 of uint8")
        assert "choose" in str(error.value)
