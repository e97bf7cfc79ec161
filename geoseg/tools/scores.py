"""Counts and matches as the dictionaries of metrics that reports hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import shapely

from geoseg.core.layer import Layer
from geoseg.core.matching import assign, coco_ap, counts_by_size, overlaps
from geoseg.core.measure import areas
from geoseg.core.metrics import Counts, class_counts, mean_iou, pixel_accuracy
from geoseg.errors import UnsuitableError, UsageError

RATIOS = ("precision", "recall", "f1", "iou")


def pixel_scores(matrix: np.ndarray, outlines: Mapping[int, Counts], names: Mapping[int, str]) -> dict[str, Any]:
    """Metrics of a confusion matrix (true class, predicted class) and of the outlines of its classes.

    Two classes: those of the buildings, with their counts. More: means over the classes that occur. Either way ``mean_iou``,
    ``accuracy``, ``boundary_iou``, and the ratios of each class that occurs under ``classes``.
    """
    counts = class_counts(matrix)
    present = [label for label, c in enumerate(counts) if c.tp + c.fp + c.fn]
    rows = {label: _ratios(counts[label]) for label in present}
    for label in rows.keys() & outlines.keys():
        rows[label]["boundary_iou"] = outlines[label].iou
    if len(counts) == 2:
        building = counts[1]
        out = {"tp": building.tp, "fp": building.fp, "fn": building.fn, "tn": building.tn} | _ratios(building)
        out["boundary_iou"] = outlines[1].iou
        names = {0: "background", 1: "building"} | dict(names)
    else:
        buildings = [row for label, row in rows.items() if label > 0]
        out = {name: float(np.mean([row[name] for row in rows.values()])) for name in RATIOS}
        out["boundary_iou"] = float(np.mean([row["boundary_iou"] for row in buildings])) if buildings else 1.0
    classes = {names.get(label, str(label)): row for label, row in rows.items()}
    return out | {"accuracy": pixel_accuracy(matrix), "mean_iou": mean_iou(matrix), "classes": classes}


def _ratios(counts: Counts) -> dict[str, Any]:
    return {name: getattr(counts, name) for name in RATIOS}


def footprint_scores(prediction: Layer, truth: Layer, iou: float) -> dict[str, Any]:
    """Metrics of two layers of valid footprints in one CRS.

    A ``confidence`` column of numbers in the prediction ranks its footprints, those without one last.
    """
    if (prediction.crs is None) != (truth.crs is None):
        raise UnsuitableError("only one of the two layers has a CRS")
    ours, theirs = prediction.geometry, truth.geometry
    confidence = _confidence(prediction)
    pairs = overlaps(ours, theirs, min(iou, 0.5))
    matches = assign(pairs, confidence, iou)
    by_iou = coco_ap(pairs, confidence)
    by_size = counts_by_size(matches, _areas(ours, prediction.crs), _areas(theirs, truth.crs))
    return _footprint_metrics(matches.counts) | {
        "at_iou": iou,
        "matched_iou": float(matches.ious.mean()) if len(matches.ious) else 0.0,
        "ap": float(np.mean(list(by_iou.values()))),
        "by_iou": {f"{at:.2f}": value for at, value in by_iou.items()},
        "by_size": {size: _footprint_metrics(counts) for size, counts in by_size.items()},
    }


def _confidence(layer: Layer) -> np.ndarray | None:
    column = layer.columns.get("confidence")
    if column is None or column.dtype.kind not in "fiu":
        return None
    return np.nan_to_num(column.astype(float), nan=-1.0)


def _footprint_metrics(counts: Counts) -> dict[str, Any]:
    ratios = {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1}
    return {"tp": counts.tp, "fp": counts.fp, "fn": counts.fn} | ratios


def _areas(geometry: np.ndarray, crs: Any) -> np.ndarray:
    out, solid = np.zeros(len(geometry)), ~shapely.is_empty(geometry)
    out[solid] = areas(geometry[solid], crs)
    return out


def missed(pixel: dict[str, Any], found: dict[str, Any], limits: Mapping[str, float]) -> tuple[str, ...]:
    """Which of the lowest values that will do are missed, in words.

    ``f1`` is that of the footprints where there are footprints, else of the pixels; ``pixel.f1`` and ``object.f1`` are plain.
    Raises UsageError for what was not measured.
    """
    failed = []
    for name, lowest in limits.items():
        group, _, metric = name.rpartition(".")
        groups = {"pixel": [pixel], "object": [found], "": [found, pixel]}.get(group, [])
        value = next((values[metric] for values in groups if isinstance(values.get(metric), int | float)), None)
        if value is None:
            known = sorted({key for values in (pixel, found) for key, v in values.items() if isinstance(v, float)})
            raise UsageError(f"{name} was not measured", f"there are {', '.join(known)}")
        if value < lowest:
            failed.append(f"{name} is {value:.4f}, below {lowest:g}")
    return tuple(failed)
