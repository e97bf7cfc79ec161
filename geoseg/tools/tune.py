"""Find the threshold and the least area with which a model's footprints agree best with the
truth.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from geoseg.errors import UnsuitableError
from geoseg.evaluation.chips import Footprints, predict_chips, true_outlines
from geoseg.evaluation.metrics import Counts
from geoseg.inference.session import LoadedModel
from geoseg.io.atomic import check_output
from geoseg.io.chip_index import read_index
from geoseg.models.metadata import rewrite
from geoseg.models.store import as_typed
from geoseg.report import Progress, Report, no_progress
from geoseg.specs import ModelSpec, PredictSpec

THRESHOLDS = tuple(round(0.1 + 0.05 * step, 2) for step in range(17))
AREAS = (0.0, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 75.0, 100.0)
Setting = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class TuneReport(Report):
    """``threshold`` and ``min_area`` (square metres, pixels without a CRS) found on the ``chips``
    of the ``split``.

    ``before`` and ``after`` are the metrics of the footprints with the model's old values and with
    those found, ``gain`` the difference of their F1.
    """

    model: str
    split: str
    chips: int
    threshold: float
    min_area: float
    before: dict[str, Any]
    after: dict[str, Any]
    gain: float


def run(
    data: Path | str,
    output: Path | str,
    *,
    model: Path | None = None,
    split: str = "val",
    iou: float = 0.5,
    spec: PredictSpec | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> TuneReport:
    """Write ``model`` (the bundled one by default) as ``output`` with the threshold and least area
    of the best footprint F1.

    Thresholds from 0.1 to 0.9 and areas from 0 to 100 square metres are tried on the chips of a
    split of the chip index folder ``data``. The weights stay as they are, byte for byte. Raises
    UnsuitableError for a model of several classes, and a split without chips, masks or buildings.
    """
    start = time.perf_counter()
    output = check_output(output, overwrite)
    index = read_index(data)
    models = LoadedModel(model, spec or PredictSpec())
    warnings = list[str]()
    old_spec = models.model.for_labels(index.info.classes)
    if old_spec.channels != 1:
        raise UnsuitableError(
            f"{models.path}: has {len(old_spec.classes)} classes, a threshold is for two"
        )
    swept = {level: Footprints(level, iou) for level in sorted({*THRESHOLDS, old_spec.threshold})}
    chips = 0
    for answer in predict_chips(index, split, models, warnings, progress):
        truth = true_outlines(answer)
        for footprints in swept.values():
            footprints.add(answer, truth)
        chips += 1
    if not swept[old_spec.threshold].truths:
        raise UnsuitableError(f"{index.folder}: there is no building in its {split} split")
    before = swept[old_spec.threshold].counts(old_spec.min_area)
    threshold, min_area = best(swept, old_spec)
    after = swept[threshold].counts(min_area)
    rewrite(
        models.path,
        output,
        replace(models.model, threshold=threshold, min_area=min_area),
        overwrite,
    )
    return TuneReport(
        command="tune",
        inputs=(str(data), as_typed(models.path)),
        outputs=(str(output),),
        seconds=time.perf_counter() - start,
        warnings=tuple(dict.fromkeys(warnings)),
        model=models.name,
        split=split,
        chips=chips,
        threshold=threshold,
        min_area=min_area,
        before=_scores(before),
        after=_scores(after),
        gain=round(after.f1 - before.f1, 6),
    )


def best(swept: dict[float, Footprints], own: ModelSpec) -> Setting:
    """Threshold and least area of the highest F1; of equal ones those nearest to the model's."""
    areas = sorted({*AREAS, own.min_area})
    tried = {
        (level, area): found.counts(area).f1 for level, found in swept.items() for area in areas
    }

    def rank(setting: Setting) -> tuple[float, float, float]:
        return -tried[setting], abs(setting[0] - own.threshold), abs(setting[1] - own.min_area)

    return min(tried, key=rank)


def _scores(counts: Counts) -> dict[str, Any]:
    return {name: value for name, value in counts.to_dict().items() if name != "iou"}
