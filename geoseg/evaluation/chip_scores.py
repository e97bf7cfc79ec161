"""Scores of a model over many chips, one chip after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from geoseg.errors import UnsuitableError
from geoseg.evaluation.chips import ChipPrediction, Footprints, TrueFootprints, true_footprints
from geoseg.evaluation.metrics import Counts, boundary_count, confusion, count
from geoseg.evaluation.summary import RATIOS, multilabel_scores, pixel_scores
from geoseg.geometry.measure import pixel_size
from geoseg.specs import EvaluateSpec, ModelSpec, PolygonSpec

THRESHOLD_DIGITS = 4  # of thresholds, so that they can be looked up

# Metrics of pixels, those of footprints, and a row for each threshold
Scores = tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]


def chip_scores(
    model: ModelSpec, thresholds: Sequence[float], iou: float, spec: PolygonSpec | None = None
) -> BuildingScores | ClassScores | MultilabelScores:
    """Empty scores for the predictions of ``model``; footprints are shaped by ``spec``, by default
    as `geoseg extract` does, and match at ``iou``.
    """
    if model.channels == 1:
        return BuildingScores(
            {level: ThresholdScores(level, model, iou, spec) for level in thresholds}
        )
    if model.multilabel:
        return MultilabelScores(model.classes, thresholds)
    return ClassScores(model.classes)


def _ratios(counts: Counts) -> dict[str, float]:
    return {name: getattr(counts, name) for name in (*RATIOS, "accuracy")}


def _pixels(counts: Counts) -> dict[str, float]:
    return {"tp": counts.tp, "fp": counts.fp, "fn": counts.fn, "tn": counts.tn} | _ratios(counts)


class ThresholdScores:
    """Counts at one threshold, as it is and cleaned by the model's least area; footprints by its
    least confidence too, as `geoseg extract` does.
    """

    def __init__(
        self, threshold: float, model: ModelSpec, iou: float, spec: PolygonSpec | None = None
    ) -> None:
        self.threshold = threshold
        self.min_area = model.min_area
        at_it = PolygonSpec(threshold=threshold).completed(
            round(model.threshold, THRESHOLD_DIGITS), model.min_area, model.min_confidence
        )
        self.min_confidence = at_it.min_confidence or 0.0
        self.pixels = {False: Counts(), True: Counts()}
        self.footprints = Footprints(threshold, iou, spec)

    def add(self, prediction: ChipPrediction, truth: TrueFootprints) -> None:
        for cleaned in (False, True):
            self.pixels[cleaned] += count(
                self.predicted(prediction, cleaned), prediction.truth == 1, prediction.valid
            )
        self.footprints.add(prediction, truth)

    def predicted(self, prediction: ChipPrediction, cleaned: bool) -> np.ndarray:
        mask = (prediction.probability[0] >= np.float32(self.threshold)) & prediction.valid
        across, along = pixel_size(prediction.grid)
        return without_small(mask, self.min_area / (across * along)) if cleaned else mask

    def counts(self, cleaned: bool) -> Counts:
        least = (self.min_area, self.min_confidence) if cleaned else (0.0, 0.0)
        return self.footprints.counts(*least)

    def row(self, cleaned: bool) -> dict[str, Any]:
        pixels = self.pixels[cleaned]
        footprints = self.counts(cleaned)
        out: dict[str, Any] = {"threshold": self.threshold, "cleaned": cleaned, **_ratios(pixels)}
        return out | {
            f"object_{name}": getattr(footprints, name) for name in ("precision", "recall", "f1")
        }


class BuildingScores:
    """Pixels and footprints of the buildings at several thresholds."""

    def __init__(self, levels: dict[float, ThresholdScores]) -> None:
        self.levels = levels

    def add(self, prediction: ChipPrediction) -> None:
        truth = true_footprints(prediction)
        for level in self.levels.values():
            level.add(prediction, truth)

    def predicted(self, prediction: ChipPrediction, threshold: float) -> np.ndarray:
        return self.levels[threshold].predicted(prediction, cleaned=True)

    def scores(self, threshold: float) -> Scores:
        level = self.levels[threshold]
        footprints = level.counts(cleaned=True).to_dict()
        footprints.pop("iou")
        rows = [level.row(cleaned) for level in self.levels.values() for cleaned in (False, True)]
        return _pixels(level.pixels[True]), footprints | {"at_iou": level.footprints.iou}, rows


class ClassScores:
    """Exclusive classes: each pixel by its most probable class."""

    width = EvaluateSpec.boundary_width

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self.outlines = {label: Counts() for label in range(1, len(classes))}
        self.matrix = np.zeros((len(classes), len(classes)), np.int64)

    def add(self, prediction: ChipPrediction) -> None:
        truth = prediction.truth[prediction.valid]
        if truth.size and truth.max() >= len(self.classes):
            raise UnsuitableError(
                f"{prediction.name}: its mask holds the class {truth.max()}, which has no name"
            )
        predicted = self.predicted(prediction, 0.0)
        self.matrix += confusion(
            predicted, prediction.truth, len(self.classes), valid=prediction.valid
        )
        for label in self.outlines:
            masks = [
                (labels == label) & prediction.valid for labels in (predicted, prediction.truth)
            ]
            self.outlines[label] += boundary_count(masks[0], masks[1], self.width)

    def predicted(self, prediction: ChipPrediction, threshold: float) -> np.ndarray:
        labels: np.ndarray = prediction.probability.argmax(axis=0)
        return labels

    def scores(self, threshold: float) -> Scores:
        metrics = pixel_scores(self.matrix, self.outlines, dict(enumerate(self.classes)))
        return metrics | {"boundary_width": self.width, "confusion": self.matrix.tolist()}, {}, []


class MultilabelScores:
    """Multi-label classes, each at every threshold."""

    def __init__(self, classes: tuple[str, ...], levels: Sequence[float]) -> None:
        self.counts = {(level, name): Counts() for level in levels for name in classes}
        self.classes = classes

    def add(self, prediction: ChipPrediction) -> None:
        for (level, name), counts in self.counts.items():
            i = self.classes.index(name)
            mask = prediction.probability[i] >= np.float32(level)
            self.counts[level, name] = counts + count(
                mask, prediction.truth[i] == 1, prediction.valid[i]
            )

    def predicted(self, prediction: ChipPrediction, threshold: float) -> np.ndarray:
        each: np.ndarray = prediction.probability >= np.float32(threshold)
        return each

    def scores(self, threshold: float) -> Scores:
        rows = [
            {"threshold": level, "class": name, **_ratios(counts)}
            for (level, name), counts in self.counts.items()
        ]
        return (
            multilabel_scores(
                {name: _pixels(self.counts[threshold, name]) for name in self.classes}
            ),
            {},
            rows,
        )


def without_small(mask: np.ndarray, pixels: float) -> np.ndarray:
    """``mask`` (row, col) without the parts of fewer than ``pixels`` pixels; parts hang together by
    edges, not by corners.
    """
    parts, _ = ndimage.label(mask)
    large = np.bincount(parts.ravel()) >= pixels
    large[0] = False
    kept: np.ndarray = large[parts]
    return kept
