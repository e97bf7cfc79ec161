"""Compare two class rasters on one grid, strip by strip, in blocks of ground."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rasterio.windows import Window

from geoseg.core.encoding import VOID
from geoseg.core.grid import Grid
from geoseg.core.tiling import row_windows
from geoseg.errors import UnsuitableError
from geoseg.evaluation.metrics import Counts, boundary, confusion, count
from geoseg.evaluation.sweep import PROBABILITY_CODES, histogram
from geoseg.geometry.measure import pixel_size
from geoseg.labels.class_raster import ClassRaster
from geoseg.report import Progress, Stage, no_progress
from geoseg.specs import EvaluateSpec

# Pixels compared at a time
STRIP_PIXELS = 2**22
# Pixels a side of the smallest block, so that there are not too many
LEAST = 64


@dataclass(frozen=True)
class ComparedPixels:
    """``matrices`` int64 (block row, block col, true class, predicted class), of blocks of
    ``block`` (rows, cols) pixels.

    ``outlines`` has the counts of each class's inner boundary, ``swept`` the histogram of a sweep,
    None without one.
    """

    grid: Grid
    block: tuple[int, int]
    matrices: np.ndarray
    outlines: Mapping[int, Counts]
    swept: np.ndarray | None
    names: Mapping[int, str]
    boundary_width: int

    @property
    def matrix(self) -> np.ndarray:
        """Confusion matrix int64 (true class, predicted class) of all pixels."""
        whole: np.ndarray = self.matrices.sum(axis=(0, 1))
        return whole


@dataclass
class PixelSums:
    """Counts of some rows, as :class:`ComparedPixels` has those of all; they add up."""

    matrices: np.ndarray
    outlines: dict[int, Counts]
    swept: np.ndarray | None

    def add(self, other: PixelSums) -> None:
        self.matrices += other.matrices
        self.outlines = {
            label: counts + other.outlines[label] for label, counts in self.outlines.items()
        }
        if self.swept is not None:
            self.swept += other.swept


# Counts strips: numbers of rows with their sums, which together are those of all strips
Counting = Callable[[Sequence[Window]], Iterable[tuple[int, PixelSums]]]


def compare_pixels(
    prediction: ClassRaster,
    truth: ClassRaster,
    grid: Grid,
    spec: EvaluateSpec,
    progress: Progress = no_progress,
    strip_pixels: int = STRIP_PIXELS,
    counting: Counting | None = None,
) -> ComparedPixels:
    """Compare two class rasters on ``grid``, classes of the same name where both name theirs;
    raises UnsuitableError where no pixel has data in both.

    ``counting`` counts the strips instead of this process, as :func:`count_strip` does.
    """
    strips = list(row_windows(grid, strip_pixels))
    advance = progress(Stage("compare", "rows"), grid.height)
    here = ((strip.height, count_strip(prediction, truth, grid, spec, strip)) for strip in strips)
    whole: PixelSums | None = None
    for rows, sums in counting(strips) if counting else here:
        if whole is None:
            whole = sums
        else:
            whole.add(sums)
        advance(rows)
    if whole is None or not whole.matrices.any():
        raise UnsuitableError(
            "no pixel has data in both prediction and truth", "compare the two with `geoseg info`"
        )
    prediction, truth = prediction.numbered_with(truth)
    names = {**prediction.names, **truth.names}
    block = _block(grid, spec.neighbourhood.value)
    return ComparedPixels(
        grid, block, whole.matrices, whole.outlines, whole.swept, names, spec.boundary_width
    )


def count_strip(
    prediction: ClassRaster, truth: ClassRaster, grid: Grid, spec: EvaluateSpec, strip: Window
) -> PixelSums:
    """Counts of the rows of ``strip``, which do not depend on how the grid is cut into strips."""
    prediction, truth = prediction.numbered_with(truth)
    present = sorted({0, 1, *prediction.present, *truth.present})
    classes = present[-1] + 1
    width = spec.boundary_width
    block = _block(grid, spec.neighbourhood.value)
    matrices = np.zeros(
        (-(-grid.height // block[0]), -(-grid.width // block[1]), classes, classes), np.int64
    )
    top = strip.row_off
    bottom = strip.row_off + strip.height
    # an outline needs the pixels within its width, and ends where the scene ends
    first = max(0, top - width)
    last = min(grid.height, bottom + width)
    predicted, true = (side.read(first, last) for side in (prediction, truth))
    valid = (predicted != VOID) & (true != VOID)
    inner = slice(top - first, bottom - first)
    outlines = {}
    for label in present[1:]:
        # computed with the rows around, counted without them
        borders = [boundary((side == label) & valid, width)[inner] for side in (predicted, true)]
        outlines[label] = count(borders[0], borders[1])
    predicted = predicted[inner]
    true = true[inner]
    valid = valid[inner]
    for at, part in _parts(top, predicted.shape, block):
        matrices[at] += _matrix(predicted[part], true[part], valid[part], classes)
    swept = np.zeros((2, PROBABILITY_CODES), np.int64) if spec.sweep else None
    if swept is not None and prediction.scores:
        probability, known = prediction.scores(top, bottom)
        swept += histogram(probability, true == 1, known & valid)
    return PixelSums(matrices, outlines, swept)


def _block(grid: Grid, side: float) -> tuple[int, int]:
    """Rows and columns of a block of ``side`` metres."""
    across, along = pixel_size(grid)
    return max(LEAST, round(side / along)), max(LEAST, round(side / across))


def _parts(
    top: int, shape: tuple[int, ...], block: tuple[int, int]
) -> Iterator[tuple[tuple[int, int], tuple[slice, slice]]]:
    """Row and column of each block in a strip that begins with row ``top``, and its part of the
    strip.
    """
    height, width = shape
    for row in range(top // block[0], (top + height - 1) // block[0] + 1):
        rows = slice(max(0, row * block[0] - top), (row + 1) * block[0] - top)
        for col in range(-(-width // block[1])):
            yield (row, col), (rows, slice(col * block[1], (col + 1) * block[1]))


def _matrix(predicted: np.ndarray, true: np.ndarray, valid: np.ndarray, classes: int) -> np.ndarray:
    if classes > 2:
        return confusion(predicted, true, classes, valid=valid)
    # of two classes counting three sets is faster than numbering all pixels
    two = count(predicted == 1, true == 1, valid)
    return np.array([[two.tn, two.fp], [two.fn, two.tp]])
