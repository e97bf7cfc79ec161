"""What was found in a scene, drawn over it: alone, or beside the truth with the metrics of what the
picture shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.core.encoding import VOID
from geoseg.core.layer import Layer
from geoseg.drawing.colours import FN, FP, TP
from geoseg.drawing.pictures import (
    BUILDING,
    OUTCOMES,
    PLAIN,
    RESULT,
    class_colours,
    heat,
    opacity_of,
    outcomes,
    picture,
    tint,
)
from geoseg.drawing.sheet import Outlines, Panel, Sheet, panel_pixels
from geoseg.evaluation.extent import Extent, cut_at, masked
from geoseg.evaluation.footprints import LayerComparison, compare_layers
from geoseg.evaluation.pixels import compare_pixels
from geoseg.evaluation.summary import pixel_scores
from geoseg.geometry.burn import burn
from geoseg.io.raster.scene import open_scene
from geoseg.io.scene_names import redact_url
from geoseg.io.vector.qgis_style import BREAKS, COLOURS, UNKNOWN
from geoseg.labels.class_raster import is_vector
from geoseg.labels.data_extent import scene_extent
from geoseg.labels.interpret import is_result
from geoseg.report import Progress, Remarks, Run
from geoseg.reports.scene_view import View, area_of_interest, view_of
from geoseg.specs import EvaluateSpec, PreviewSpec, SceneSpec

Metrics = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Found:
    """A prediction or the truth in the pixels that are drawn: ``labels`` uint8 (row, col),
    ``layer`` where it is footprints.

    ``colours`` are those of the labels that are drawn; ``scores`` are probabilities and their
    validity.
    """

    path: str
    labels: np.ndarray
    colours: dict[int, str]
    names: dict[int, str]
    layer: Layer | None
    scores: tuple[np.ndarray, np.ndarray] | None

    @property
    def title(self) -> str:
        return _name(self.path)

    @property
    def keys(self) -> dict[str, str]:
        """Names of the labels that are drawn, with their colours."""
        return {
            self.names.get(label, f"class {label}"): colour
            for label, colour in self.colours.items()
        }


def sheet_of_scene(
    scene: str,
    overlays: Sequence[str],
    truth: str | None,
    aoi: str | None,
    spec: PreviewSpec,
    accompany: Run,
) -> tuple[Sheet, list[dict[str, Any]]]:
    """The sheet, and a row of metrics for each prediction, or for each of its classes where there
    are several.

    A mask, class raster or probability raster is drawn by itself where nothing is to be laid over
    it.
    """
    remarks = accompany.remarks
    count = 2 + len(overlays) if truth else max(1, len(overlays)) + spec.beside
    # how large panels are depends on their shape, so that has to be known first
    shape = view_of(scene, spec.size, spec, aoi, remarks).shape
    view = view_of(scene, panel_pixels(count, shape, spec.size), spec, aoi)
    if not overlays and _is_result(scene):
        plain = np.full((*view.shape, 3), PLAIN, np.uint8)
        return _overlaid(Panel("", plain), [_found(scene, view, spec, remarks)], view, spec), []
    bare = Panel(_name(scene), picture(*view.read(scene, spec)))
    found = [_found(path, view, spec, remarks) for path in overlays]
    if truth is None:
        return _overlaid(bare, found, view, spec), []
    true = _found(truth, view, spec.for_truth, remarks)
    ground = _ground(scene, aoi, view, spec, remarks)
    sheet, metrics = _compared(bare, found, true, ground, view, spec, accompany.progress)
    return sheet, [row for path, values in metrics.items() for row in _flat(path, values)]


def _name(path: str) -> str:
    return Path(redact_url(path)).name


def _is_result(path: str) -> bool:
    """Whether a raster is what `predict`, `rasterize` or `prepare` made, to be drawn by itself."""
    with open_scene(path) as scene:
        return is_result(scene)


def _flat(path: str, metrics: dict[str, Any]) -> list[dict[str, Any]]:
    plain = {
        "prediction": path,
        **{name: value for name, value in metrics.items() if name != "classes"},
    }
    if not _by_pixel(metrics) or "tn" in metrics:
        return [plain]
    classes = [
        {"prediction": path, "class": name, **values} for name, values in metrics["classes"].items()
    ]
    return [*classes, plain | {"class": "mean"}]


def _found(path: str, view: View, spec: PreviewSpec, remarks: Remarks) -> Found:
    with view.classes(path, spec, remarks, stacked=True) as classes:
        labels = view.drawn(classes.read)
        scores = view.drawn(classes.scores) if classes.scores else None
    names = ({1: "building"} if max(classes.present, default=0) <= 1 else {}) | dict(classes.names)
    layer = view.footprints(path, spec, remarks) if is_vector(path) else None
    return Found(path, labels, class_colours(classes.names, classes.present), names, layer, scores)


# Without a truth


def _overlaid(bare: Panel, overlays: Sequence[Found], view: View, spec: PreviewSpec) -> Sheet:
    panels = (
        [bare]
        if bare.title
        and (spec.beside or not overlays or any(overlay.scores for overlay in overlays))
        else []
    )
    keys: dict[str, str] = {}
    for overlay in overlays:
        if overlay.scores is not None:
            panels.append(Panel(overlay.title, heat(*overlay.scores)))
        elif overlay.layer is not None:
            outlines = by_confidence(overlay.layer, view, opacity_of(1, spec.opacity))
            panels.append(Panel(overlay.title, bare.image, tuple(outlines.values())))
            keys |= {name: each.colour for name, each in outlines.items()}
        else:
            panels.append(
                Panel(
                    overlay.title,
                    tint(
                        bare.image,
                        overlay.labels,
                        overlay.colours,
                        opacity_of(len(overlay.colours), spec.opacity),
                    ),
                )
            )
            keys |= overlay.keys
    bar = "probability" if any(overlay.scores for overlay in overlays) else ""
    return Sheet(panels, spec.title, keys=keys, metres=view.metres, bar=bar)


def by_confidence(layer: Layer, view: View, opacity: float) -> dict[str, Outlines]:
    """Footprints in the colours that GeoPackages open with in QGIS, by the range of their
    confidence; those that occur.
    """
    geometry = view.in_pixels(layer.geometry)
    confidence = layer.columns.get("confidence")
    if confidence is None or confidence.dtype.kind != "f" or not np.isfinite(confidence).any():
        return {"building": Outlines(geometry, BUILDING, opacity)}
    # confidences are in the classes that the style of GeoPackages has, so that both look alike
    numbers = np.where(
        np.isfinite(confidence), np.searchsorted(BREAKS[1:-1], confidence, side="right"), -1
    )
    names = [
        "confidence not known",
        *(f"confidence {low:g} to {high:g}" for low, high in pairwise(BREAKS)),
    ]
    colours = [_hex(text) for text in (UNKNOWN, *COLOURS)]
    return {
        name: Outlines(geometry[numbers == number], colour, opacity)
        for number, (name, colour) in enumerate(zip(names, colours, strict=True), -1)
        if (numbers == number).any()
    }


def _hex(colour: str) -> str:
    return "#" + "".join(f"{int(part):02x}" for part in colour.split(","))


# Beside the truth


def _ground(scene: str, aoi: str | None, view: View, spec: PreviewSpec, remarks: Remarks) -> Extent:
    """Where the scene has data, inside the area of interest."""
    areas = [scene_extent(scene, SceneSpec(spec.nodata))]
    if aoi is not None:
        areas.append(area_of_interest(aoi, view.source, remarks))
    return Extent(tuple(areas))


def _compared(
    bare: Panel,
    predictions: Sequence[Found],
    truth: Found,
    ground: Extent,
    view: View,
    spec: PreviewSpec,
    progress: Progress,
) -> tuple[Sheet, Metrics]:
    """Scene, truth, each prediction; predictions of buildings in the colours of what became of
    them on the ``ground``.
    """
    inside = ground.in_crs(view.source.crs)
    many = any(len(each.colours) > 1 for each in (truth, *predictions))
    if many:
        truth, *predictions = _coloured_alike((truth, *predictions))
    panels = [bare, _plain(bare, truth, view, spec)]
    metrics: Metrics = {}
    faint = opacity_of(1, spec.opacity)
    for prediction in predictions:
        if prediction.scores is not None:
            panels.append(Panel(f"{prediction.title}: probability", heat(*prediction.scores)))
        if prediction.layer is not None and truth.layer is not None:
            rules = EvaluateSpec(iou=spec.iou)
            matched = compare_layers(*cut_at(prediction.layer, truth.layer, inside, rules), rules)
            counts = matched.matches.counts.to_dict()
            metrics[prediction.path] = {
                name: value for name, value in counts.items() if name != "iou"
            }
            panels.append(
                Panel(prediction.title, bare.image, matched_outlines(matched, view, faint))
            )
            continue
        metrics[prediction.path] = _pixel_metrics(prediction, truth, ground, view, spec, progress)
        if many:
            panels.append(
                Panel(
                    prediction.title,
                    tint(
                        bare.image,
                        prediction.labels,
                        prediction.colours,
                        opacity_of(len(prediction.colours), spec.opacity),
                    ),
                )
            )
        else:
            beyond = burn([inside], view.grid) == 0
            true = np.where(beyond, np.uint8(VOID), truth.labels)
            became = outcomes(prediction.labels, true)
            panels.append(Panel(prediction.title, tint(bare.image, became, OUTCOMES, faint)))
    keys = {} if many or not predictions else _counted(metrics)
    rows = _class_rows(predictions, truth, metrics) if many else _rows(predictions, metrics)
    bar = "probability" if any(prediction.scores for prediction in predictions) else ""
    return Sheet(panels, spec.title, keys=keys, rows=rows, metres=view.metres, bar=bar), metrics


def _coloured_alike(found: Sequence[Found]) -> list[Found]:
    """With one colour for each name of a class, however its raster numbers it."""
    named = [
        {label: each.names.get(label, f"class {label}").lower() for label in each.colours}
        for each in found
    ]
    names = list(dict.fromkeys(name for each in named for name in each.values()))
    places = tuple(range(1, len(names) + 1))
    chosen = class_colours(dict(zip(places, names, strict=True)), places)
    colours = dict(zip(names, chosen.values(), strict=True))
    return [
        replace(each, colours={label: colours[name] for label, name in own.items()})
        for each, own in zip(found, named, strict=True)
    ]


def _plain(bare: Panel, truth: Found, view: View, spec: PreviewSpec) -> Panel:
    title = f"truth: {truth.title}"
    if truth.layer is None:
        return Panel(
            title,
            tint(
                bare.image,
                truth.labels,
                truth.colours,
                opacity_of(len(truth.colours), spec.opacity),
            ),
        )
    return Panel(
        title,
        bare.image,
        (Outlines(view.in_pixels(truth.layer.geometry), BUILDING, opacity_of(1, spec.opacity)),),
    )


def matched_outlines(matched: LayerComparison, view: View, opacity: float) -> tuple[Outlines, ...]:
    """Footprints of both layers by outcome: missed, false positive, correct, the last on top."""
    predicted = view.in_pixels(matched.prediction.geometry)
    true = view.in_pixels(matched.truth.geometry)
    matches = matched.matches
    return (
        Outlines(true[matches.false_negatives], FN, opacity),
        Outlines(predicted[matches.false_positives], FP, opacity),
        Outlines(predicted[matches.pairs[:, 0]], TP, opacity),
    )


def _pixel_metrics(
    prediction: Found,
    truth: Found,
    ground: Extent,
    view: View,
    spec: PreviewSpec,
    progress: Progress,
) -> dict[str, Any]:
    """Metrics of the scene's own pixels in the view, at their full resolution."""
    grid = view.source.window(view.window)
    notes = Remarks()
    with (
        view.classes(prediction.path, spec, notes) as predicted_classes,
        view.classes(truth.path, spec.for_truth, notes) as true_classes,
    ):
        compared = compare_pixels(
            predicted_classes,
            masked(true_classes, ground, grid),
            grid,
            EvaluateSpec(),
            progress,
        )
    return pixel_scores(compared.matrix, compared.outlines, compared.names)


