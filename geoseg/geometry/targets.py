"""Masks a network can learn from besides the footprints: edges, boundary, contact, distance,
instance.

All are made of one label array, the number of each pixel's building, so that buildings which touch
keep the wall between them. Lengths are metres on the ground (pixels without a CRS), by the pixel
size in the middle of the grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import shapely
from rasterio.enums import MergeAlg
from rasterio.features import rasterize
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.geometry.burn import Burner, Footprints, shapes, snapped
from geoseg.geometry.measure import pixel_size

DTYPES = {
    "footprint": "uint8",
    "edges": "uint8",
    "boundary": "uint8",
    "contact": "uint8",
    "distance": "float32",
    "instance": "uint32",
}
# Pixels looked at together, so that they and what is made of them stay in the processor's cache.
_BLOCK = 64, 512
_FAR = np.float32(1e30)


# Two buildings that touch in their upper row, as `Targets.burn` makes them (0 is a dot): their
# numbers, the boundary 1 pixel wide on the inner side, and the contact of gaps up to 4 pixels:
#
#     ............      ............      ....1111....
#     .111112222..      .111111111..      ............
#     .1111..222..      .1..1..1.1..      .....11.....
#     .1111..222..      .1..1..1.1..      .....11.....
#     .1111..222..      .1111..111..      .....11.....
#     ............      ............      .....11.....
#
# The wall between 1 and 2 is a boundary of both, although the mask has no gap there.
@dataclass(frozen=True)
class Target:
    """One kind of mask: ``kind`` a key of ``DTYPES``, ``width`` in metres, ``side`` of the outline
    for a boundary.

    footprint: the value of the last building over the pixel. edges: classes, 1 in buildings and 2
    where their outline is at most ``width`` away. boundary: the value where a building's outline is
    at most ``width`` away, of its own pixels (``inner``), of those of no building (``outer``) or of
    ``both``. contact: the value of pixels of no building that lie within half the ``width`` of two
    or more, the middle of gaps narrower than it. distance: to the outline, positive in buildings,
    negative elsewhere, clipped to ``width`` on either side. instance: the number of the building,
    from 1 in the order of the layer.

    Distances run from the centre of a pixel to the nearest square of a pixel of another building or
    of none.
    """

    kind: str
    width: float = 0.0
    side: str = "inner"


class Targets:
    """Footprints in a spatial index, to be burned as several masks, window by window.

    Every window agrees with the grid burned whole, pixel by pixel: footprints around it, beyond the
    grid too, are seen as far as the widths reach. ``geometry`` must be valid (see
    :func:`geoseg.geometry.burn.repair`) and in the grid's CRS; ``values`` are those of the
    footprints (default: ``value`` each), which only the kind footprint has, the others have
    ``value``.
    """

    def __init__(
        self,
        geometry: Footprints,
        grid: Grid,
        targets: Sequence[Target],
        *,
        all_touched: bool = False,
        value: int = 1,
        values: np.ndarray | None = None,
    ) -> None:
        self.grid = grid
        self.targets = tuple(targets)
        self.value = value
        self.dtype = str(np.result_type(*(DTYPES[target.kind] for target in targets)))
        self._size = pixel_size(grid)
        each = np.full(len(geometry), value) if values is None else np.asarray(values)
        # the values themselves where nothing else is wanted: they are quicker to burn than numbers
        self._plain = all(target.kind == "footprint" for target in targets)
        burnt, dtype = (
            (each, "uint8") if self._plain else (np.arange(1, len(geometry) + 1), "uint32")
        )
        self._burner = Burner(geometry, grid, values=burnt, dtype=dtype, all_touched=all_touched)
        self._values = np.concatenate([[0], each]).astype("uint8")
        self._reach = max(
            (t.width for t in targets if t.kind in ("edges", "boundary", "distance")), default=0.0
        )
        # Surroundings that a window is burnt with, in pixels along a row and a column. Half a pixel
        # more, since distances run from a pixel's centre to the nearer side of another.
        self._halo = tuple(
            math.ceil(self._reach / metres + 0.5) if self._reach else 0 for metres in self._size
        )

    def burn(self, window: Window) -> np.ndarray:
        """Masks (target, row, col) of ``dtype``, the widest of all kinds, on a window of the
        grid.
        """
        shape = (int(window.height), int(window.width))
        (across, down) = self._halo
        # beyond the grid too: a building outside of it may be the nearest one
        around = Window(
            window.col_off - across,
            window.row_off - down,
            shape[1] + 2 * across,
            shape[0] + 2 * down,
        )
        labels = self._burner.burn(self.grid.window(around))
        inside = slice(down, down + shape[0]), slice(across, across + shape[1])
        away = distance(labels, self._size, self._reach)[inside] if self._reach else None
        labels = labels[inside]
        out = np.empty((len(self.targets), *shape), self.dtype)
        for band, target in zip(out, self.targets, strict=True):
            band[:] = self._mask(target, labels, away, window)
        return out

    def _mask(
        self, target: Target, labels: np.ndarray, away: np.ndarray | None, window: Window
    ) -> np.ndarray:
        if target.kind == "footprint":
            return labels if self._plain else self._values[labels]
        if target.kind == "instance":
            return labels
        if target.kind == "contact":
            return ((labels == 0) & (self._near(window, target.width / 2) > 1)) * np.uint8(
                self.value
            )
        assert away is not None
        if target.kind == "distance":
            return np.where(labels > 0, 1, -1).astype(np.float32) * np.minimum(
                away, np.float32(target.width)
            )
        if target.kind == "edges":
            return np.where(labels > 0, 1 + (away <= np.float32(target.width)), 0)
        side = {"inner": labels > 0, "outer": labels == 0, "both": True}[target.side]
        return (side & (away <= np.float32(target.width))) * np.uint8(self.value)

    def _near(self, window: Window, radius: float) -> np.ndarray:
        """How many buildings lie within ``radius`` metres of each pixel's centre: uint16 (row,
        col).
        """
        left = int(window.col_off)
        top = int(window.row_off)
        size = np.array(self._size)
        out = np.zeros((int(window.height), int(window.width)), np.uint16)
        # Not by distances of pixels: a pixel may be near two buildings, and only the nearest would
        # count. Buildings that are grown by the radius and burnt on top of each other count all.
        wide, high = radius / size
        hits = self._burner.within(
            (left - wide, top - high, left + out.shape[1] + wide, top + out.shape[0] + high)
        )
        # by coordinates that are the same in every window, then rounded as footprints are
        metres = shapely.transform(self._burner.geometry[hits], lambda xy: xy * size)
        around = shapely.transform(
            shapely.buffer(metres, radius, quad_segs=16),
            lambda xy: snapped(xy / size) - (left, top),
        )
        around = around[~shapely.is_empty(around)]
        if len(around) > 1:
            rasterize(shapes(around, np.ones(len(around), int)), out=out, merge_alg=MergeAlg.add)
        return out


def distance(labels: np.ndarray, size: tuple[float, float], limit: float) -> np.ndarray:
    """From each pixel's centre to the nearest square of a pixel with another label: float32 (row,
    col), inf beyond ``limit``.

    ``size`` is that of a pixel along a row and along a column, in the unit of ``limit``. Exact;
    beyond the array there are no labels. The nearest pixel is looked for along the row, and above
    and below each pixel of the row: where such a pixel has another label itself it is farther than
    the one along the row, so labels need not be compared again.
    """
    # In two passes, as the Pythagorean theorem parts: along each column first, how far the nearest
    # other label is above or below every pixel, then for each pixel the least of
    #
    #     (columns between)² + (that distance in their column)²
    #
    # over its row. Squares are added, one root is taken at the end.
    squares = _along(labels, size[0], limit)
    columns = _along(labels.T, size[1], limit).T
    reach = min(math.ceil(limit / size[0] + 0.5), labels.shape[1] - 1)
    for top, left in product(
        range(0, labels.shape[0], _BLOCK[0]), range(0, labels.shape[1], _BLOCK[1])
    ):
        rows = slice(top, top + _BLOCK[0])
        first = min(left, reach)
        above = columns[rows, left - first : left + _BLOCK[1] + reach]
        # most blocks of a scene hold no outline at all
        if above.min() < _FAR:
            _spread(squares[rows, left : left + _BLOCK[1]], above, first, size[0], reach)
    np.sqrt(squares, out=squares)
    squares[squares > np.float32(limit)] = np.inf
    return squares


def _spread(out: np.ndarray, columns: np.ndarray, first: int, size: float, reach: int) -> None:
    """Lower ``out`` to the ``columns`` up to ``reach`` pixels away in its rows; its own begin at
    the column ``first``.
    """
    width = out.shape[1]
    spare = np.empty_like(out)
    np.minimum(out, columns[:, first : first + width], out=out)
    for step in range(1, reach + 1):
        # from the centre of a pixel to the nearer side of the one `step` columns on
        away = np.float32(((step - 0.5) * size) ** 2)
        # farther columns cannot lower anything any more; looking each time would cost more
        if step % 8 == 0 and away >= out.max():
            return
        for shift in (first - step, first + step):
            start = max(0, -shift)
            stop = min(width, columns.shape[1] - shift)
            if start < stop:
                part = np.add(
                    columns[:, shift + start : shift + stop], away, out=spare[:, start:stop]
                )
                np.minimum(out[:, start:stop], part, out=out[:, start:stop])


def _along(labels: np.ndarray, size: float, limit: float) -> np.ndarray:
    """Square of the distance to the nearest other label in the same row: float32 (row, col),
    ``_FAR`` beyond ``limit``.

    Steps double: after 1, 2, 4 and 8 pixels every pixel knows of the change of label that is up to
    15 pixels away.
    """
    # For the row 1 1 1 0 0 2 steps are 3 2 1 1 1 1, and the squares of the distances 6.25 2.25 0.25
    # 0.25 0.25 0.25: half a pixel less, as the square of the other pixel begins there.
    reach = min(math.ceil(limit / size + 0.5), labels.shape[1])
    # as labels lie in memory, which may be by columns
    steps = np.full_like(labels, 3 * reach, np.int32)
    change = labels[:, 1:] != labels[:, :-1]
    steps[:, 1:][change] = steps[:, :-1][change] = 1
    step = 1
    while step < reach:
        forth = steps[:, :-step] + step
        np.minimum(steps[:, :-step], steps[:, step:] + step, out=steps[:, :-step])
        np.minimum(steps[:, step:], forth, out=steps[:, step:])
        step *= 2
    squares = (steps.astype(np.float32) - np.float32(0.5)) * np.float32(size)
    squares *= squares
    squares[steps > reach] = _FAR
    return squares
