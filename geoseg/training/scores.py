"""The scores of a validation, from counts that add up over batches and processes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torchmetrics.classification import BinaryPrecisionRecallCurve

from geoseg.core.encoding import VOID
from geoseg.evaluation.metrics import Counts, class_counts, class_means, mean_iou, pixel_accuracy

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
RATIOS = ("iou", "f1", "precision", "recall")


class ThresholdCounts(BinaryPrecisionRecallCurve):
    """Confusion matrices int64 (threshold, true class, predicted class) of two classes at
    THRESHOLDS.
    """

    confmat: torch.Tensor

    def __init__(self) -> None:
        super().__init__(list(THRESHOLDS), ignore_index=VOID, validate_args=False)

    def compute(self) -> torch.Tensor:  # type: ignore[override]
        return self.confmat


def scores(matrix: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """Scores of confusion matrices (true class, predicted class): of two classes one at each of
    THRESHOLDS, else one.

    ``iou``, ``f1``, ``precision`` and ``recall`` are those of the class that is not background, of
    more than two classes the means over those that occur; with ``mean_iou``, ``accuracy``, the
    ratios of each of the ``classes`` and, of two, of the second at each of the ``thresholds``.
    Where there are thresholds, all else is at 0.5.
    """
    two = len(classes) == 2
    middle = matrix[THRESHOLDS.index(0.5)] if two else matrix
    counts = class_counts(middle)
    result: dict[str, Any] = _ratios(counts[1]) if two else _means(counts)
    result |= {"mean_iou": _rounded(mean_iou(middle)), "accuracy": _rounded(pixel_accuracy(middle))}
    result["classes"] = {name: _ratios(c) for name, c in zip(classes, counts, strict=True)}
    if two:
        at = zip(THRESHOLDS, matrix, strict=True)
        result["thresholds"] = {
            str(threshold): _ratios(class_counts(one)[1]) for threshold, one in at
        }
    return result | {"confusion": middle.tolist()}


def multilabel_scores(matrices: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """Scores of multi-label classes, from confusion matrices (class, truth,
    prediction) of not and of.

    Those of each of the ``classes``, and their means over those that occur, at 0.5; ``accuracy``
    over all pixels of all.
    """
    counts = [class_counts(matrix)[1] for matrix in matrices]
    result: dict[str, Any] = _means(counts)
    result |= {
        "mean_iou": result["iou"],
        "accuracy": _rounded(pixel_accuracy(matrices.sum(axis=0))),
    }
    return result | {"classes": {name: _ratios(c) for name, c in zip(classes, counts, strict=True)}}


def _means(classes: list[Counts]) -> dict[str, float]:
    return {name: _rounded(value) for name, value in class_means(classes, RATIOS).items()}


def _ratios(counts: Counts) -> dict[str, float]:
    return {name: _rounded(getattr(counts, name)) for name in RATIOS}


def _rounded(value: float) -> float:
    return round(float(value), 5)
