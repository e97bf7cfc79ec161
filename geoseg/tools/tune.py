"""Find the threshold, the least area and the least confidence with which a model's footprints agree
best with the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product, starmap
from pathlib import Path
from typing import Any, NamedTuple

from geoseg.errors import UnsuitableError
from geoseg.evaluation.chips import Footprints, true_footprints
from geoseg.evaluation.labelled import open_labelled
from geoseg.evaluation.metrics import Counts
from geoseg.io.atomic import check_apart, check_output
from geoseg.models.metadata import rewrite
from geoseg.models.store import as_typed
from geoseg.report import Progress, Report, Run, no_progress
from geoseg.specs import ExtractSpec, LabelledData, ModelSpec, PredictSpec

THRESHOLDS = tuple(round(0.1 + 0.05 * step, 2) for step in range(17))
AREAS = (0.0, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 75.0, 100.0)
CONFIDENCES = (0.0, *(round(0.5 + 0.05 * step, 2) for step in range(9)))


class Setting(NamedTuple):
    """``min_area`` is in square metres."""

    threshold: float
    min_area: float
    min_confidence: float


@dataclass(frozen=True, kw_only=True)
class TuneReport(Report):
    """``threshold``, ``min_area`` (square metres, pixels without a CRS) and ``min_confidence`` as
    found on the ``chips`` of the ``split``.

    ``before`` and ``after`` are the metrics of the footprints with the model's old values and with
    those found, ``gain`` the difference of their F1.
    """

    model: str
    split: str
    chips: int
    threshold: float
    min_area: float
    min_confidence: float
    before: dict[str, Any]
    after: dict[str, Any]
    gain: float


def run(
    data: LabelledData | Path | str,
    output: Path | str,
    *,
    model: Path | None = None,
    iou: float = 0.5,
    predict_spec: PredictSpec | None = None,
    polygon_spec: ExtractSpec | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> TuneReport:
    """Write ``model`` (the bundled one by default) as ``output`` with the threshold, least area and
    least confidence of the best footprint F1.

    Thresholds from 0.1 to 0.9, areas from 0 to 100 square metres and confidences from 0.5 to 0.9
    are tried on a split of ``data``, by default the val split, with footprints shaped by
    ``polygon_spec``, by default as `geoseg extract` does. The weights stay as they are, byte for
    byte. Raises UnsuitableError for a model of several classes, and a split without chips, masks or
    buildings.
    """
    accompany = Run(progress)
    data = LabelledData.of(data, "val")
    check_apart(output, *data.paths, *([model] if model else []))
    output = check_output(output, overwrite)
    opened = open_labelled(data, model, predict_spec or PredictSpec(), accompany, whole=True)
    loaded, old_spec = opened.loaded, opened.model
    if old_spec.channels != 1:
        raise UnsuitableError(
            f"{loaded.path}: has {len(old_spec.classes)} classes, a threshold is for two"
        )
    shaping = (polygon_spec or ExtractSpec()).shaping()
    levels = sorted({*THRESHOLDS, old_spec.threshold})
    swept = {level: Footprints(level, iou, shaping) for level in levels}
    # the network runs once; all thresholds and areas are counted of the same probabilities
    for answer in opened.predictions(accompany):
        truth = true_footprints(answer)
        for footprints in swept.values():
            footprints.add(answer, truth)
    if not swept[old_spec.threshold].truths:
        raise UnsuitableError(f"{data}: there is no building in its {data.split} split")
    before = _counts(swept, own_setting(old_spec))
    found = best(swept, old_spec)
    after = _counts(swept, found)
    rewrite(loaded.path, output, replace(loaded.model, **found._asdict()), overwrite)
    return TuneReport(
        command="tune",
        inputs=(*data.data, as_typed(loaded.path)),
        outputs=(str(output),),
        seconds=accompany.seconds,
        warnings=accompany.remarks.unique(),
        model=loaded.name,
        split=data.split,
        chips=opened.chips,
        **found._asdict(),
        before=_scores(before),
        after=_scores(after),
        gain=round(after.f1 - before.f1, 6),
    )


def own_setting(model: ModelSpec) -> Setting:
    return Setting(model.threshold, model.min_area, model.min_confidence)


def best(swept: dict[float, Footprints], model: ModelSpec) -> Setting:
    """The setting of the highest F1; of equal ones those nearest to the model's."""
    own = own_setting(model)
    areas = sorted({*AREAS, own.min_area})
    confidences = sorted({*CONFIDENCES, own.min_confidence})
    # they cost next to nothing: footprints are traced once a threshold, then only left out
    settings = starmap(Setting, product(swept, areas, confidences))
    tried = {setting: _counts(swept, setting).f1 for setting in settings}

    def rank(setting: Setting) -> tuple[float, ...]:
        # on a plateau the model keeps its values
        away = (abs(value - kept) for value, kept in zip(setting, own, strict=True))
        return -tried[setting], *away

    return min(tried, key=rank)


def _counts(swept: dict[float, Footprints], setting: Setting) -> Counts:
    return swept[setting.threshold].counts(setting.min_area, setting.min_confidence)


def _scores(counts: Counts) -> dict[str, Any]:
    return {name: value for name, value in counts.to_dict().items() if name != "iou"}
