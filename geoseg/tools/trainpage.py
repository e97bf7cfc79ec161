"""The page that tells of a training run: curves, scores, validation chips, settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoseg.core.legend import FN, FP, TP, VOID
from geoseg.core.pictures import class_colours, drawn_names, opacity_of, outcomes, picture, tint
from geoseg.core.plots import curves
from geoseg.io.chips import IGNORE
from geoseg.io.page import facts, figure, figures, png, section, table, text, write_page
from geoseg.io.runs import PAGE
from geoseg.specs import ModelSpec
from geoseg.specs.toml import toml

if TYPE_CHECKING:
    from geoseg.training.gallery import Seen

NAMES = {"iou": "IoU"}
Epochs = Sequence[Mapping[str, Any]]


def write(
    folder: Path,
    model: ModelSpec,
    epochs: Epochs,
    best: Mapping[str, Any],
    settings: Mapping[str, Any],
    chips: tuple[Sequence[Seen], Sequence[Seen]],
) -> None:
    """Write ``folder/report.html``; ``chips`` are the best and the worst of the validation."""
    title = f"Training of {model.architecture}" + (f" with {model.encoder}" if model.encoder else "")
    write_page(folder / PAGE, title, _sections(model, epochs, best, settings, chips), subtitle=str(folder), overwrite=True)


def _sections(
    model: ModelSpec,
    epochs: Epochs,
    best: Mapping[str, Any],
    settings: Mapping[str, Any],
    chips: tuple[Sequence[Seen], Sequence[Seen]],
) -> Iterator[str]:
    names = ("iou", "f1", "precision", "recall", "mean_iou", "accuracy")
    shown = {"best_epoch": best["epoch"]} | {name: best[name] for name in names if name in best}
    yield section("Result", facts(shown), text("Scores are of the validation split at the threshold 0.5."))
    yield section("Curves", figures(*_curves(epochs, best)))
    if "classes" in best:
        matrix = [_confusion(model, best["confusion"])] if "confusion" in best else []
        yield section("Classes", table(_rows(best["classes"], "class")), *matrix)
    if "thresholds" in best:
        yield section("Thresholds", table(_rows(best["thresholds"], "threshold")))
    for name, seen in zip(("Best", "Worst"), chips, strict=True):
        if seen:
            yield section(f"{name} validation chips", text(_legend(model)), figures(*(_chip(model, one) for one in seen)))
    rows = [{name: value for name, value in epoch.items() if not isinstance(value, dict | list)} for epoch in epochs]
    yield section("Epochs", table(rows))
    said = [{"setting": name, "value": toml(value).strip('"')} for name, value in settings.items() if value is not None]
    yield section("Settings", table(said))


def _curves(epochs: Epochs, best: Mapping[str, Any]) -> Iterator[str]:
    at = [float(epoch["epoch"]) for epoch in epochs]

    def lines(*names: str) -> dict[str, tuple[list[float], list[float]]]:
        there = [name for name in names if name in epochs[0]]
        return {NAMES.get(name, name): (at, [float(epoch[name]) for epoch in epochs]) for name in there}

    mark = ("best", float(best["epoch"]))
    yield figure(curves(lines("loss"), x="epoch", y="training loss", mark=mark), "Loss", "training loss by epoch")
    if scores := lines("iou", "precision", "recall"):
        plot = curves(scores, x="epoch", y="validation", limits=(0, 1), mark=mark)
        yield figure(plot, "Scores", "IoU, precision and recall of the validation split by epoch")
    yield figure(curves(lines("lr"), x="epoch", y="learning rate"), "Learning rate at the end of the epoch", "learning rate")
    if "thresholds" in best:
        xs, rows = [float(threshold) for threshold in best["thresholds"]], best["thresholds"].values()
        names = ("iou", "precision", "recall")
        ratios = {NAMES.get(name, name): (xs, [float(row[name]) for row in rows]) for name in names}
        plot = curves(ratios, x="threshold", y="validation", limits=(0, 1))
        yield figure(plot, "Scores of the best epoch by threshold", "IoU, precision and recall by threshold")


def _rows(ratios: Mapping[str, Mapping[str, float]], name: str) -> list[dict[str, Any]]:
    return [{name: key} | dict(row) for key, row in ratios.items()]


def _confusion(model: ModelSpec, matrix: Sequence[Sequence[int]]) -> str:
    rows = []
    for name, counts in zip(model.classes, matrix, strict=True):
        shares = [round(100 * count / max(1, sum(counts)), 2) for count in counts]
        rows.append({"truth": name} | {f"found {other}, %": share for other, share in zip(model.classes, shares, strict=True)})
        rows[-1]["pixels"] = sum(counts)
    return table(rows, "Confusion matrix: what the pixels of each class were taken for")


def _legend(model: ModelSpec) -> str:
    if model.channels == 1:
        return f"Blue: {model.classes[1]} that was found; orange: found where there is none; yellow: missed; grey: not known."
    return "On the left the truth, on the right what was found."


def _chip(model: ModelSpec, seen: Seen) -> str:
    under = picture(seen.image, np.ones(seen.truth.shape, bool))
    truth = np.where(seen.truth == IGNORE, np.uint8(VOID), seen.truth)
    if model.channels == 1:
        drawn = tint(under, outcomes(seen.found, truth), {1: TP, 2: FP, 3: FN}, 0.5)
    else:
        names = drawn_names(model.classes, model.multilabel)
        colours = class_colours(names, tuple(names))
        drawn = np.hstack([tint(under, labels, colours, opacity_of(len(colours), None)) for labels in (truth, seen.found)])
    name = Path(seen.name).stem
    return figure(png(drawn), f"{name}, mean IoU {seen.iou:.3f}", f"chip {name} with what was found on it")
