"""Scenes in, rasters out. The only module that opens rasters; GDAL's errors become geoseg's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.core.tiling import Chip
from geoseg.errors import InputError, UnsuitableError
from geoseg.io.raster.warp import align_grids, grid_of, warped
from geoseg.io.safety import location, sniff

# GDAL's own default, 5% of the machine's memory, would be most of our peak. In bytes: rasterio
# hands it on as such. Files beside a scene are not looked at: they may name any other file.
GDAL_OPTIONS = {
    "GDAL_CACHEMAX": 64 * 2**20,
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.tiff",
    "GDAL_TIFF_INTERNAL_MASK": True,
}


@dataclass(frozen=True)
class Scene:
    """An open raster, read window by window, at its own GSD or resampled to another.

    ``grid`` is the grid that windows refer to, ``source`` the file's own; they differ where the
    scene is resampled. ``bands`` is the number of bands without alpha, ``nodata`` a value of
    ``dtype``.
    """

    path: str
    grid: Grid
    source: Grid
    bands: int
    dtype: str
    nodata: float | None
    tags: dict[str, str]
    dataset: DatasetReader | WarpedVRT
    has_mask: bool

    def read(self, window: Window | None = None, bands: tuple[int, ...] | None = None) -> Chip:
        """Read ``bands`` (1-based; all but alpha by default) in ``window``; parts beyond the raster
        are 0 and not valid.

        Pixels that are nodata in all of ``bands``, masked, transparent or not finite are not valid,
        and are 0 in the image.
        """
        window = window or Window(0, 0, self.grid.width, self.grid.height)
        bands = bands or tuple(range(1, self.bands + 1))
        self._check(bands)
        shape = int(window.height), int(window.width)
        row, col = int(window.row_off), int(window.col_off)
        top, left = max(0, -row), max(0, -col)
        height = min(shape[0], self.grid.height - row) - top
        width = min(shape[1], self.grid.width - col) - left
        inside = (height, width) == shape
        image = np.empty((len(bands), *shape), self.dtype)
        if not inside:
            image[:] = 0
        valid = np.full(shape, inside)
        if height > 0 and width > 0:
            rows, cols = slice(top, top + height), slice(left, left + width)
            valid[rows, cols] = self._read_into(
                image[:, rows, cols], Window(col + left, row + top, width, height), bands
            )
        return Chip(image, valid, self.grid.window(window))

    @property
    def in_strips(self) -> bool:
        """Whether whole rows are decoded for a window of a few columns."""
        return bool(self.dataset.block_shapes[0][1] == self.dataset.width)

    def read_validity(self, window: Window) -> np.ndarray:
        """Validity alone, bool (row, col), of a window inside the scene: reads no more than it
        must.
        """
        if self.dtype.startswith("float"):
            return self.read(window).valid
        if not self.has_mask:
            return np.ones((int(window.height), int(window.width)), bool)
        return self._guard(lambda: self.dataset.dataset_mask(window=window) > 0, window)

    def read_preview(
        self, window: Window, shape: tuple[int, int], bands: tuple[int, ...] | None = None
    ) -> Chip:
        """``window``, inside the scene, as a picture of ``shape`` (height, width): averages of what
        is valid.

        Takes the memory of the preview for any size of the window; reads overviews where there are
        any.
        """
        bands = bands or tuple(range(1, self.bands + 1))
        self._check(bands)
        smooth: dict[str, Any] = {
            "window": window,
            "out_shape": (len(bands), *shape),
            "resampling": Resampling.average,
        }
        image = self._guard(lambda: self.dataset.read(bands, **smooth), window).astype(
            self.dtype, copy=False
        )
        valid = np.isfinite(image).all(axis=0)
        if self.has_mask:
            valid &= self._guard(
                lambda: self.dataset.read_masks(bands, **smooth).any(axis=0), window
            )
        scale = Affine.scale(window.width / shape[1], window.height / shape[0])
        corner = self.grid.transform * Affine.translation(window.col_off, window.row_off)
        return Chip(np.where(valid, image, 0), valid, Grid(self.grid.crs, corner * scale, *shape))

    def _check(self, bands: tuple[int, ...]) -> None:
        if max(bands) > getattr(self.dataset, "src_dataset", self.dataset).count:
            raise UnsuitableError(
                f"{self.path}: has {self.bands} bands, not {max(bands)}",
                "choose others with `bands`",
            )

    def _read_into(
        self, image: np.ndarray, window: Window, bands: tuple[int, ...]
    ) -> np.ndarray | bool:
        """Fill ``image``; returns what of it is valid."""
        self._guard(lambda: self.dataset.read(bands, window=window, out=image), window)
        ok: np.ndarray | bool = True
        if self.has_mask:
            ok = self._guard(
                lambda: self.dataset.read_masks(bands, window=window).any(axis=0), window
            )
        if image.dtype.kind == "f":
            ok = ok & np.isfinite(image).all(axis=0)
        if not np.all(ok):
            np.copyto(image, 0, where=~ok)
        return ok

    def _guard(self, read: Callable[[], np.ndarray], window: Window) -> np.ndarray:
        try:
            return read()
        except (RasterioError, CPLE_BaseError) as error:
            place = f"row {int(window.row_off)}, column {int(window.col_off)}"
            raise InputError(f"{self.path}: cannot be read at {place}: it is damaged") from error


@contextmanager
def open_scene(
    path: Path | str, gsd: float | None = None, like: Grid | None = None
) -> Iterator[Scene]:
    """Open a raster; with ``gsd`` (metres per pixel) it is read resampled to that, where it has a
    CRS.

    With ``like`` it is read on that grid by nearest neighbour, as labels must be: beyond its own
    extent nothing is valid, and a nodata value of 0 is the label 0. Where one of the two has no CRS
    they are taken to show the same ground, and ``source`` is where that puts the file.

    Raises InputError (missing, unreadable), SafetyError (a VRT that reaches elsewhere, plain http),
    UnsuitableError (complex numbers, no known CRS, not the shape of ``like``).
    """
    name = str(path)
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(**GDAL_OPTIONS))
        driver = sniff(name)
        try:
            with quiet():
                dataset = stack.enter_context(rasterio.open(location(name), driver=driver))
        except (RasterioError, CPLE_BaseError) as error:
            raise InputError(f"{name}: cannot be read as a raster") from error
        yield _scene(name, dataset, gsd, like, stack)


def _scene(
    name: str, dataset: DatasetReader, gsd: float | None, like: Grid | None, stack: ExitStack
) -> Scene:
    source = grid = grid_of(name, dataset)
    opaque = [i for i, colour in enumerate(dataset.colorinterp) if colour != ColorInterp.alpha]
    flags = {flag for i in opaque for flag in dataset.mask_flag_enums[i]}
    dtype = np.result_type(*[dataset.dtypes[i] for i in opaque or [0]])
    if dtype.kind not in "uif":
        raise UnsuitableError(f"{name}: holds {dtype}, which is no kind of image")
    view: DatasetReader | WarpedVRT = dataset
    nodata = _nodata(dataset.nodata, dtype)
    masked = flags != {MaskFlags.all_valid}
    if like is not None:
        grid, source = like, align_grids(name, source, like)
        masked = masked and not (MaskFlags.nodata in flags and nodata == 0)
        if source != like:
            masked = True
            view = stack.enter_context(
                warped(dataset, source, like, Resampling.nearest, alpha=True, zero=nodata == 0)
            )
    elif gsd and source.gsd and abs(gsd / source.gsd - 1) > 0.01:
        grid = source.scaled(source.gsd / gsd)
        resampling = Resampling.average if grid.width < source.width else Resampling.bilinear
        # a mask band would be lost: the warper hands it on as alpha
        view = stack.enter_context(
            warped(dataset, source, grid, resampling, alpha=MaskFlags.per_dataset in flags)
        )
    return Scene(name, grid, source, len(opaque), str(dtype), nodata, dataset.tags(), view, masked)


def _nodata(value: float | None, dtype: np.dtype[Any]) -> float | None:
    """The nodata value, None where the file names one that ``dtype`` cannot hold."""
    if value is None or dtype.kind == "f":
        return value
    limits = np.iinfo(dtype)
    return value if limits.min <= value <= limits.max and value == int(value) else None


_ALONE = RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Without rasterio's warning of pictures that have no georeference; one thread at a time, for
    filters belong to all.
    """
    with _ALONE, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def read_array(path: Path | str) -> tuple[np.ndarray, np.ndarray, Grid]:
    """A small raster whole: image (band, row, col), valid (row, col), grid."""
    with open_scene(path) as scene:
        chip = scene.read()
        return chip.image, chip.valid, scene.grid
