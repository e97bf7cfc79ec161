"""The report page of an evaluation: scores, curves, sizes, pictures of the best and the worst
places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoseg.drawing.html import (
    WORDS,
    facts,
    figure,
    figures,
    items,
    jpeg,
    legend,
    section,
    table,
    text,
    write_page,
)
from geoseg.drawing.pictures import RESULT, class_colours
from geoseg.drawing.plots import bars, curves
from geoseg.evaluation.compare_files import Comparison
from geoseg.evaluation.footprints import LayerComparison
from geoseg.evaluation.matching import precision_recall
from geoseg.evaluation.pixels import ComparedPixels
from geoseg.evaluation.regions import footprint_blocks, pixel_blocks
from geoseg.evaluation.summary import RATIOS
from geoseg.reports.chip_figures import SIDES, outcome_counts
from geoseg.reports.place_map import map_of_places
from geoseg.reports.region_pictures import Draw, drawn_footprints, drawn_pixels
from geoseg.specs import EvaluateSpec

if TYPE_CHECKING:
    from geoseg.evaluation.reports import EvaluateReport

Places = tuple[dict[str, Any], ...]
# Places of either kind that are pictured
PICTURED = 6
# Square metres between which footprints are counted
AREAS = (0, 25, 50, 100, 200, 500, 1000, np.inf)
DISTANCES = {
    f"{name.lower()}_{unit}": f"{name}, {unit}"
    for name in ("PoLiS", "Hausdorff")
    for unit in ("m", "px")
}


def write(
    path: Path | str,
    report: EvaluateReport,
    compared: Comparison,
    spec: EvaluateSpec,
    image: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write the page of a report; ``image`` is a scene to show places on, by default that which the
    prediction was made from where it was found. Raises OutputError.
    """
    prediction, truth = report.inputs
    image = image or next(iter(report.ground.get("scenes", ())), None)
    sections = _sections(report, compared.footprints, compared.pixels, spec, image)
    title = f"How good is {Path(prediction).name}?"
    write_page(
        path, title, sections, subtitle=f"{prediction} compared with {truth}", overwrite=overwrite
    )


def _sections(
    report: EvaluateReport,
    matched: LayerComparison | None,
    pixels: ComparedPixels | None,
    spec: EvaluateSpec,
    image: str | None,
) -> Iterator[str]:
    if report.object and matched:
        yield section("Footprints", *_footprints(report, matched, spec))
    if report.pixel:
        yield section("Pixels", *_pixels(report.pixel, report.intervals.get("pixel", {}), spec))
    draw = _draw(report.inputs, matched, pixels, spec, image)
    if draw and report.places:
        worst, best = _chosen(report.places)
        yield from _map(matched, pixels, image, (*worst, *best))
        yield from _places(worst, best, draw, _legend(matched, pixels))
    yield section("What was compared", *_compared(report, image))


def _compared(report: EvaluateReport, image: str | None) -> Iterator[str]:
    files = {"prediction": report.inputs[0], "truth": report.inputs[1], "image": image}
    files |= {"area of interest": report.ground.get("aoi")}
    yield table([{"what": name, "file": value} for name, value in files.items() if value])
    if scenes := report.ground.get("scenes"):
        named = "that the prediction was made from"
        by = named if report.ground["named_by"] == "provenance" else "that was named"
        beyond = report.ground.get("beyond", {"truth": 0, "prediction": 0})
        yield text(
            f"Compared where the scene {by} has data ({', '.join(scenes)}): {beyond['truth']:,} "
            f"true and {beyond['prediction']:,} predicted footprints beyond it do not count."
        )
    if report.warnings:
        yield items(report.warnings)


# Footprints


