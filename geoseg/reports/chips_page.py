"""The report page of a model's scores on the chips of a split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseg.drawing.html import (
    WORDS,
    facts,
    figure,
    figures,
    items,
    section,
    table,
    text,
    write_page,
)
from geoseg.drawing.plots import curves
from geoseg.evaluation.gallery import Gallery
from geoseg.evaluation.summary import RATIOS
from geoseg.reports.chip_figures import (
    chip_sections,
    class_table,
    confusion_table,
    outcome_counts,
)
from geoseg.specs import ModelSpec

if TYPE_CHECKING:
    from geoseg.evaluation.reports import ChipsReport


def write(
    path: Path, report: ChipsReport, model: ModelSpec, gallery: Gallery, *, overwrite: bool = False
) -> None:
    """Write the page of a report; ``gallery`` has its best and worst chips. Raises OutputError."""
    title = f"How good is {report.model}?"
    subtitle = f"on {report.chips:,} chips of the {report.split} split of {report.inputs[0]}"
    write_page(
        path, title, _sections(report, model, gallery), subtitle=subtitle, overwrite=overwrite
    )


def _sections(report: ChipsReport, model: ModelSpec, gallery: Gallery) -> Iterator[str]:
    yield section("Pixels", *_pixels(report, model))
    if report.object:
        yield section("Footprints", *_footprints(report))
    if report.thresholds:
        yield section("Thresholds", *_thresholds(report))
    yield from chip_sections(model, gallery, "chips")
    if report.warnings:
        yield section("Warnings", items(report.warnings))


def _pixels(report: ChipsReport, model: ModelSpec) -> Iterator[str]:
    pixel = report.pixel
    yield facts(
        {
            name: pixel[name]
            for name in (*RATIOS, "boundary_iou", "mean_iou", "accuracy")
            if name in pixel
        }
    )
    if report.min_area:
        yield text(
            f"From a probability of {report.threshold:g}, without what is smaller than "
            f"{report.min_area:g} m²."
        )
    elif report.threshold:
        yield text(f"From a probability of {report.threshold:g}.")
    if "classes" in pixel:
        yield class_table(pixel["classes"])
    if "confusion" in pixel:
        yield confusion_table(model.classes, pixel["confusion"])  # those that do not occur too


def _footprints(report: ChipsReport) -> Iterator[str]:
    scores = report.object
    yield facts({name: scores[name] for name in ("f1", "precision", "recall")})
    yield text(
        f"{outcome_counts(scores)}, at an IoU of {scores['at_iou']:g}; "
        "footprints at the border of a chip end there, in the truth as well."
    )


def _thresholds(report: ChipsReport) -> Iterator[str]:
    rows = report.thresholds
    if report.object:
        parts = {
            "Pixels": RATIOS,
            "Footprints": tuple(f"object_{name}" for name in ("precision", "recall", "f1")),
        }
        chosen = [row for row in rows if row["cleaned"]]
        plots = [
            figure(_curves(chosen, names), f"{what}, cleaned", f"{what.lower()} by threshold")
            for what, names in parts.items()
        ]
        yield figures(*plots)
    yield table(rows)


def _curves(rows: list[dict[str, Any]], names: tuple[str, ...]) -> Any:
    thresholds = [row["threshold"] for row in rows]
    plain = {name: name.removeprefix("object_") for name in names}
    lines = {
        WORDS.get(word, word): (thresholds, [row[name] for row in rows])
        for name, word in plain.items()
    }
    return curves(lines, x="threshold", y="", limits=(0, 1))
