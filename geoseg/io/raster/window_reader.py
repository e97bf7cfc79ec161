"""An open raster: windows of its pixels, what of them is valid, and what the file declares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, Compression, Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from geoseg.core.grid import Grid, Turn
from geoseg.core.tiling import Chip
from geoseg.errors import InputError, UnsuitableError, UsageError
from geoseg.io.raster.stored import StoredBlocks
from geoseg.io.raster.warp import ControlPoints
from geoseg.parallel.memory import check_memory
from geoseg.specs import PixelReference

Colour = tuple[int, int, int, int]


@dataclass(frozen=True)
class Scene:
    """An open raster, read window by window, at its own GSD or resampled to another.

    ``grid`` is the grid that windows refer to, ``source`` the file's own; they differ where the
    scene is resampled; ``whole`` is that of the file, of which a part may be read. All are
    north-up where the file is upside down, mirrored or turned by quarters. ``indexes`` are the
    numbers in the file of its bands without alpha, ``bands`` is how many these are; ``rgb``
    those of red, green and blue where it declares them. ``nodata`` is a value of ``dtype``.
    ``expanded`` is whether a palette is read as its colours.
    """

    path: str
    grid: Grid
    source: Grid
    whole: Grid
    indexes: tuple[int, ...]
    rgb: tuple[int, ...] | None
    dtype: str
    nodata: float | None
    tags: dict[str, str]
    has_mask: bool
    expanded: bool
    picture_gsd: float | None
    control_points: ControlPoints | None
    warnings: tuple[str, ...]
    _file: DatasetReader
    _dataset: DatasetReader | WarpedVRT
    _positions: dict[int, int]
    _turn: Turn
    _stored: StoredBlocks | None

    def read(self, window: Window | None = None, bands: tuple[int, ...] | None = None) -> Chip:
        """Read ``bands`` (1-based; all but alpha by default) in ``window``; parts beyond the raster
        are 0 and not valid.

        Pixels that are nodata in all of ``bands``, masked, transparent or not finite are not valid,
        and are 0 in the image.
        """
        window = window or Window(0, 0, self.grid.width, self.grid.height)
        bands = self._positions_of(bands)
        shape = int(window.height), int(window.width)
        row = int(window.row_off)
        col = int(window.col_off)
        top = max(0, -row)
        left = max(0, -col)
        height = min(shape[0], self.grid.height - row) - top
        width = min(shape[1], self.grid.width - col) - left
        grid = self.grid.window(window)
        place = Window(col + left, row + top, max(width, 0), max(height, 0))
        if width <= 0 or height <= 0 or self._absent(place):
            return Chip(np.zeros((len(bands), *shape), self.dtype), np.zeros(shape, bool), grid)
        # most windows lie inside: nothing to fill with 0 beforehand
        inside = (height, width) == shape
        image = np.empty((len(bands), *shape), self.dtype)
        if not inside:
            image[:] = 0
        valid = np.full(shape, inside)
        rows = slice(top, top + height)
        cols = slice(left, left + width)
        valid[rows, cols] = self._read_into(image[:, rows, cols], place, bands)
        return Chip(image, valid, grid)

    @property
    def bands(self) -> int:
        return len(self.indexes)

    @property
    def gsd(self) -> float | None:
        """That of the grid, or what the user says of a picture; UnsuitableError where coordinates
        lie outside the CRS.
        """
        if self.grid.crs is None and self.picture_gsd:
            # that of the file, which a resampled grid of fewer or more columns no longer has
            return self.picture_gsd * self.source.width / self.grid.width
        try:
            return self.grid.gsd
        except UnsuitableError as error:
            raise UnsuitableError(f"{self.path}: {error.message}", error.hint) from error

    @property
    def placed_grid(self) -> Grid:
        """The grid, in pixels of the whole picture (:meth:`Grid.in_pixels`) where it has no CRS."""
        return self.grid if self.grid.crs else self.grid.in_pixels(self.whole)

    def placed(self, reference: PixelReference) -> Grid:
        """``placed_grid``. Raises UnsuitableError where the scene has no CRS and ``reference`` does
        not ask for pixels, UsageError where it has one and pixels are asked for.
        """
        if self.grid.crs is not None and reference.pixel_coords:
            raise UsageError(
                f"{self.path}: has a CRS", "`pixel_coords` applies to imagery without one"
            )
        if self.grid.crs is None and not reference.pixel_coords:
            # a CRS alone would put pixel coordinates at its origin
            beside = ", and put a worldfile beside it" if self.whole.transform.is_identity else ""
            raise UnsuitableError(
                f"{self.path}: has no CRS",
                f"use `pixel_coords`, or assign one with `crs`{beside}",
            )
        return self.placed_grid

    @property
    def driver(self) -> str:
        """GDAL's name of the file's format, such as GTiff."""
        return str(self._file.driver)

    @property
    def lossy(self) -> bool:
        """Whether its values went through JPEG, which changes them."""
        return self.driver == "JPEG" or self._file.compression is Compression.jpeg

    @property
    def has_alpha(self) -> bool:
        return not self.expanded and bool(self._file.count > self.bands)

    @property
    def scales(self) -> tuple[float, ...]:
        """What the stored values of each band are multiplied by; 1 where nothing says so."""
        if self.expanded:
            return (1.0,) * self.bands
        return tuple(self._file.scales[index - 1] for index in self.indexes)

    @property
    def descriptions(self) -> tuple[str | None, ...]:
        """The name that the file gives to each band."""
        if self.expanded:
            return (None,) * self.bands
        return tuple(self._file.descriptions[index - 1] for index in self.indexes)

    @property
    def bits(self) -> int | None:
        """How many bits of its values the file says that it uses."""
        named = self._file.tags(self.indexes[0], ns="IMAGE_STRUCTURE").get("NBITS", "")
        return int(named) if named.isdecimal() and not self.expanded else None

    @property
    def colormap(self) -> dict[int, Colour] | None:
        """Red, green, blue and alpha of each value of a paletted raster, None where it is read as
        these.
        """
        try:
            return None if self.expanded else dict(self._file.colormap(1))
        except ValueError:
            return None

    @property
    def colours(self) -> tuple[str, ...]:
        """What each band of the file is, as it declares: red, gray, palette, alpha, undefined."""
        return tuple(colour.name for colour in self._file.colorinterp)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns that are decoded together."""
        rows, cols = map(int, self._dataset.block_shapes[0])
        # of a scene turned by a quarter the file has the rows as columns
        return (cols, rows) if self._turn.swap else (rows, cols)

    @property
    def in_strips(self) -> bool:
        """Whether whole rows are decoded for a window of a few columns."""
        return self.block_shape[1] == self.grid.width

    def read_validity(self, window: Window) -> np.ndarray:
        """Validity alone, bool (row, col), of a window inside the scene: reads no more than it
        must.
        """
        # whether a number is finite is known only once it is read
        if self.dtype.startswith("float"):
            return self.read(window).valid
        if not self.has_mask:
            return np.ones((int(window.height), int(window.width)), bool)
        if self._absent(window):
            return np.zeros((int(window.height), int(window.width)), bool)
        own = self._turn.window(window, self.grid.shape)
        if self._alpha:
            return self._turned(lambda: self._masks((), window=own), window)
        return self._turned(lambda: self._dataset.dataset_mask(window=own) > 0, window)

    def read_preview(
        self, window: Window, shape: tuple[int, int], bands: tuple[int, ...] | None = None
    ) -> Chip:
        """``window``, inside the scene, as a picture of ``shape`` (height, width): averages of what
        is valid.

        Takes the memory of the preview for any size of the window; reads overviews where there are
        any.
        """
        bands = self._positions_of(bands)
        smooth: dict[str, Any] = {
            "window": self._turn.window(window, self.grid.shape),
            "out_shape": (len(bands), *(shape[::-1] if self._turn.swap else shape)),
            "resampling": Resampling.average,
        }
        image = self._turned(lambda: self._dataset.read(bands, **smooth), window).astype(
            self.dtype, copy=False
        )
        valid = np.isfinite(image).all(axis=0)
        if self.has_mask:
            valid &= self._turned(lambda: self._masks(bands, **smooth), window)
        scale = Affine.scale(window.width / shape[1], window.height / shape[0])
        # pixels of the preview are larger: the same corner, another step
        corner = self.grid.transform * Affine.translation(window.col_off, window.row_off)
        return Chip(np.where(valid, image, 0), valid, Grid(self.grid.crs, corner * scale, *shape))

    def check_bands(self, bands: tuple[int, ...]) -> None:
        """Raise UnsuitableError where the scene has not all of ``bands``."""
        for band in bands:
            if band not in self._positions:
                count = f"{self.bands} band{'s' * (self.bands > 1)}"
                raise UnsuitableError(
                    f"{self.path}: has {count}, not {band}", "choose others with `bands`"
                )

    def _positions_of(self, bands: tuple[int, ...] | None) -> tuple[int, ...]:
        """Where GDAL has ``bands``, numbers in the file."""
        self.check_bands(bands or ())
        return tuple(self._positions[band] for band in bands or self.indexes)

    def _absent(self, window: Window) -> bool:
        """Whether it is known that nothing of ``window`` is stored, before anything is read."""
        if self._stored is None:
            return False
        return not self._stored.any(self._turn.window(window, self.grid.shape))

    def _read_into(
        self, image: np.ndarray, window: Window, bands: tuple[int, ...]
    ) -> np.ndarray | bool:
        """Fill ``image``; returns what of it is valid."""
        own = self._turn.window(window, self.grid.shape)
        # straight into the array that is handed out, which saves a copy of every window
        if self._turn == Turn():
            self._guard(lambda: self._dataset.read(bands, window=own, out=image), window)
        else:
            image[:] = self._turned(lambda: self._dataset.read(bands, window=own), window)
        ok: np.ndarray | bool = True
        if self.has_mask:
            ok = self._turned(lambda: self._masks(bands, window=own), window)
        if image.dtype.kind == "f":
            ok = ok & np.isfinite(image).all(axis=0)
        if not np.all(ok):
            np.copyto(image, 0, where=~ok)
        return ok

    def _masks(self, bands: tuple[int, ...], **reading: Any) -> np.ndarray:
        """Validity as GDAL has it, of pixels that are valid in any of ``bands``."""
        if self._alpha:
            reading["out_shape"] = reading["out_shape"][1:] if "out_shape" in reading else None
            return self._dataset.read(self._alpha, **reading) > 0
        return self._dataset.read_masks(bands, **reading).any(axis=0)

    @property
    def _alpha(self) -> int | None:
        """The warper's own alpha band, which GDAL takes for a mask of one or three bands alone."""
        if not isinstance(self._dataset, WarpedVRT) or self._dataset.nodata is not None:
            return None
        colours = self._dataset.colorinterp
        return colours.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in colours else None

    def _turned(self, read: Callable[[], np.ndarray], window: Window) -> np.ndarray:
        return self._turn.array(self._guard(read, window))

    def _guard(self, read: Callable[[], np.ndarray], window: Window) -> np.ndarray:
        try:
            return read()
        except (RasterioError, CPLE_BaseError) as error:
            check_memory(error)
            place = f"row {int(window.row_off)}, column {int(window.col_off)}"
            raise InputError(f"{self.path}: cannot be read at {place}: it is damaged") from error