def _footprints(
    report: EvaluateReport, matched: LayerComparison, spec: EvaluateSpec
) -> Iterator[str]:
    scores = report.object
    yield facts({name: scores[name] for name in ("f1", "precision", "recall", "ap", "matched_iou")})
    fragments = (
        f"{scores['splits']:,} true footprints are split into several, {scores['merges']:,} "
        "predicted ones merge several."
    )
    yield text(f"{outcome_counts(scores)}, at an IoU of {spec.iou:g}. {fragments}")
    if intervals := report.intervals.get("object"):
        yield table(_intervals(intervals, scores), "95% intervals of the bootstrap")
    yield table(
        [{"size": name, **row} for name, row in scores["by_size"].items()],
        "By size: small below 50 m², large from 500 m²",
    )
    ious = [float(iou) for iou in scores["by_iou"]]
    by_iou = curves(
        {"AP": (ious, list(scores["by_iou"].values()))},
        x="IoU of a match",
        y="average precision",
        limits=(0, 1),
    )
    yield figures(*_by_confidence(matched, spec))
    yield figures(
        figure(
            _sizes(matched),
            "True footprints by area",
            "bars of found and missed footprints by their area",
        ),
        figure(by_iou, "Average precision by the IoU that a match needs", "a falling curve"),
    )
    if scores.get("outlines"):
        rows = [
            {"distance": DISTANCES.get(name, name), **row}
            for name, row in scores["outlines"].items()
        ]
        yield table(rows, "Distances between matched outlines")


def _by_confidence(matched: LayerComparison, spec: EvaluateSpec) -> Iterator[str]:
    """Precision and recall of the predictions of at least each confidence; nothing where nothing
    ranks them.
    """
    if matched.confidence is None or not len(matched.prediction) or not len(matched.truth):
        return
    least, precision, recall = precision_recall(matched.overlaps, matched.confidence, spec.iou)
    known = np.isfinite(least)  # those without a confidence come last
    if known.sum() < 2:
        return
    least, precision, recall = (values[known] for values in (least, precision, recall))
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)
    best = int(np.argmax(f1))
    lines = {
        WORDS.get(name, name): (least.tolist(), values.tolist())
        for name, values in (("f1", f1), ("precision", precision), ("recall", recall))
    }
    by_least = curves(
        lines, x="least confidence", y="", limits=(0, 1.02), mark=("best", float(least[best]))
    )
    against = curves(
        {"": (recall.tolist(), precision.tolist())},
        x="recall",
        y="precision",
        limits=(0, 1.02),
    )
    yield figure(
        by_least,
        f"By the least confidence of a footprint: best F1 {f1[best]:.3f} from {least[best]:.2f}",
        "F1, precision and recall by the least confidence",
    )
    yield figure(
        against,
        f"Precision against recall, the most confident footprints first; IoU {spec.iou:g}",
        "precision against recall",
    )


def _sizes(matched: LayerComparison) -> Any:
    areas = matched.areas[1]
    missed = np.zeros(len(matched.truth), bool)
    missed[matched.matches.false_negatives] = True
    names = [
        f"< {AREAS[1]}",
        *(f"{low} to\n{high}" for low, high in pairwise(AREAS[1:-1])),
        f"> {AREAS[-2]}",
    ]
    groups = {"found": areas[~missed], "missed": areas[missed]}
    return bars(
        names,
        {k: np.histogram(v, AREAS)[0].tolist() for k, v in groups.items()},
        x=f"area in {_unit(matched)}",
        y="footprints",
    )


def _unit(matched: LayerComparison) -> str:
    return "px" if matched.truth.crs is None else "m²"


def _intervals(intervals: Mapping[str, Any], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"metric": WORDS.get(name, name), "value": values[name], "from": low, "to": high}
        for name, (low, high) in intervals.items()
    ]


# Pixels


