"""The plan of windows over a raster.

Tiles are numbered by row and column of the tiling; windows are ``rasterio.windows.Window(col_off,
row_off, width, height)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from affine import Affine
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.specs import TilingSpec

# Pixels of a batch for a GPU: at 8 windows of 1024 it computes for longer than Python takes to give
# it the next kernels, and more need only memory
BATCH_PIXELS = 8 * 2**20
LARGEST_BATCH = 64


@dataclass(frozen=True)
class Tile:
    """A cell of the tiling: its index and its window."""

    row: int
    col: int
    window: Window

    @property
    def id(self) -> str:
        return f"r{self.row:04d}_c{self.col:04d}"


def offsets(length: int, spec: TilingSpec, edge: str = "shift") -> list[int]:
    """Start of each tile along one axis of ``length`` pixels.

    ``shift`` moves the last tile back so that it ends with the axis, or, at a multiple of the
    spec's step, as soon after as can be; ``pad`` and ``partial`` let it stick out, ``drop`` leaves
    it away. An axis shorter than a tile has one at 0 (none with ``drop``).
    """
    # For example a length of 10, tiles of 4, a stride of 3:
    #
    #     0123456789
    #     ----             starts 0, 3, 6 end with the axis: the same for every edge
    #        ----
    #           ----
    #
    # and of a length of 12 with the same tiles, 8 is left: `shift` adds a start of 8, `pad` and
    # `partial` one of 9, `drop` none.
    size, stride = spec.size, spec.stride
    if length < size:
        return [] if edge == "drop" else [0]
    starts = list(range(0, length - size + 1, stride))
    if starts[-1] + size < length:
        if edge == "shift":
            starts.append(-(-(length - size) // spec.step) * spec.step)
        elif edge in ("pad", "partial"):
            starts.append(starts[-1] + stride)
    return starts


def tiles(shape: tuple[int, int], spec: TilingSpec, edge: str = "shift") -> Iterator[Tile]:
    """Tiles over a raster of ``shape`` (height, width), row by row.

    ``shift``, ``pad``, ``partial``: every pixel is covered; ``drop``: only whole tiles. With
    ``partial`` (and where the raster is smaller than a tile, with ``shift``) windows are cut at the
    raster's edge; with ``pad`` they reach beyond it.
    """
    height, width = shape
    for i, row_off in enumerate(offsets(height, spec, edge)):
        for j, col_off in enumerate(offsets(width, spec, edge)):
            h = spec.size
            w = spec.size
            if edge != "pad":
                h, w = min(h, height - row_off), min(w, width - col_off)
            yield Tile(i, j, Window(col_off, row_off, w, h))


def even_tiles(shape: tuple[int, int], size: int) -> list[Tile]:
    """Tiles that share out a raster of ``shape`` (height, width): at most ``size`` pixels a side,
    as even as can be.
    """
    # for example 1000 pixels in tiles of at most 300: 0, 250, 500, 750, 1000
    rows, cols = (
        np.linspace(0, side, -(-side // size) + 1).round().astype(int).tolist() for side in shape
    )
    return [
        Tile(row, col, Window(left, top, right - left, bottom - top))
        for row, (top, bottom) in enumerate(pairwise(rows))
        for col, (left, right) in enumerate(pairwise(cols))
    ]


def tile_count(shape: tuple[int, int], spec: TilingSpec, edge: str = "shift") -> int:
    """How many :func:`tiles` there are."""
    height, width = shape
    return len(offsets(height, spec, edge)) * len(offsets(width, spec, edge))


def outlines(windows: Sequence[Window], transform: Affine) -> np.ndarray:
    """Polygons around windows of a raster, in the coordinates of its ``transform``, from the corner
    of row and column 0 on.
    """
    places = [(window.col_off, window.row_off, window.width, window.height) for window in windows]
    left, top, width, height = np.array(places, float).reshape(-1, 4).T
    cols = np.stack([left, left + width, left + width, left], axis=-1)
    rows = np.stack([top, top, top + height, top + height], axis=-1)
    a, b, c, d, e, f = transform[:6]
    return shapely.polygons(np.stack([a * cols + b * rows + c, d * cols + e * rows + f], axis=-1))


@dataclass(frozen=True)
class Chip:
    """Pixels of a window: ``image`` (band, row, col) in the file's dtype, ``valid`` bool (row,
    col), True = data.
    """

    image: np.ndarray
    valid: np.ndarray
    grid: Grid


# Rows of a block of our own rasters: strips that end between two would read blocks twice
BLOCK = 256
STRIP_PIXELS = 2**22


def row_windows(grid: Grid, pixels: int = STRIP_PIXELS) -> Iterator[Window]:
    """Windows of whole rows that cover the grid, each of about ``pixels`` pixels or one row of
    blocks.
    """
    rows = max(1, pixels // (grid.width * BLOCK)) * BLOCK
    for top in range(0, grid.height, rows):
        yield Window(0, top, grid.width, min(rows, grid.height - top))


def gpu_batch(size: int, fit: int = LARGEST_BATCH) -> int:
    """How many windows of ``size`` pixels a GPU is given at a time: a power of two, no more than
    ``fit``, and no more than keep it busy.
    """
    most = min(fit, LARGEST_BATCH, BATCH_PIXELS // size**2)
    return 1 << max(1, most).bit_length() - 1
