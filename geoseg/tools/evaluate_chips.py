"""Compare a model with the truth over labelled data, chips or scenes, at several thresholds, with
and without cleaning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from geoseg.core.bands import for_display
from geoseg.core.encoding import VOID
from geoseg.evaluation.chip_scores import THRESHOLD_DIGITS, chip_scores
from geoseg.evaluation.chips import ChipPrediction
from geoseg.evaluation.gallery import Gallery, ScoredChip, score_chip
from geoseg.evaluation.labelled import open_labelled
from geoseg.evaluation.reports import ChipsReport
from geoseg.evaluation.summary import failed_limits
from geoseg.io.atomic import check_apart, check_output
from geoseg.io.raster.scene import open_scene
from geoseg.report import Progress, Run, no_progress
from geoseg.specs import ExtractSpec, LabelledData, PredictSpec

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
PICTURED = 6  # of the best chips and of the worst


def run(
    data: LabelledData | Path | str,
    model: Path | None = None,
    *,
    predict_spec: PredictSpec | None = None,
    polygon_spec: ExtractSpec | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    iou: float = 0.5,
    fail_under: Mapping[str, float] | None = None,
    page: Path | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> ChipsReport:
    """Run ``model`` (the bundled one by default) over a split of ``data``, by default the test
    split.

    Chips and windows of scenes go the way of `geoseg extract`: footprints are traced in each,
    shaped by ``polygon_spec``, and matched with the true ones; cleaning leaves out what is smaller
    than the model's least area, pixels and footprints alike. ``page`` is an HTML report of it, with
    the best and the worst chips. Raises UnsuitableError for a split without chips or without masks,
    and for classes that are not the model's.
    """
    accompany = Run(progress)
    data = LabelledData.of(data)
    if page:
        check_apart(page, *data.paths, *([model] if model else []))
        check_output(page, overwrite)
    opened = open_labelled(data, model, predict_spec or PredictSpec(), accompany)
    labelled = opened.model
    own_threshold = round(labelled.threshold, THRESHOLD_DIGITS)
    levels = sorted({own_threshold, *(round(level, THRESHOLD_DIGITS) for level in thresholds)})
    sums = chip_scores(labelled, levels, iou, (polygon_spec or ExtractSpec()).shaping())
    gallery = Gallery(PICTURED)
    for prediction in opened.predictions(accompany):
        sums.add(prediction)
        if page:
            labels = sums.predicted(prediction, own_threshold).astype(np.uint8)
            gallery.add(_scored(prediction, labels, len(labelled.classes)))
    pixel, footprints, rows = sums.scores(own_threshold)
    report = ChipsReport(
        command="evaluate",
        inputs=data.data,
        outputs=(str(page),) if page else (),
        seconds=accompany.seconds,
        warnings=accompany.remarks.unique(),
        model=opened.loaded.name,
        split=data.split,
        chips=opened.chips,
        threshold=labelled.threshold if labelled.sigmoid else None,
        min_area=labelled.min_area if labelled.channels == 1 else None,
        min_confidence=labelled.min_confidence if labelled.channels == 1 else None,
        pixel=pixel,
        object=footprints,
        thresholds=rows,
        failed=failed_limits(pixel, footprints, fail_under or {}),
    )
    if page:
        from geoseg.reports import chips_page

        image = opened.windows[0].scene.path if opened.windows else None
        places = chips_page.Places(opened.outlines, image)
        chips_page.write(page, report, labelled, gallery, places, overwrite=overwrite)
    return report


def _scored(prediction: ChipPrediction, labels: np.ndarray, classes: int) -> ScoredChip:
    """The chip as the page shows it, with one band or three, on the grid of the prediction."""
    with open_scene(prediction.path, like=prediction.grid) as scene:
        chip = scene.read(bands=(1, 2, 3) if scene.bands >= 3 else (1,))
    image = for_display(chip.image, chip.valid)
    truth = np.where(prediction.valid, prediction.truth, np.uint8(VOID))
    return score_chip(prediction.name, image, truth, labels, classes)