def _pixels(
    pixel: Mapping[str, Any], intervals: Mapping[str, Any], spec: EvaluateSpec
) -> Iterator[str]:
    names = ("iou", "f1", "precision", "recall", "boundary_iou", "mean_iou", "accuracy")
    yield facts({name: pixel[name] for name in names if name in pixel})
    if intervals:
        yield table(_intervals(intervals, pixel), "95% intervals of the bootstrap")
    yield table([{"class": name, **row} for name, row in pixel["classes"].items()], "By class")
    if sweep := pixel.get("sweep"):
        lines = {WORDS.get(name, name): (sweep["thresholds"], sweep[name]) for name in RATIOS}
        mark = (
            ("best", pixel["best_threshold"])
            if spec.threshold is None
            else ("used", spec.threshold)
        )
        by_threshold = curves(lines, x="threshold", y="", limits=(0, 1.02), mark=mark)
        against = curves(
            {"": (sweep["recall"], sweep["precision"])}, x="recall", y="precision", limits=(0, 1.02)
        )
        yield figures(
            figure(
                by_threshold,
                f"Best IoU {pixel['best_iou']:.3f} at {pixel['best_threshold']:.3f}",
                "precision rises, recall falls with the threshold",
            ),
            figure(
                against,
                f"Average precision {pixel['average_precision']:.3f}",
                "precision against recall",
            ),
        )


# Places


def _draw(
    names: tuple[str, ...],
    matched: LayerComparison | None,
    pixels: ComparedPixels | None,
    spec: EvaluateSpec,
    image: str | None,
) -> Draw | None:
    if matched:
        return drawn_footprints(matched, image)
    return drawn_pixels((names[0], names[1]), pixels, image, spec.threshold) if pixels else None


def _legend(matched: LayerComparison | None, pixels: ComparedPixels | None) -> str:
    if matched or pixels is None or pixels.matrices.shape[-1] == 2:
        return legend(RESULT)
    colours = class_colours(pixels.names, tuple(range(pixels.matrices.shape[-1])))
    names = {pixels.names.get(label, str(label)): colour for label, colour in colours.items()}
    return text(SIDES) + legend(names)


def _chosen(places: Places) -> tuple[Places, Places]:
    """The worst places, worst first, and the best, best first; none is in both."""
    return places[:PICTURED], places[max(PICTURED, len(places) - PICTURED) :][::-1]


def _map(
    matched: LayerComparison | None,
    pixels: ComparedPixels | None,
    image: str | None,
    places: Places,
) -> Iterator[str]:
    """Where it is good and where not; those of many images have no common map."""
    if matched is not None and matched.images is None:
        bounds, scores = footprint_blocks(matched)
        crs = matched.truth.crs
        what = "F1"
    elif matched is None and pixels is not None:
        bounds, scores = pixel_blocks(pixels)
        crs = pixels.grid.crs
        what = "IoU"
    else:
        return
    drawn = map_of_places(bounds, scores, crs, image, label=what, places=places)
    caption = f"{what} by blocks of ground; the numbers are those of the places below"
    yield section("Map", figure(jpeg(drawn), caption, f"a map of {what} by blocks of ground"))


def _places(worst: Places, best: Places, draw: Draw, keys: str) -> Iterator[str]:
    first = 1
    for title, chosen in (("Worst places", worst), ("Best places", best)):
        if chosen:
            numbered = list(enumerate(chosen, first))
            pictures = (
                figure(
                    jpeg(draw(place)),
                    f"{number}. {_caption(place)}",
                    f"{title.lower()}: {_caption(place)}",
                )
                for number, place in numbered
            )
            rows = [{"place": number} | _row(place) for number, place in numbered]
            yield section(title, keys, figures(*pictures), table(rows))
        first += len(chosen)


def _caption(place: Mapping[str, Any]) -> str:
    score = f"F1 {place['f1']:.3f}" if "f1" in place else f"IoU {place['iou']:.3f}"
    return f"{_where(place)}: {score}, {outcome_counts(place)}"


def _where(place: Mapping[str, Any]) -> str:
    if "image" in place:
        return str(place["image"])
    left, bottom, right, top = place["bounds"]
    digits = 5 if place["crs"] and max(map(abs, place["bounds"])) <= 360 else 0
    return f"{(left + right) / 2:.{digits}f}, {(bottom + top) / 2:.{digits}f}"


def _row(place: Mapping[str, Any]) -> dict[str, Any]:
    return {"middle": _where(place)} | {
        name: value for name, value in place.items() if name not in ("bounds", "crs", "image")
    }
