"""Chips with the best and the worst predictions, to look at."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from geoseg.core.encoding import VOID, layered
from geoseg.evaluation.metrics import class_means, confusion, count, mean_iou

LEAST_KNOWN = 0.1  # part of a chip


@dataclass(frozen=True)
class ScoredChip:
    """A chip and its prediction: ``image`` uint8 (band, row, col), ``truth`` and ``prediction``
    uint8 (row, col) of classes.

    Multi-label classes lie one over the other, from 1, as
    :func:`geoseg.core.encoding.layered` has them. ``iou`` is the mean over the classes that occur;
    where nothing is known ``truth`` is 255.
    """

    name: str
    iou: float
    image: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray


def score_chip(
    name: str, image: np.ndarray, truth: np.ndarray, prediction: np.ndarray, classes: int
) -> ScoredChip:
    """``truth`` and ``prediction`` uint8 (row, col) of so many classes, or (class, row, col) of 0
    and 1; 255 is not known.
    """
    if truth.ndim == 2:
        return ScoredChip(
            name,
            mean_iou(confusion(prediction, truth, classes, ignore=[VOID])),
            image,
            truth,
            prediction,
        )
    counts = [
        count(mask == 1, true_mask == 1, true_mask != VOID)
        for mask, true_mask in zip(prediction, truth, strict=True)
    ]
    iou = class_means(counts, ("iou",))["iou"]
    return ScoredChip(name, iou, image, layered(truth), layered(prediction))


@dataclass
class Gallery:
    """Up to ``size`` chips of the highest and of the lowest IoU; none is in both, none shows
    background alone.
    """

    size: int
    _best: list[ScoredChip] = field(default_factory=list)
    _worst: list[ScoredChip] = field(default_factory=list)
    _looked_at: int = 0

    def add(self, chip: ScoredChip) -> None:
        known = chip.truth != VOID
        if known.mean() < LEAST_KNOWN or not (
            chip.prediction[known].any() or chip.truth[known].any()
        ):
            return
        self._looked_at += 1
        self._best = sorted([*self._best, chip], key=lambda scored: -scored.iou)[: self.size]
        self._worst = sorted([*self._worst, chip], key=lambda scored: scored.iou)[: self.size]

    @property
    def best(self) -> list[ScoredChip]:
        """The best first; of few chips the better half."""
        return self._best[: (self._looked_at + 1) // 2]

    @property
    def worst(self) -> list[ScoredChip]:
        """The worst first."""
        names = {chip.name for chip in self.best}
        return [chip for chip in self._worst if chip.name not in names]
