"""Compare a model with the truth over a whole split of chips, at several thresholds, with and
without cleaning.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from geoseg.core.encoding import VOID
from geoseg.errors import UnsuitableError
from geoseg.evaluation.chips import ChipPrediction, Footprints, predict_chips, true_outlines
from geoseg.evaluation.gallery import Gallery, score_chip
from geoseg.evaluation.metrics import Counts, boundary_count, confusion, count
from geoseg.evaluation.reports import ChipsReport
from geoseg.evaluation.summary import RATIOS, failed_limits, multilabel_scores, pixel_scores
from geoseg.geometry.measure import pixel_size
from geoseg.inference.session import LoadedModel
from geoseg.io.atomic import check_output
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import open_scene
from geoseg.report import Progress, no_progress
from geoseg.reports.scene_view import eight_bits
from geoseg.specs import EvaluateSpec, PredictSpec

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
PICTURED = 6  # of the best chips and of the worst


def run(
    data: Path | str,
    model: Path | None = None,
    *,
    split: str = "test",
    spec: PredictSpec | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    iou: float = 0.5,
    fail_under: Mapping[str, float] | None = None,
    page: Path | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> ChipsReport:
    """Run ``model`` (the bundled one by default) over the chips of a split of the chip index folder
    ``data``.

    Chips go the way of `geoseg extract`, footprints are traced in each and matched with those of
    its mask; cleaning leaves out what is smaller than the model's least area, pixels and footprints
    alike. ``page`` is an HTML report with the best and the worst chips. Raises
    UnsuitableError for a split without chips or without masks, and for classes that are not the
    model's.
    """
    start = time.perf_counter()
    if page:
        check_output(page, overwrite)
    index, models, warnings = (
        read_index(data),
        LoadedModel(model, spec or PredictSpec()),
        list[str](),
    )
    own = models.model
    tally: _Buildings | _Classes | _Each
    levels = sorted({round(each, 4) for each in (*thresholds, own.threshold)})
    if own.channels == 1:
        tally = _Buildings({level: _Level(level, own.min_area, iou) for level in levels})
    else:
        tally = _Each(own.classes, levels) if own.multilabel else _Classes(own.classes)
    chips, gallery = 0, Gallery(PICTURED)
    for answer in predict_chips(index, split, models, warnings, progress):
        tally.add(answer)
        chips += 1
        if page:
            found = tally.found(answer, round(own.threshold, 4))
            truth = np.where(answer.valid, answer.truth, np.uint8(VOID))
            gallery.add(
                score_chip(
                    answer.name, _picture(answer), truth, found.astype(np.uint8), len(own.classes)
                )
            )
    pixel, footprints, rows = tally.scores(round(own.threshold, 4))
    report = ChipsReport(
        command="evaluate",
        inputs=(str(data),),
        outputs=(str(page),) if page else (),
        seconds=time.perf_counter() - start,
        warnings=tuple(dict.fromkeys(warnings)),
        model=models.path.name,
        split=split,
        chips=chips,
        threshold=own.threshold if own.sigmoid else None,
        min_area=own.min_area if own.channels == 1 else None,
        pixel=pixel,
        object=footprints,
        thresholds=rows,
        failed=failed_limits(pixel, footprints, fail_under or {}),
    )
    if page:
        from geoseg.reports import chips_page

        chips_page.write(page, report, own, gallery, overwrite=overwrite)
    return report


def _picture(answer: ChipPrediction) -> np.ndarray:
    """The chip as uint8 (band, row, col), of one band or three, on the grid of the answer."""
    with open_scene(answer.name, like=answer.grid) as scene:
        chip = scene.read(bands=(1, 2, 3) if scene.bands >= 3 else (1,))
    return eight_bits(chip.image, chip.valid, "auto")


Scores = tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]


def _ratios(counts: Counts) -> dict[str, float]:
    return {name: getattr(counts, name) for name in (*RATIOS, "accuracy")}


def _pixels(counts: Counts) -> dict[str, float]:
    return {"tp": counts.tp, "fp": counts.fp, "fn": counts.fn, "tn": counts.tn} | _ratios(counts)


class _Level:
    """Counts at one threshold, as it is and cleaned."""

    def __init__(self, threshold: float, min_area: float, iou: float) -> None:
        self.threshold, self.min_area = threshold, min_area
        self.pixels = {False: Counts(), True: Counts()}
        self.footprints = Footprints(threshold, iou)

    def add(self, answer: ChipPrediction, outlines: np.ndarray) -> None:
        for cleaned in (False, True):
            self.pixels[cleaned] += count(
                self.found(answer, cleaned), answer.truth == 1, answer.valid
            )
        self.footprints.add(answer, outlines)

    def found(self, answer: ChipPrediction, cleaned: bool) -> np.ndarray:
        mask = (answer.probability[0] >= np.float32(self.threshold)) & answer.valid
        across, along = pixel_size(answer.grid)
        return without_small(mask, self.min_area / (across * along)) if cleaned else mask

    def counts(self, cleaned: bool) -> Counts:
        return self.footprints.counts(self.min_area if cleaned else 0.0)

    def row(self, cleaned: bool) -> dict[str, Any]:
        pixels, footprints = self.pixels[cleaned], self.counts(cleaned)
        out: dict[str, Any] = {"threshold": self.threshold, "cleaned": cleaned, **_ratios(pixels)}
        return out | {
            f"object_{name}": getattr(footprints, name) for name in ("precision", "recall", "f1")
        }


class _Buildings:
    def __init__(self, levels: dict[float, _Level]) -> None:
        self.levels = levels

    def add(self, answer: ChipPrediction) -> None:
        outlines = true_outlines(answer)
        for level in self.levels.values():
            level.add(answer, outlines)

    def found(self, answer: ChipPrediction, threshold: float) -> np.ndarray:
        return self.levels[threshold].found(answer, cleaned=True)

    def scores(self, threshold: float) -> Scores:
        own = self.levels[threshold]
        pixels, footprints = own.pixels[True], own.counts(True)
        found = footprints.to_dict()
        found.pop("iou")
        rows = [level.row(cleaned) for level in self.levels.values() for cleaned in (False, True)]
        return _pixels(pixels), found | {"at_iou": own.footprints.iou}, rows


class _Classes:
    """Each pixel by its most probable class."""

    width = EvaluateSpec.boundary_width

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self.outlines = {label: Counts() for label in range(1, len(classes))}
        self.matrix = np.zeros((len(classes), len(classes)), np.int64)

    def add(self, answer: ChipPrediction) -> None:
        truth = answer.truth[answer.valid]
        if truth.size and truth.max() >= len(self.classes):
            raise UnsuitableError(
                f"{answer.name}: its mask holds the class {truth.max()}, which has no name"
            )
        found = self.found(answer, 0.0)
        self.matrix += confusion(found, answer.truth, len(self.classes), valid=answer.valid)
        for label in self.outlines:
            mine, true = ((side == label) & answer.valid for side in (found, answer.truth))
            self.outlines[label] += boundary_count(mine, true, self.width)

    def found(self, answer: ChipPrediction, threshold: float) -> np.ndarray:
        labels: np.ndarray = answer.probability.argmax(axis=0)
        return labels

    def scores(self, threshold: float) -> Scores:
        metrics = pixel_scores(self.matrix, self.outlines, dict(enumerate(self.classes)))
        return metrics | {"boundary_width": self.width, "confusion": self.matrix.tolist()}, {}, []


class _Each:
    """Each class by itself, at each threshold."""

    def __init__(self, classes: tuple[str, ...], levels: list[float]) -> None:
        self.counts = {(level, name): Counts() for level in levels for name in classes}
        self.classes = classes

    def add(self, answer: ChipPrediction) -> None:
        for (level, name), counts in self.counts.items():
            i = self.classes.index(name)
            found = answer.probability[i] >= np.float32(level)
            self.counts[level, name] = counts + count(found, answer.truth[i] == 1, answer.valid[i])

    def found(self, answer: ChipPrediction, threshold: float) -> np.ndarray:
        each: np.ndarray = answer.probability >= np.float32(threshold)
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
