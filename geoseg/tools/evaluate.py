"""Compare a prediction with the truth: pixels where there is a grid, footprints where there are footprints."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.core.metrics import Counts, boundary, confusion, count
from geoseg.errors import UnsuitableError
from geoseg.io.raster import open_scene
from geoseg.tools.classes import VOID, Classes, is_vector, open_classes
from geoseg.tools.rasterize import footprints_in, strips
from geoseg.tools.report import Progress, Report, no_progress
from geoseg.tools.scores import footprint_scores, missed, pixel_scores

# Pixels compared at a time.
STRIP_PIXELS = 2**22


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
    not count. ``threshold`` is that of probability rasters, by default what their file says or 0.5; the boundary IoU takes
    outlines ``boundary_width`` pixels wide. Footprints match one to one at ``iou``: of two vector files, predictions
    reprojected to the truth's CRS; of a raster and a vector file, what `geoseg polygonize` makes of the raster, and what of
    the vector file lies on it. Two rasters are compared by pixel alone.

    ``fail_under`` holds the lowest values that will do: ``f1`` is that of the footprints where footprints were compared,
    else of the pixels; ``pixel.f1`` and ``object.f1`` are plain. What is missed is told in the report, not raised.
    """
    start = time.perf_counter()
    warnings: list[str] = []
    names = str(prediction), str(truth)
    vectors = [is_vector(name) for name in names]
    grid = _grid([str(like)] if like else [name for name, vector in zip(names, vectors, strict=True) if not vector])
    pixel: dict[str, Any] = {}
    found: dict[str, Any] = {}
    if grid is not None:
        with ExitStack() as stack:
            ours, theirs = (stack.enter_context(open_classes(name, grid, threshold, warnings)) for name in names)
            pixel = compare_pixels(ours, theirs, grid, boundary_width, progress)
            if any(vectors) and ours.footprints and theirs.footprints:
                found = footprint_scores(ours.footprints(), theirs.footprints(), iou)
    if all(vectors):
        found = footprint_scores(*_layers(names, warnings), iou)
    return EvaluateReport(
        command="evaluate",
        inputs=names,
        seconds=time.perf_counter() - start,
        warnings=tuple(dict.fromkeys(warnings)),
        pixel=pixel,
        object=found,
        failed=missed(pixel, found, fail_under or {}),
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
    return pixel_scores(matrix, outlines, truth.names or prediction.names) | {"boundary_width": boundary_width}


def _matrix(found: np.ndarray, real: np.ndarray, valid: np.ndarray, classes: int) -> np.ndarray:
    if classes > 2:
        return confusion(found, real, classes, valid=valid)
    two = count(found == 1, real == 1, valid)
    return np.array([[two.tn, two.fp], [two.fn, two.tp]])


def _layers(names: tuple[str, str], warnings: list[str]) -> tuple[Layer, Layer]:
    """Footprints of prediction and truth in the truth's CRS, those without area left out."""
    truth = footprints_in(names[1], None, warnings)
    prediction = footprints_in(names[0], truth.crs, warnings, columns=("confidence",))
    ours, theirs = (layer.take(~shapely.is_empty(layer.geometry)) for layer in (prediction, truth))
    return ours, theirs