def _rows(overlays: Sequence[Found], metrics: Metrics) -> list[dict[str, Any]]:
    """Metrics of buildings, a row for each prediction; those of footprints have no IoU."""
    rows = []
    for overlay in overlays:
        scores = metrics[overlay.path]
        shown = {"IoU": scores["iou"]} if _by_pixel(scores) else {}
        shown |= {"F1": scores["f1"], "precision": scores["precision"], "recall": scores["recall"]}
        rows.append(
            {"": f"{overlay.title}, {'pixels' if _by_pixel(scores) else 'footprints'}"} | shown
        )
    return rows


def _by_pixel(metrics: Mapping[str, Any]) -> bool:
    return "boundary_iou" in metrics


def _counted(metrics: Metrics) -> dict[str, str]:
    """What the colours of a comparison mean, with how many footprints there are of each where there
    is one comparison.
    """
    counts = next(iter(metrics.values()))
    if len(metrics) > 1 or _by_pixel(counts):
        return RESULT
    numbers = (counts["tp"], counts["fp"], counts["fn"])
    return {
        f"{name}: {number:,}": colour
        for (name, colour), number in zip(RESULT.items(), numbers, strict=True)
    }


def _class_rows(
    predictions: Sequence[Found], truth: Found, metrics: Mapping[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """IoU and dice of each class, by class, in columns for each prediction; their means last."""
    colours = {name: colour for one in (*predictions, truth) for name, colour in one.keys.items()}
    labels = {name for one in metrics.values() for name in one["classes"]}
    order = {**dict.fromkeys(colours), **dict.fromkeys(sorted(labels))}
    rows: list[dict[str, Any]] = []
    for name in [name for name in order if name in labels]:
        rows.append({"": name, "colour": colours.get(name, "#ffffff")})
    rows.append({"": "mean"})
    for one in predictions:
        of_class = metrics[one.path]["classes"]
        more = f" {one.title}" if len(predictions) > 1 else ""
        for row in rows:
            for column, metric in (("IoU", "iou"), ("dice", "f1")):
                means = {"iou": metrics[one.path]["mean_iou"], "f1": metrics[one.path]["f1"]}
                value = (
                    means[metric] if row[""] == "mean" else of_class.get(row[""], {}).get(metric)
                )
                row[column + more] = value
    return rows
