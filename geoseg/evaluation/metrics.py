"""Agreement of a prediction with the truth, as counts that add up over blocks, and the ratios of
the counts.

Counts first, ratios last: counts of blocks, scenes or chips may be summed, ratios may not be
averaged. No ratio is ever NaN: where there was nothing to find and nothing was found it is 1, where
only one of the two is empty it is 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Counts:
    """True and false positives and negatives, of pixels or of footprints (whose ``tn`` is 0)."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn
        )

    @property
    def total(self) -> int:
        return self.tp + self.fp + self.fn + self.tn

    @property
    def occurs(self) -> bool:
        """Whether anything was to be found or was found."""
        return self.tp + self.fp + self.fn > 0

    @property
    def iou(self) -> float:
        """Intersection over union, the Jaccard index."""
        return self._ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, which is the Dice coefficient."""
        return self._ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def precision(self) -> float:
        """Part of what was found that is true."""
        return self._ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Part of the truth that was found."""
        return self._ratio(self.tp, self.tp + self.fn)

    @property
    def accuracy(self) -> float:
        """Fraction of all pixels with the true class; says little where buildings are rare."""
        return self._ratio(self.tp + self.tn, self.total)

    def _ratio(self, part: int, whole: int) -> float:
        if whole:
            return part / whole
        return 1.0 if self.fp + self.fn == 0 else 0.0

    def to_dict(self) -> dict[str, float]:
        """Counts and ratios; ``tn`` and ``accuracy`` only where there are true negatives to speak
        of.
        """
        out: dict[str, float] = {"tp": self.tp, "fp": self.fp, "fn": self.fn}
        out |= {"precision": self.precision, "recall": self.recall, "f1": self.f1, "iou": self.iou}
        return out | ({"tn": self.tn, "accuracy": self.accuracy} if self.tn else {})


def ratios(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall, F1 and IoU of many counts at once, float64 of their shape; see
    :class:`Counts`.
    """
    wrong = fp + fn

    def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.where(whole > 0, part / np.maximum(whole, 1), wrong == 0)

    return {
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
        "f1": ratio(2 * tp, 2 * tp + wrong),
        "iou": ratio(tp, tp + wrong),
    }


def count(prediction: np.ndarray, truth: np.ndarray, valid: np.ndarray | None = None) -> Counts:
    """Counts of two boolean masks (row, col); pixels that are not ``valid`` are left out."""
    if valid is not None:
        prediction = prediction & valid
        truth = truth & valid
    # Three counts of set pixels give all four numbers: the others are differences, and cost no pass
    pixels = truth.size if valid is None else int(np.count_nonzero(valid))
    tp = int(np.count_nonzero(prediction & truth))
    predicted = int(np.count_nonzero(prediction))
    true = int(np.count_nonzero(truth))
    return Counts(tp, predicted - tp, true - tp, pixels - predicted - true + tp)


def confusion(
    prediction: np.ndarray,
    truth: np.ndarray,
    classes: int,
    *,
    ignore: Sequence[int] = (),
    valid: np.ndarray | None = None,
) -> np.ndarray:
    """Confusion matrix int64 (true class, predicted class) of two integer label arrays (row, col).

    Pixels whose truth is one of ``ignore``, or that are not ``valid``, are left out. Matrices of
    blocks add up. Raises ValueError where another label is not one of 0 .. ``classes`` - 1.
    """
    keep = np.isin(truth, list(ignore), invert=True)
    if valid is not None:
        keep &= valid
    true = truth[keep].astype(np.int64)
    predicted = prediction[keep].astype(np.int64)
    for name, labels in (("truth", true), ("prediction", predicted)):
        if labels.size and not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(
                f"labels {labels.min()} to {labels.max()} of the {name} are not the classes 0 "
                f"to {classes - 1}"
            )
    # each pair of classes is one number: true 1, predicted 2 of 3 classes is 5
    return np.bincount(true * classes + predicted, minlength=classes**2).reshape(classes, classes)


def class_counts(matrix: np.ndarray) -> list[Counts]:
    """Counts of each class against all the others, from a confusion matrix."""
    tp = np.diag(matrix)
    fp = matrix.sum(axis=0) - tp
    fn = matrix.sum(axis=1) - tp
    tn = matrix.sum() - tp - fp - fn
    return [Counts(*map(int, row)) for row in zip(tp, fp, fn, tn, strict=True)]


def mean_iou(matrix: np.ndarray) -> float:
    """Mean IoU of the classes that occur in the truth or in the prediction; 1 where none does."""
    return class_means(class_counts(matrix), ("iou",))["iou"]


def class_means(classes: Iterable[Counts], names: Sequence[str]) -> dict[str, float]:
    """Means of the ratios of those ``names`` over the classes that occur in the truth or in the
    prediction; 1 where none does.
    """
    present = [counts for counts in classes if counts.occurs]
    return {name: mean_ratio([getattr(counts, name) for counts in present]) for name in names}


def mean_ratio(values: Sequence[float]) -> float:
    """Mean of ratios; 1 of none, as nothing was to be found."""
    return float(np.mean(values)) if values else 1.0


def pixel_accuracy(matrix: np.ndarray) -> float:
    """Fraction of the pixels with their true class; 1 where there are none."""
    return float(np.trace(matrix) / matrix.sum()) if matrix.any() else 1.0


def boundary(mask: np.ndarray, width: int) -> np.ndarray:
    """Pixels of a boolean mask (row, col) within ``width`` pixels of its outline, along rows,
    columns and diagonals.

    The border of the array is outline too. For blocks of a larger mask give ``width`` more pixels
    on each inner side and cut them off again.
    """
    return mask & ~_erode(_erode(mask, width).T, width).T


def boundary_count(
    prediction: np.ndarray, truth: np.ndarray, width: int, valid: np.ndarray | None = None
) -> Counts:
    """Counts of the two masks' inner boundaries, whose ``iou`` is the boundary IoU.

    Sensitive to outlines where the IoU of large footprints is not. Cheng et al., "Boundary IoU:
    Improving Object-Centric Image Segmentation Evaluation", CVPR 2021,
    https://arxiv.org/abs/2103.16562; ``width`` there is 2% of the image's diagonal.
    """
    return count(boundary(prediction, width), boundary(truth, width), valid)


def _erode(mask: np.ndarray, width: int) -> np.ndarray:
    """Erosion by ``width`` rows up and down; beyond the array is background."""
    # Doubling: spans of 1, 2, 4 .. rows that are all set are two shorter ones. For 7 rows these are
    # 1 -> 2 -> 4 -> 7, three comparisons instead of six.
    out = np.pad(mask, ((width, width), (0, 0)))
    span = 1
    length = 2 * width + 1
    while span < length:
        step = min(span, length - span)
        out = out[:-step] & out[step:]
        span += step
    return out
