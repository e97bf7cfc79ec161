import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.evaluation.metrics import count
from geoseg.evaluation.sweep import (
    PROBABILITY_CODES,
    THRESHOLDS,
    average_precision,
    counts_at,
    curves,
    histogram,
)


def scene(seed, coded):
    rng = np.random.default_rng(seed)
    truth = rng.random((23, 31)) < 0.3
    code = np.clip(rng.normal(90 + 70 * truth, 60), 0, 254)
    probability = (np.rint(code) if coded else code).astype(np.float32) * np.float32(1 / 254)
    return probability, truth, rng.random(truth.shape) < 0.9


@settings(max_examples=30)
@given(st.integers(0, 99), st.booleans())
def test_every_threshold_as_counted_directly(seed, coded):
    probability, truth, valid = scene(seed, coded)
    tp, fp, fn = counts_at(histogram(probability, truth, valid))
    for k in range(0, len(THRESHOLDS), 7):
        direct = count(probability >= np.float32(THRESHOLDS[k]), truth, valid)
        assert (tp[k], fp[k], fn[k]) == (direct.tp, direct.fp, direct.fn)
        assert curves(histogram(probability, truth, valid))["iou"][k] == direct.iou


def test_histograms_of_blocks_add_up():
    probability, truth, valid = scene(3, True)
    parts = sum(
        histogram(probability[rows], truth[rows], valid[rows])
        for rows in (slice(0, 5), slice(5, None))
    )
    assert (parts == histogram(probability, truth, valid)).all() and parts.sum() == valid.sum()
    assert parts.shape == (2, PROBABILITY_CODES)


def test_average_precision():
    """All buildings above all else: 1. Half of the pixels buildings whatever the probability: about
    a half.
    """
    truth = np.arange(600).reshape(20, 30) % 2 == 0
    everywhere = np.ones_like(truth)
    perfect = curves(histogram(truth.astype(np.float32), truth, everywhere))
    assert average_precision(perfect["precision"], perfect["recall"]) == 1
    rng = np.random.default_rng(1)
    blind = curves(histogram(rng.random(truth.shape, np.float32), truth, everywhere))
    assert average_precision(blind["precision"], blind["recall"]) == pytest.approx(0.5, abs=0.06)
