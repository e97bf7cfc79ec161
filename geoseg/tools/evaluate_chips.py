"""Compare a model with the truth over a whole split of chips, at several thresholds, with and
without cleaning.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from geoseg.core.bands import for_display
from geoseg.core.encoding import VOID
from geoseg.evaluation.chip_scores import chip_scores
from geoseg.evaluation.chips import ChipPrediction, predict_chips
from geoseg.evaluation.gallery import Gallery, ScoredChip, score_chip
from geoseg.evaluation.reports import ChipsReport
from geoseg.evaluation.summary import failed_limits
from geoseg.inference.session import LoadedModel
from geoseg.io.atomic import check_output
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import open_scene
from geoseg.report import Progress, no_progress
from geoseg.specs import PredictSpec

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
    alike. ``page`` is an HTML report of it, with the best and the worst chips. Raises
    UnsuitableError for a split without chips or without masks, and for classes that are not the
    model's.
    """
    start = time.perf_counter()
    if page:
        check_output(page, overwrite)
    index = read_index(data)
    loaded = LoadedModel(model, spec or PredictSpec())
    labelled = loaded.model.for_labels(index.info.classes)
    warnings: list[str] = []
    own_threshold = round(labelled.threshold, 4)
    levels = sorted({own_threshold, *(round(level, 4) for level in thresholds)})
    sums = chip_scores(labelled, levels, iou)
    gallery = Gallery(PICTURED)
    chips = 0
    for prediction in predict_chips(index, split, loaded, warnings, progress):
        sums.add(prediction)
        chips += 1
        if page:
            labels = sums.predicted(prediction, own_threshold).astype(np.uint8)
            gallery.add(_scored(prediction, labels, len(labelled.classes)))
    pixel, footprints, rows = sums.scores(own_threshold)
    report = ChipsReport(
        command="evaluate",
        inputs=(str(data),),
        outputs=(str(page),) if page else (),
        seconds=time.perf_counter() - start,
        warnings=tuple(dict.fromkeys(warnings)),
        model=loaded.name,
        split=split,
        chips=chips,
        threshold=labelled.threshold if labelled.sigmoid else None,
        min_area=labelled.min_area if labelled.channels == 1 else None,
        pixel=pixel,
        object=footprints,
        thresholds=rows,
        failed=failed_limits(pixel, footprints, fail_under or {}),
    )
    if page:
        from geoseg.reports import chips_page

        chips_page.write(page, report, labelled, gallery, overwrite=overwrite)
    return report


def _scored(prediction: ChipPrediction, labels: np.ndarray, classes: int) -> ScoredChip:
    """The chip as the page shows it, with one band or three, on the grid of the prediction."""
    with open_scene(prediction.name, like=prediction.grid) as scene:
        chip = scene.read(bands=(1, 2, 3) if scene.bands >= 3 else (1,))
    image = for_display(chip.image, chip.valid)
    truth = np.where(prediction.valid, prediction.truth, np.uint8(VOID))
    return score_chip(prediction.name, image, truth, labels, classes)
