"""Grid: where the pixels of a raster lie on the ground.

Axis order: shapes are (height, width), bounds (left, bottom, right, top), coordinates x, y in the
CRS's units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from affine import Affine
from pyproj import CRS, Geod, Transformer
from rasterio.windows import Window

from geoseg.errors import UnsuitableError

# Rotation, as a part of the size of a pixel, that is the rounding of a quarter turn
SKEW = 1e-9


@dataclass(frozen=True)
class Turn:
    """How a file's pixels become those of its north-up grid: ``swap`` rows and columns, then turn
    the order of ``rows`` and of ``cols``.
    """

    swap: bool = False
    rows: bool = False
    cols: bool = False

    def array(self, image: np.ndarray) -> np.ndarray:
        """``image`` (..., row, col) of the file, as a view that is north-up."""
        if self.swap:
            image = image.swapaxes(-1, -2)
        return image[..., :: -1 if self.rows else 1, :: -1 if self.cols else 1]

    def window(self, window: Window, shape: tuple[int, int]) -> Window:
        """The window of the file whose pixels are those of ``window`` of the north-up grid of
        ``shape``.
        """
        row = window.row_off
        col = window.col_off
        height = window.height
        width = window.width
        row = shape[0] - row - height if self.rows else row
        col = shape[1] - col - width if self.cols else col
        return Window(row, col, height, width) if self.swap else Window(col, row, width, height)


@dataclass(frozen=True)
class Grid:
    """CRS, affine transform and shape of a raster; ``crs`` is ``None`` for a picture without
    georeference.
    """

    crs: CRS | None
    transform: Affine
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise UnsuitableError(f"a raster of {self.height} x {self.width} pixels holds nothing")
        if not all(map(math.isfinite, self.transform[:6])) or self.transform.determinant == 0:
            raise UnsuitableError("the raster's transform is degenerate")

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def corners(self) -> list[tuple[float, float]]:
        """(x, y) in the CRS's units of the outer corners: of row 0 from left to right, then of the
        last row back.
        """
        return [
            self.transform * p
            for p in ((0, 0), (self.width, 0), (self.width, self.height), (0, self.height))
        ]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(left, bottom, right, top) in the CRS's units, of the rotated grid's hull where it is
        rotated.
        """
        xs, ys = zip(*self.corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def gsd(self) -> float | None:
        """Ground metres per pixel at the centre: geometric mean of both axes; None without a CRS.

        Measured along the ellipsoid, so that EPSG:3857, degrees and feet come out true.
        """
        if self.crs is None:
            return None
        row = self.height / 2
        col = self.width / 2
        # one pixel to the right and one down from the centre
        points = [self.transform * p for p in ((col, row), (col + 1, row), (col, row + 1))]
        if self.crs.geodetic_crs is None:  # engineering CRS: no ellipsoid to measure along
            (x, y), right, down = points
            metres = self.crs.axis_info[0].unit_conversion_factor if self.crs.axis_info else 1.0
            return math.sqrt(math.dist((x, y), right) * math.dist((x, y), down)) * metres
        geodetic = self.crs.geodetic_crs
        # some CRSs of France count in grads
        degrees = math.degrees(geodetic.axis_info[0].unit_conversion_factor)
        to_lonlat = Transformer.from_crs(self.crs, geodetic, always_xy=True)
        at, beside, below = [
            [part * degrees for part in to_lonlat.transform(*p)[:2]] for p in points
        ]
        geod = self.crs.get_geod() or Geod(ellps="WGS84")
        gsd = math.sqrt(geod.inv(*at, *beside)[2] * geod.inv(*at, *below)[2])
        # degrees beyond the poles, or metres far outside of the zone, have no distance
        if not math.isfinite(gsd) or gsd <= 0:
            raise UnsuitableError(
                "the scene's coordinates lie outside its CRS", "check the CRS with `geoseg info`"
            )
        return gsd

    def north_up(self) -> tuple[Grid, Turn]:
        """The same ground with north above and east to the right, and how its pixels come from
        ours: flips and a swap of the axes.

        A grid that is turned by anything but quarters, or has no CRS, stays as it is.
        """
        t = self.transform
        # Of a quarter turn the diagonal of the transform is 0: rows run along x and columns along
        # y. Then which way each of them runs.
        #
        #     north-up   a  0      turned   0  b
        #                0 -e               d  0
        swap = abs(t.a) + abs(t.e) < SKEW * (abs(t.b) + abs(t.d))
        if self.crs is None or not (swap or abs(t.b) + abs(t.d) < SKEW * (abs(t.a) + abs(t.e))):
            return self, Turn()
        to_x, to_y = (t.b, t.d) if swap else (t.a, t.e)
        # y falls with the rows of a north-up raster and x rises with its columns
        turn = Turn(swap, to_y > 0, to_x < 0)
        left, _, _, top = self.bounds
        height, width = self.shape[::-1] if swap else self.shape
        if not any(vars(turn).values()):
            return self, turn
        transform = Affine(abs(to_x), 0.0, left, 0.0, -abs(to_y), top)
        return Grid(self.crs, transform, height, width), turn

    def window(self, window: Window) -> Grid:
        """Grid of a window of this one."""
        return Grid(
            self.crs,
            self.transform * Affine.translation(window.col_off, window.row_off),
            int(window.height),
            int(window.width),
        )

    def in_pixels(self, whole: Grid) -> Grid:
        """This part of ``whole``, a picture, in the pixels of that as QGIS shows it: x to the
        right, y from 0 down to -height.
        """
        # a worldfile without a CRS may have placed the picture otherwise
        return replace(self, transform=Affine.scale(1, -1) * ~whole.transform * self.transform)

    def scaled(self, factor: float) -> Grid:
        """Same ground with ``factor`` times the pixels along each axis, rounded to whole pixels."""
        height = max(1, round(self.height * factor))
        width = max(1, round(self.width * factor))
        return Grid(
            self.crs,
            self.transform * Affine.scale(self.width / width, self.height / height),
            height,
            width,
        )
