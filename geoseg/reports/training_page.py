"""The report page of a training run: curves, scores, validation chips, settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from geoseg.chips.scene_windows import SplitOutlines
from geoseg.drawing.html import (
    WORDS,
    code,
    facts,
    figure,
    figures,
    section,
    table,
    text,
    write_page,
)
from geoseg.drawing.plots import Line, curves
from geoseg.evaluation.gallery import Gallery
from geoseg.io.run_folder import PAGE, SETTINGS
from geoseg.reports.chip_figures import chip_sections, class_table, confusion_table
from geoseg.reports.place_map import split_section
from geoseg.specs import ModelSpec
from geoseg.specs.toml import to_toml

NAMES = WORDS | {"loss": "training", "val_loss": "validation"}
SCORES = ("iou", "f1", "precision", "recall", "mean_iou", "accuracy")
CURVES = ("iou", "precision", "recall")


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """What a run was and gave: scores before the first epoch (``start``), of each epoch, of the
    ``best`` one and of the ``test`` split, empty where there are none; ``chips`` are the best and
    the worst of the validation, ``places`` where the chips of all splits lie, ``output`` is the
    model file and ``command`` what was typed.
    """

    model: ModelSpec
    epochs: Sequence[Mapping[str, Any]]
    start: Mapping[str, Any]
    best: Mapping[str, Any]
    test: Mapping[str, Any]
    settings: Mapping[str, Any]
    chips: Gallery
    device: str
    finished: datetime
    output: Path
    command: str
    places: SplitOutlines | None = None


def write(folder: Path, run: FinishedRun) -> None:
    """Write ``folder/report.html``."""
    model = run.model
    title = f"Training of {model.architecture}" + (
        f" with {model.encoder}" if model.encoder else ""
    )
    write_page(folder / PAGE, title, _sections(folder, run), subtitle=str(folder), overwrite=True)


def _sections(folder: Path, run: FinishedRun) -> Iterator[str]:
    best = run.best
    yield section("Result", *_result(run))
    yield section("Curves", figures(*_curves(run)))
    if "classes" in best:
        yield section("Classes", *_classes(run.model, best))
    if "thresholds" in best:
        rows = [{"threshold": at} | dict(row) for at, row in best["thresholds"].items()]
        yield section("Thresholds", table(rows))
    if run.test:
        yield section("Test split", *_classes(run.model, run.test))
    yield from chip_sections(run.model, run.chips, "validation chips")
    if run.places is not None:
        yield from split_section(run.places)
    yield section("Epochs", table([_numbers(epoch) for epoch in run.epochs]))
    yield section("Run", *_run(folder, run))


def _result(run: FinishedRun) -> Iterator[str]:
    yield facts({"best_epoch": run.best["epoch"]} | _scores(run.best))
    at = ", from a probability of 0.5" if run.model.sigmoid else ""
    yield text(f"Scores of the validation split{at}.")
    rows = [
        {"scores": name} | _scores(scores)
        for name, scores in (
            ("validation, before the first epoch", run.start),
            ("validation, best epoch", run.best),
            ("test", run.test),
        )
        if _scores(scores)
    ]
    if len(rows) > 1:
        yield table(rows)


def _classes(model: ModelSpec, scores: Mapping[str, Any]) -> Iterator[str]:
    yield class_table(scores["classes"])
    if "confusion" in scores:
        yield confusion_table(model.classes, scores["confusion"])


def _run(folder: Path, run: FinishedRun) -> Iterator[str]:
    seconds = sum(epoch.get("seconds", 0.0) for epoch in run.epochs)
    yield facts(
        {
            "finished": run.finished.isoformat(" ", "minutes"),
            "duration": str(timedelta(seconds=round(seconds))),
            "device": run.device,
        }
    )
    yield code(run.command)
    yield text(f"{run.output} can be trained again with the configuration {folder / SETTINGS}.")
    rows = [
        {"setting": name, "value": to_toml(value).strip('"')}
        for name, value in run.settings.items()
        if value is not None
    ]
    yield table(rows, "Settings")


def _scores(scores: Mapping[str, Any]) -> dict[str, Any]:
    return {name: scores[name] for name in SCORES if name in scores}


def _numbers(epoch: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in epoch.items() if not isinstance(value, dict | list)}


def _curves(run: FinishedRun) -> Iterator[str]:
    mark = ("best", float(run.best["epoch"]))
    loss = curves(_lines(run, "loss", "val_loss"), x="epoch", y="loss", mark=mark)
    yield figure(loss, "Loss", "loss by epoch, of training and of validation")
    if scores := _lines(run, *CURVES):
        plot = curves(scores, x="epoch", y="validation", limits=(0, 1), mark=mark)
        yield figure(plot, "Scores", "IoU, precision and recall of the validation split by epoch")
    rate = curves(_lines(run, "lr"), x="epoch", y="learning rate")
    yield figure(rate, "Learning rate at the end of the epoch", "learning rate by epoch")
    if "thresholds" in run.best:
        yield figure(
            _by_threshold(run.best["thresholds"]),
            "Scores of the best epoch by threshold",
            "IoU, precision and recall by threshold",
        )


def _lines(run: FinishedRun, *names: str) -> dict[str, Line]:
    """Values by epoch; those of the validation begin with the scores before the first."""
    lines: dict[str, Line] = {}
    for name in names:
        rows = [{"epoch": 0} | dict(run.start), *run.epochs]
        known = [row for row in rows if name in row]
        if known:
            numbers = [float(row["epoch"]) for row in known]
            lines[NAMES.get(name, name)] = numbers, [float(row[name]) for row in known]
    return lines


def _by_threshold(rows: Mapping[str, Mapping[str, float]]) -> Figure:
    thresholds = [float(threshold) for threshold in rows]
    lines = {
        NAMES.get(name, name): (thresholds, [float(row[name]) for row in rows.values()])
        for name in CURVES
    }
    return curves(lines, x="threshold", y="validation", limits=(0, 1))
