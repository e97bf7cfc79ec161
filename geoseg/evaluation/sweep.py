"""Scores at every threshold, from one histogram of probabilities.

There are as many thresholds as steps between the codes of a probability raster, 0 to 254: each lies
halfway between two codes, so that rounding cannot move a pixel across. Probabilities in floats are
sorted into the same bins.
"""

from __future__ import annotations

import numpy as np

from geoseg.core.encoding import PROBABILITY_STEPS
from geoseg.evaluation.metrics import ratios

PROBABILITY_CODES = PROBABILITY_STEPS + 1
THRESHOLDS = (np.arange(1, PROBABILITY_CODES) - 0.5) / (PROBABILITY_CODES - 1)


def histogram(probability: np.ndarray, truth: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Valid pixels by truth and probability: int64 (2, 255) of float (row, col), bool and bool.
    Those of blocks add up.
    """
    # codes as they are written: 0.5 is 127
    code = np.floor(
        probability[valid] * np.float32(PROBABILITY_CODES - 1) + np.float32(0.5)
    ).astype(np.int64)
    bins = np.clip(code, 0, PROBABILITY_CODES - 1) + PROBABILITY_CODES * truth[valid]
    return np.bincount(bins, minlength=2 * PROBABILITY_CODES).reshape(2, PROBABILITY_CODES)


def counts_at(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """tp, fp and fn at each of ``THRESHOLDS``, int64 (254,), of a :func:`histogram`."""
    # above[k]: pixels of codes k and higher, which are those above the threshold before k
    above = pixels[:, ::-1].cumsum(axis=1)[:, ::-1]
    fp, tp = above[:, 1:]
    return tp, fp, above[1, 0] - tp


def curves(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """``precision``, ``recall``, ``f1`` and ``iou`` at each of ``THRESHOLDS``: float64 (254,)."""
    return ratios(*counts_at(pixels))


def average_precision(precision: np.ndarray, recall: np.ndarray) -> float:
    """Precision at each threshold, weighted by the recall gained from the next higher one; both
    ascend with the threshold.
    """
    return float((precision * (recall - np.append(recall[1:], 0))).sum())
