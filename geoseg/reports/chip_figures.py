"""Chip images and class tables shared by the report pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.drawing.html import figure, figures, legend, png, section, table, text
from geoseg.drawing.pictures import (
    OUTCOMES,
    RESULT,
    class_colours,
    drawn_names,
    opacity_of,
    outcomes,
    picture,
    tint,
)
from geoseg.evaluation.gallery import Gallery, ScoredChip
from geoseg.specs import ModelSpec

# Of pictures of several classes
SIDES = "On the left the truth, on the right the prediction."


def outcome_counts(counts: Mapping[str, Any]) -> str:
    """``tp``, ``fp`` and ``fn`` in words, as the legend of the pictures has them."""
    return f"{counts['tp']:,} correct, {counts['fp']:,} false positives, {counts['fn']:,} missed"


def chip_sections(model: ModelSpec, gallery: Gallery, what: str) -> Iterator[str]:
    """The best and the worst chips; ``what`` they are: "validation chips"."""
    for name, chips in (("Best", gallery.best), ("Worst", gallery.worst)):
        if chips:
            yield section(
                f"{name} {what}", _legend(model), figures(*(_chip(model, chip) for chip in chips))
            )


def class_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    return table([{"class": name} | dict(row) for name, row in rows.items()])


def confusion_table(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    """Shares of the pixels of each class, of a matrix (true class, predicted class)."""
    rows: list[dict[str, Any]] = []
    for name, counts in zip(classes, matrix, strict=True):
        shares = [round(100 * count / max(1, sum(counts)), 2) for count in counts]
        rows.append(
            {"truth": name}
            | {f"predicted {name}, %": share for name, share in zip(classes, shares, strict=True)}
        )
        rows[-1]["pixels"] = sum(counts)
    return table(rows, "Confusion matrix: the predicted classes of the pixels of each true class")


def _colours(model: ModelSpec) -> tuple[dict[int, str], dict[int, str]]:
    """Names and colours of the labels of several classes."""
    names = drawn_names(model.classes, model.multilabel)
    return names, class_colours(names, tuple(names))


def _legend(model: ModelSpec) -> str:
    if model.channels == 1:
        return legend(RESULT)
    names, colours = _colours(model)
    return text(SIDES) + legend({names[i]: c for i, c in colours.items()})


def _chip(model: ModelSpec, chip: ScoredChip) -> str:
    under = picture(chip.image, np.ones(chip.truth.shape, bool))
    if model.channels == 1:
        drawn = tint(under, outcomes(chip.prediction, chip.truth), OUTCOMES, 0.5)
    else:
        _, colours = _colours(model)
        drawn = np.hstack(
            [
                tint(under, side, colours, opacity_of(len(colours), None))
                for side in (chip.truth, chip.prediction)
            ]
        )
    path = Path(chip.name)
    # a window of a scene is called scene.tif r0001_c0002
    name = path.name if " " in path.suffix else path.stem
    return figure(
        png(drawn), f"{name}, mean IoU {chip.iou:.3f}", f"chip {name} with the prediction on it"
    )
