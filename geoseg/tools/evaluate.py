"""Compare a prediction with the truth: pixels where there is a grid, footprints where there are footprints."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from geoseg.core.grid import Grid
from geoseg.core.matching import assign, coco_ap, counts_by_size, overlaps
from geoseg.core.measure import areas
from geoseg.core.metrics import Counts, boundary, class_counts, confusion, count, mean_iou, pixel_accuracy
from geoseg.errors import UnsuitableError, UsageError
from geoseg.io.raster import open_scene
from geoseg.tools.classes import VOID, Classes, is_vector, open_classes
from geoseg.tools.rasterize import footprints_in, strips
from geoseg.tools.report import Progress, Report, no_progress

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

# Pixels compared at a time.
STRIP_PIXELS = 2**22
RATIOS = ("precision", "recall", "f1", "iou")


@dataclass(frozen=True, kw_only=True)
class EvaluateReport(Report):
    """``pixel`` and ``object`` metrics, empty where there are none to be had; ``failed`` says which limits are missed.

    ``pixel``: ratios of the building pixels (means over the classes where there are several), ``mean_iou``, ``accuracy``,
    ``boundary_iou``, counts, and all of it for each of the ``classes``. ``object``: counts and ratios of the footprints,
    ``ap`` (mean over the IoUs 0.5 to 0.95), ``by_iou`` and ``by_size``.
    """

    pixel: dict[str, Any]
    object: dict[str, Any]
    failed: tuple[str, ...] = ()


def run(
    prediction: Path | str,
    truth: Path | str,
    *,
    iou: float = 0.5,
    threshold: float | None = None,
    like: Path | str | None = None,
    boundary_width: int = 3,
    fail_under: Mapping[str, float] | None = None,
    progress: Progress = no_progress,
) -> EvaluateReport:
    """Compare two rasters, two vector files, or one of each.

    Pixels are compared on the grid of ``like``, else of the prediction, else of the truth, whichever is a raster first; a
    truth raster on another grid is read by nearest neighbour, footprints are burned. Pixels without data in either raster do
    not count. ``threshold`` (0.5 by default) is that of probability rasters; the boundary IoU takes outlines
    ``boundary_width`` pixels wide. Footprints match one to one at ``iou``; predictions are reprojected to the truth's CRS.

    ``fail_under`` holds the lowest values that will do: ``f1`` is that of the footprints where footprints were compared,
    else of the pixels; ``pixel.f1`` and ``object.f1`` are plain. What is missed is told in the report, not raised.
    """
    start = time.perf_counter()
    warnings: list[str] = []
    names = str(prediction), str(truth)
    vectors = [is_vector(name) for name in names]
    grid = _grid([str(like)] if like else [name for name, vector in zip(names, vectors, strict=True) if not vector])
    pixel: dict[str, Any] = {}
    if grid is not None:
        with ExitStack() as stack:
            sides = [stack.enter_context(open_classes(name, grid, threshold, warnings)) for name in names]
            pixel = compare_pixels(sides[0], sides[1], grid, boundary_width, progress)
    found = compare_footprints(*_layers(names, warnings), iou) if all(vectors) else {}
    return EvaluateReport(
        command="evaluate",
        inputs=names,
        seconds=time.perf_counter() - start,
        warnings=tuple(dict.fromkeys(warnings)),
        pixel=pixel,
        object=found,
        failed=_failed(pixel, found, fail_under or {}),
    )


def _grid(rasters: list[str]) -> Grid | None:
    if not rasters:
        return None
    with open_scene(rasters[0]) as scene:
        return scene.grid


def compare_pixels(
    prediction: Classes, truth: Classes, grid: Grid, boundary_width: int, progress: Progress = no_progress
) -> dict[str, Any]:
    """Metrics of two class rasters on ``grid``, strip by strip."""
    present = sorted({0, 1, *prediction.present, *truth.present})
    classes = present[-1] + 1
    matrix = np.zeros((classes, classes), np.int64)
    outlines = {label: Counts() for label in present[1:]}
    advance = progress("compare", grid.height)
    for window in strips(grid, STRIP_PIXELS):
        top, bottom = window.row_off, window.row_off + window.height
        # an outline needs the pixels within its width, and ends where the scene ends
        first, last = max(0, top - boundary_width), min(grid.height, bottom + boundary_width)
        found, real = (side.read(first, last) for side in (prediction, truth))
        valid = (found != VOID) & (real != VOID)
        inner = slice(top - first, bottom - first)
        matrix += _matrix(found[inner], real[inner], valid[inner], classes)
        for label in outlines:
            borders = [boundary((side == label) & valid, boundary_width)[inner] for side in (found, real)]
            outlines[label] += count(borders[0], borders[1])
        advance(window.height)
    if not matrix.any():
        raise UnsuitableError("no pixel has data in both prediction and truth", "compare the two with `geoseg info`")
    return _pixel_metrics(matrix, outlines, truth.names or prediction.names) | {"boundary_width": boundary_width}


def _matrix(found: np.ndarray, real: np.ndarray, valid: np.ndarray, classes: int) -> np.ndarray:
    if classes > 2:
        return confusion(found, real, classes, valid=valid)
    two = count(found == 1, real == 1, valid)
    return np.array([[two.tn, two.fp], [two.fn, two.tp]])


def _pixel_metrics(matrix: np.ndarray, outlines: Mapping[int, Counts], names: Mapping[int, str]) -> dict[str, Any]:
    counts = class_counts(matrix)
    present = [label for label, c in enumerate(counts) if c.tp + c.fp + c.fn]
    rows = {label: _ratios(counts[label]) for label in present}
    for label in rows.keys() & outlines.keys():
        rows[label]["boundary_iou"] = outlines[label].iou
    if len(counts) == 2:
        building = counts[1]
        out = {"tp": building.tp, "fp": building.fp, "fn": building.fn, "tn": building.tn} | _ratios(building)
        out["boundary_iou"] = outlines[1].iou
        names = {0: "background", 1: "building"}
    else:
        buildings = [row for label, row in rows.items() if label > 0]
        out = {name: float(np.mean([row[name] for row in rows.values()])) for name in RATIOS}
        out["boundary_iou"] = float(np.mean([row["boundary_iou"] for row in buildings])) if buildings else 1.0
    classes = {names.get(label, str(label)): row for label, row in rows.items()}
    return out | {"accuracy": pixel_accuracy(matrix), "mean_iou": mean_iou(matrix), "classes": classes}


def _ratios(counts: Counts) -> dict[str, Any]:
    return {name: getattr(counts, name) for name in RATIOS}


def _layers(names: tuple[str, str], warnings: list[str]) -> tuple[GeoDataFrame, GeoDataFrame]:
    """Footprints of prediction and truth in the truth's CRS."""
    truth = footprints_in(names[1], None, warnings)
    return footprints_in(names[0], truth.crs, warnings), truth


def compare_footprints(prediction: GeoDataFrame, truth: GeoDataFrame, iou: float) -> dict[str, Any]:
    """Metrics of two layers of valid footprints in one CRS; a ``confidence`` column of the prediction ranks its footprints."""
    if (prediction.crs is None) != (truth.crs is None):
        raise UnsuitableError("only one of the two layers has a CRS")
    ours, theirs = prediction.geometry.to_numpy(), truth.geometry.to_numpy()
    confidence = prediction["confidence"].to_numpy(float) if "confidence" in prediction.columns else None
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


def _footprint_metrics(counts: Counts) -> dict[str, Any]:
    ratios = {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1}
    return {"tp": counts.tp, "fp": counts.fp, "fn": counts.fn} | ratios


def _areas(geometry: np.ndarray, crs: Any) -> np.ndarray:
    out, solid = np.zeros(len(geometry)), ~shapely.is_empty(geometry)
    out[solid] = areas(geometry[solid], crs)
    return out


def _failed(pixel: dict[str, Any], found: dict[str, Any], limits: Mapping[str, float]) -> tuple[str, ...]:
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
