"""The report page of a training run: curves, scores, validation chips, settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from geoseg.drawing.html import facts, figure, figures, section, table, text, write_page
from geoseg.drawing.plots import curves
from geoseg.evaluation.gallery import Gallery
from geoseg.io.run_folder import PAGE
from geoseg.reports.chip_figures import chip_sections, class_table, confusion_table
from geoseg.specs import ModelSpec
from geoseg.specs.toml import to_toml

NAMES = {"iou": "IoU"}
Epochs = Sequence[Mapping[str, Any]]


def write(
    folder: Path,
    model: ModelSpec,
    epochs: Epochs,
    best: Mapping[str, Any],
    settings: Mapping[str, Any],
    chips: Gallery,
) -> None:
    """Write ``folder/report.html``; ``chips`` are the best and the worst of the validation."""
    title = f"Training of {model.architecture}" + (
        f" with {model.encoder}" if model.encoder else ""
    )
    write_page(
        folder / PAGE,
        title,
        _sections(model, epochs, best, settings, chips),
        subtitle=str(folder),
        overwrite=True,
    )


def _sections(
    model: ModelSpec,
    epochs: Epochs,
    best: Mapping[str, Any],
    settings: Mapping[str, Any],
    chips: Gallery,
) -> Iterator[str]:
    names = ("iou", "f1", "precision", "recall", "mean_iou", "accuracy")
    shown = {"best_epoch": best["epoch"]} | {name: best[name] for name in names if name in best}
    at = ", from a probability of 0.5" if model.sigmoid else ""
    yield section("Result", facts(shown), text(f"Scores of the validation split{at}."))
    yield section("Curves", figures(*_curves(epochs, best)))
    if "classes" in best:
        matrix = [confusion_table(model.classes, best["confusion"])] if "confusion" in best else []
        yield section("Classes", class_table(best["classes"]), *matrix)
    if "thresholds" in best:
        yield section(
            "Thresholds",
            table([{"threshold": at} | dict(row) for at, row in best["thresholds"].items()]),
        )
    yield from chip_sections(model, chips, "validation chips")
    rows = [
        {name: value for name, value in epoch.items() if not isinstance(value, dict | list)}
        for epoch in epochs
    ]
    yield section("Epochs", table(rows))
    setting_rows = [
        {"setting": name, "value": to_toml(value).strip('"')}
        for name, value in settings.items()
        if value is not None
    ]
    yield section("Settings", table(setting_rows))


def _curves(epochs: Epochs, best: Mapping[str, Any]) -> Iterator[str]:
    numbers = [float(epoch["epoch"]) for epoch in epochs]

    def lines(*names: str) -> dict[str, tuple[list[float], list[float]]]:
        there = [name for name in names if name in epochs[0]]
        return {
            NAMES.get(name, name): (numbers, [float(epoch[name]) for epoch in epochs])
            for name in there
        }

    mark = ("best", float(best["epoch"]))
    yield figure(
        curves(lines("loss"), x="epoch", y="training loss", mark=mark),
        "Loss",
        "training loss by epoch",
    )
    if scores := lines("iou", "precision", "recall"):
        plot = curves(scores, x="epoch", y="validation", limits=(0, 1), mark=mark)
        yield figure(plot, "Scores", "IoU, precision and recall of the validation split by epoch")
    yield figure(
        curves(lines("lr"), x="epoch", y="learning rate"),
        "Learning rate numbers the end of the epoch",
        "learning rate",
    )
    if "thresholds" in best:
        xs, rows = (
            [float(threshold) for threshold in best["thresholds"]],
            best["thresholds"].values(),
        )
        names = ("iou", "precision", "recall")
        ratios = {NAMES.get(name, name): (xs, [float(row[name]) for row in rows]) for name in names}
        plot = curves(ratios, x="threshold", y="validation", limits=(0, 1))
        yield figure(
            plot, "Scores of the best epoch by threshold", "IoU, precision and recall by threshold"
        )
