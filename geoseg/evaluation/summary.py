"""What was compared as the dictionaries of metrics that reports hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from geoseg.errors import UsageError
from geoseg.evaluation.footprints import LayerComparison
from geoseg.evaluation.matching import coco_ap, counts_by_size
from geoseg.evaluation.metrics import (
    Counts,
    class_counts,
    class_means,
    mean_iou,
    mean_ratio,
    pixel_accuracy,
)
from geoseg.evaluation.sweep import THRESHOLDS, average_precision, curves

RATIOS = ("precision", "recall", "f1", "iou")
PERCENTILES = {"p10": 10, "median": 50, "p90": 90}
# The city of a SpaceNet image is in its name
_CITY = re.compile(r"AOI_\d+_[A-Za-z]+")


def pixel_scores(
    matrix: np.ndarray, outlines: Mapping[int, Counts], names: Mapping[int, str]
) -> dict[str, Any]:
    """Metrics of a confusion matrix (true class, predicted class) and of the outlines of its
    classes.

    Two classes: those of the buildings, with their counts. More: means over the classes that occur.
    Either way ``mean_iou``, ``accuracy``, ``boundary_iou``, and the ratios of each class that
    occurs under ``classes``.
    """
    counts = class_counts(matrix)
    present = [label for label, c in enumerate(counts) if c.occurs]
    rows = {label: {name: getattr(counts[label], name) for name in RATIOS} for label in present}
    for label in rows.keys() & outlines.keys():
        rows[label]["boundary_iou"] = outlines[label].iou
    out: dict[str, Any]
    if len(counts) == 2:
        building = counts[1]
        out = {"tp": building.tp, "fp": building.fp, "fn": building.fn, "tn": building.tn}
        out |= {name: getattr(building, name) for name in RATIOS} | {
            "boundary_iou": outlines[1].iou
        }
        names = {0: "background", 1: "building"} | dict(names)
    else:
        out = class_means(counts, RATIOS)
        # the background has no outline of its own
        out["boundary_iou"] = mean_ratio(
            [row["boundary_iou"] for label, row in rows.items() if label > 0]
        )
    classes = {names.get(label, str(label)): row for label, row in rows.items()}
    return out | {
        "accuracy": pixel_accuracy(matrix),
        "mean_iou": mean_iou(matrix),
        "classes": classes,
    }


def multilabel_scores(classes: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Metrics of multi-label ``classes``, and the means of their ratios over those
    that occur.
    """
    present = [row for row in classes.values() if row["tp"] + row["fp"] + row["fn"]]
    names = [
        name for name in (*RATIOS, "boundary_iou") if all(name in row for row in classes.values())
    ]
    means = {name: mean_ratio([row[name] for row in present]) for name in names}
    return means | {"classes": dict(classes)}


def sweep_scores(pixels: np.ndarray) -> dict[str, Any]:
    """Curves over all thresholds of a histogram of probabilities, and the threshold of the best
    IoU.

    It has the best F1 too; of several best ones the middle is taken.
    """
    by_threshold = curves(pixels)
    iou = by_threshold["iou"]
    # many thresholds may give the same pixels: the middle one is the least sensitive
    best = np.flatnonzero(iou == iou.max())
    middle = best[len(best) // 2]
    return {
        "best_threshold": float(THRESHOLDS[middle]),
        "best_iou": float(iou[middle]),
        "average_precision": average_precision(by_threshold["precision"], by_threshold["recall"]),
        "sweep": {
            name: values.round(6).tolist()
            for name, values in ({"thresholds": THRESHOLDS} | by_threshold).items()
        },
    }


def footprint_scores(matched: LayerComparison, iou: float) -> dict[str, Any]:
    """Metrics of two layers of footprints that were matched at ``iou``."""
    by_iou = coco_ap(matched.overlaps, matched.confidence)
    by_size = counts_by_size(matched.matches, *matched.areas)
    unit = "px" if matched.truth.crs is None else "m"
    return _ratios(matched.matches.counts) | {
        "at_iou": iou,
        "matched_iou": float(matched.matches.ious.mean()) if len(matched.matches.ious) else 0.0,
        "ap": float(np.mean(list(by_iou.values()))),
        "splits": len(matched.splits),
        "merges": len(matched.merges),
        "by_iou": {f"{at:.2f}": value for at, value in by_iou.items()},
        "by_size": {size: _ratios(counts) for size, counts in by_size.items()},
        "outlines": {
            f"{name}_{unit}": describe(values)
            for name, values in zip(("polis", "hausdorff"), matched.distances, strict=True)
            if len(values)
        },
    }


def city_scores(matched: LayerComparison) -> dict[str, Any]:
    """Metrics of each city by the names of its images, and the mean F1 over the cities, which
    SpaceNet 2 ranks by.
    """
    cities: dict[str, Counts] = {}
    for image, counts in zip(matched.images or (), matched.counts.tolist(), strict=True):
        city = found[0] if (found := _CITY.search(image)) else "other"
        cities[city] = cities.get(city, Counts()) + Counts(*counts)
    mean = float(np.mean([counts.f1 for counts in cities.values()])) if cities else 1.0
    return {
        "mean_f1": mean,
        "cities": {city: _ratios(counts) for city, counts in sorted(cities.items())},
    }


def _ratios(counts: Counts) -> dict[str, Any]:
    ratios = {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1}
    return {"tp": counts.tp, "fp": counts.fp, "fn": counts.fn} | ratios


def describe(values: np.ndarray) -> dict[str, float]:
    """Mean and percentiles of ``values`` (n,), at least one."""
    percentiles = np.percentile(values, list(PERCENTILES.values())).tolist()
    return {"mean": float(values.mean())} | dict(zip(PERCENTILES, percentiles, strict=True))


def failed_limits(
    pixel: dict[str, Any], objects: dict[str, Any], limits: Mapping[str, float]
) -> tuple[str, ...]:
    """Which of the lowest values that will do are missed, in words.

    ``f1`` is that of the footprints where there are footprints, else of the pixels; ``pixel.f1``
    and ``object.f1`` are plain. Raises UsageError for what was not measured.
    """
    failed = []
    for name, lowest in limits.items():
        # f1 -> "" and f1, pixel.f1 -> pixel and f1
        group, _, metric = name.rpartition(".")
        groups = {"pixel": [pixel], "object": [objects], "": [objects, pixel]}.get(group, [])
        value = next(
            (values[metric] for values in groups if isinstance(values.get(metric), int | float)),
            None,
        )
        if value is None:
            known = sorted(
                {
                    key
                    for values in (pixel, objects)
                    for key, v in values.items()
                    if isinstance(v, float)
                }
            )
            raise UsageError(f"{name} was not measured", f"there are {', '.join(known)}")
        if value < lowest:
            failed.append(f"{name} is {value:.4f}, below {lowest:g}")
    return tuple(failed)
