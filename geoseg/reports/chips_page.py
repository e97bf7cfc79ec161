"""The report page of a model's scores on the chips of a split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseg.chips.scene_windows import SplitOutlines
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
from geoseg.reports.place_map import split_section
from geoseg.specs import ModelSpec

if TYPE_CHECKING:
    from geoseg.evaluation.reports import ChipsReport


@dataclass(frozen=True)
class Places:
    """Where the chips of all splits lie, on the scene ``image`` where they are windows of it."""

    outlines: SplitOutlines
    image: str | None = None


def write(
    path: Path,
    report: ChipsReport,
    model: ModelSpec,
    gallery: Gallery,
    places: Places | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write the page of a report; ``gallery`` has its best and worst chips, ``places`` where they
    lie. Raises OutputError.
    """
    title = f"How good is {report.model}?"
    which = "all" if report.split == "all" else f"the {report.split} split"
    subtitle = f"on {report.chips:,} chips, {which} of {', '.join(report.inputs)}"
    sections = _sections(report, model, gallery, places)
    write_page(path, title, sections, subtitle=subtitle, overwrite=overwrite)


def _sections(
    report: ChipsReport, model: ModelSpec, gallery: Gallery, places: Places | None
) -> Iterator[str]:
    yield section("Pixels", *_pixels(report, model))
    if report.object:
        yield section("Footprints", *_footprints(report))
    if report.thresholds:
        yield section("Thresholds", *_thresholds(report))
    if places is not None:
        yield from split_section(places.outlines, places.image)
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
    if report.min_confidence:
        yield text(f"Those with a mean probability of {report.min_confidence:g} at least.")
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
