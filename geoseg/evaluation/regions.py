"""Where a prediction is good and where it is not, and how sure its scores are: errors by blocks of
ground.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pyproj import CRS

from geoseg.evaluation.bootstrap import interval, resample
from geoseg.evaluation.footprints import LayerComparison
from geoseg.evaluation.metrics import ratios
from geoseg.evaluation.pixels import ComparedPixels
from geoseg.evaluation.summary import describe
from geoseg.geometry.measure import coordinates, pixel_size

# The worst and the best blocks that a report holds
SHOWN = 12
Region = dict[str, Any]


def footprint_regions(matched: LayerComparison) -> tuple[Region, ...]:
    """The blocks of least F1 and those of greatest, worst first."""
    tp, fp, fn = matched.counts.T
    f1 = ratios(tp, fp, fn)["f1"]
    columns = {
        "truth": tp + fn,
        "found": tp + fp,
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "f1": f1,
        f"area_error_{_square(matched.truth.crs)}": matched.area_errors,
        "count_error": fp - fn,
    }
    order = _worst_first(f1, tp, fp + fn)
    images = {} if matched.images is None else {"image": np.array(matched.images)}
    return _rows(order, matched.bounds[order], matched.truth.crs, images | columns)


def regional_errors(matched: LayerComparison, side: float) -> dict[str, Any]:
    """How F1, area and number err over the blocks, found less true."""
    tp, fp, fn = matched.counts.T
    if not len(tp):
        return {}
    over = {
        "f1": ratios(tp, fp, fn)["f1"],
        f"area_error_{_square(matched.truth.crs)}": matched.area_errors,
        "count_error": fp - fn,
    }
    # images are blocks of their own, without a side in metres
    unit = "px" if matched.truth.crs is None else "m"
    own = {} if matched.images else {f"neighbourhood_{unit}": side}
    return own | {
        "blocks": len(tp),
        "by_block": {name: describe(values) for name, values in over.items()},
    }


def footprint_blocks(matched: LayerComparison) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (block, 4) and F1 (block,) of all blocks of ground with footprints."""
    return matched.bounds, ratios(*matched.counts.T)["f1"]


def pixel_blocks(compared: ComparedPixels) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (block, 4) and IoU (block,) of all blocks that hold or should hold buildings."""
    row, col, (tp, fp, fn) = _counted_blocks(compared)
    return _bounds(compared, row, col), ratios(tp, fp, fn)["iou"]


def _counted_blocks(
    compared: ComparedPixels,
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Row and column of blocks with anything but background, and their tp, fp and fn."""
    matrices = compared.matrices
    # the diagonal without the background: pixels of their true class
    tp = np.trace(matrices[..., 1:, 1:], axis1=-2, axis2=-1)
    fp = matrices[..., :, 1:].sum((-2, -1)) - tp
    fn = matrices[..., 1:, :].sum((-2, -1)) - tp
    row, col = np.nonzero(tp + fp + fn)
    return row, col, (tp[row, col], fp[row, col], fn[row, col])


def pixel_regions(compared: ComparedPixels) -> tuple[Region, ...]:
    """The blocks of least IoU and those of greatest, worst first, of those that hold or should hold
    buildings.

    Several classes are taken together: a true positive is a pixel of its true class, background
    apart.
    """
    row, col, (tp, fp, fn) = _counted_blocks(compared)
    across, along = pixel_size(compared.grid)
    iou = ratios(tp, fp, fn)["iou"]
    columns = {"truth": tp + fn, "found": tp + fp, "tp": tp, "fp": fp, "fn": fn, "iou": iou}
    order = _worst_first(iou, tp, fp + fn)
    bounds = _bounds(compared, row[order], col[order])
    area_error = {f"area_error_{_square(compared.grid.crs)}": (fp - fn) * across * along}
    return _rows(order, bounds, compared.grid.crs, columns | area_error)


def _worst_first(score: np.ndarray, right: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Indices by ascending score, of equal ones first those with more wrong and less right; the
    first and the last dozen.
    """
    order = np.lexsort((right, -wrong, score))
    # of few blocks all, of many a dozen from either end
    return order if len(order) <= 2 * SHOWN else np.concatenate([order[:SHOWN], order[-SHOWN:]])


def _rows(
    order: np.ndarray, bounds: np.ndarray, crs: CRS | None, columns: dict[str, np.ndarray]
) -> tuple[Region, ...]:
    crs_name = None if crs is None else crs.to_string()
    cells = [column[order].tolist() for column in columns.values()]
    values = (dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True))
    return tuple(
        {"bounds": tuple(box), "crs": crs_name} | row
        for box, row in zip(bounds.tolist(), values, strict=True)
    )


def _bounds(compared: ComparedPixels, row: np.ndarray, col: np.ndarray) -> np.ndarray:
    """Left, bottom, right, top of blocks, float64 (n, 4)."""
    (rows, cols) = compared.block
    grid = compared.grid
    edges = {"top": row * rows, "bottom": np.minimum((row + 1) * rows, grid.height)}
    edges |= {"left": col * cols, "right": np.minimum((col + 1) * cols, grid.width)}
    corners = [
        coordinates(np.column_stack([edges[x], edges[y]]), grid.transform)
        for x in ("left", "right")
        for y in ("top", "bottom")
    ]
    return np.column_stack([np.min(corners, axis=0), np.max(corners, axis=0)])


def footprint_intervals(
    matched: LayerComparison, times: int, seed: int
) -> dict[str, tuple[float, float]]:
    """95% intervals of precision, recall and F1, of resampled blocks."""
    drawn = ratios(*np.moveaxis(resample(matched.counts, times, seed), -1, 0))
    return {name: interval(drawn[name]) for name in ("precision", "recall", "f1")}


def pixel_intervals(
    compared: ComparedPixels, times: int, seed: int
) -> dict[str, tuple[float, float]]:
    """95% intervals of precision, recall, F1 and IoU, of resampled blocks: of the buildings, or
    means over several classes.
    """
    matrices = compared.matrices.reshape(-1, *compared.matrices.shape[2:])
    matrices = matrices[matrices.any(axis=(1, 2))]
    tp = np.diagonal(matrices, axis1=1, axis2=2)
    counts = np.stack([tp, matrices.sum(1) - tp, matrices.sum(2) - tp], axis=-1)
    counts = counts[:, 1:2] if counts.shape[1] == 2 else counts[:, counts.any(axis=(0, 2))]
    drawn = ratios(*np.moveaxis(resample(counts, times, seed), -1, 0))
    return {name: interval(values.mean(axis=1)) for name, values in drawn.items()}


def _square(crs: CRS | None) -> str:
    """Unit of areas in names: square metres, pixels without a CRS."""
    return "px" if crs is None else "m2"
