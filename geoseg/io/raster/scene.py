"""Scenes in: windows of pixels, what of them is valid, and where they lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from geoseg.core.grid import Grid, Turn
from geoseg.core.tiling import Chip
from geoseg.errors import InputError, UnsuitableError
from geoseg.io.raster.opening import GDAL_OPTIONS, Opened, open_dataset
from geoseg.io.raster.part import part_of
from geoseg.io.raster.tiles import open_tiles
from geoseg.io.raster.view import bands_of, check_nodata, nodata_of, viewed
from geoseg.io.raster.warp import (
    ControlPoints,
    align_grids,
    control_points,
    place_of,
    warped,
)
from geoseg.io.stac import asset_file
from geoseg.io.xyz import is_tile_folder
from geoseg.specs import SceneSpec

Colour = tuple[int, int, int, int]
WHOLE = SceneSpec()


@dataclass(frozen=True)
class Scene:
    """An open raster, read window by window, at its own GSD or resampled to another.

    ``grid`` is the grid that windows refer to, ``source`` the file's own; they differ where the
    scene is resampled. Both are north-up where the file is upside down, mirrored or turned by
    quarters. ``indexes`` are the numbers in the file of its bands without alpha, ``bands`` is how
    many these are; ``rgb`` those of red, green and blue where it declares them. ``nodata`` is a
    value of ``dtype``. ``expanded`` is whether a palette is read as its colours, ``held`` how many
    bytes its files have, None where they are not local.
    """

    path: str
    grid: Grid
    source: Grid
    indexes: tuple[int, ...]
    rgb: tuple[int, ...] | None
    dtype: str
    nodata: float | None
    tags: dict[str, str]
    has_mask: bool
    expanded: bool
    held: int | None
    picture_gsd: float | None
    control_points: ControlPoints | None
    warnings: tuple[str, ...]
    _file: DatasetReader
    _dataset: DatasetReader | WarpedVRT
    _positions: dict[int, int]
    _turn: Turn

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
        # most windows lie inside: nothing to fill with 0 beforehand
        inside = (height, width) == shape
        image = np.empty((len(bands), *shape), self.dtype)
        if not inside:
            image[:] = 0
        valid = np.full(shape, inside)
        if height > 0 and width > 0:
            rows = slice(top, top + height)
            cols = slice(left, left + width)
            valid[rows, cols] = self._read_into(
                image[:, rows, cols], Window(col + left, row + top, width, height), bands
            )
        return Chip(image, valid, self.grid.window(window))

    @property
    def bands(self) -> int:
        return len(self.indexes)

    @property
    def gsd(self) -> float | None:
        """That of the grid, or what the user says of a picture; UnsuitableError where coordinates
        lie outside the CRS.
        """
        if self.grid.crs is None and self.picture_gsd:
            return self.picture_gsd * self.source.width / self.grid.width
        try:
            return self.grid.gsd
        except UnsuitableError as error:
            raise UnsuitableError(f"{self.path}: {error.message}", error.hint) from error

    @property
    def driver(self) -> str:
        """GDAL's name of the file's format, such as GTiff."""
        return str(self._file.driver)

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
        return (cols, rows) if self._turn.swap else (rows, cols)

    @property
    def in_strips(self) -> bool:
        """Whether whole rows are decoded for a window of a few columns."""
        return self.block_shape[1] == self.grid.width

    def read_validity(self, window: Window) -> np.ndarray:
        """Validity alone, bool (row, col), of a window inside the scene: reads no more than it
        must.
        """
        if self.dtype.startswith("float"):
            return self.read(window).valid
        if not self.has_mask:
            return np.ones((int(window.height), int(window.width)), bool)
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
        corner = self.grid.transform * Affine.translation(window.col_off, window.row_off)
        return Chip(np.where(valid, image, 0), valid, Grid(self.grid.crs, corner * scale, *shape))

    def _positions_of(self, bands: tuple[int, ...] | None) -> tuple[int, ...]:
        """Where GDAL has ``bands``, numbers in the file."""
        for band in bands or ():
            if band not in self._positions:
                count = f"{self.bands} band{'s' * (self.bands > 1)}"
                raise UnsuitableError(
                    f"{self.path}: has {count}, not {band}", "choose others with `bands`"
                )
        return tuple(self._positions[band] for band in bands or self.indexes)

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
            place = f"row {int(window.row_off)}, column {int(window.col_off)}"
            raise InputError(f"{self.path}: cannot be read at {place}: it is damaged") from error


@contextmanager
def open_scene(
    path: Path | str,
    gsd: float | None = None,
    like: Grid | None = None,
    *,
    spec: SceneSpec = WHOLE,
    expand: bool = False,
    placed: bool = True,
) -> Iterator[Scene]:
    """Open a raster, an asset of a STAC item, ``item.json#asset``, or a folder of map tiles.

    With ``gsd`` (metres per pixel) it is read resampled to that, where its own is known: by its
    CRS, or the ``spec``.

    With ``like`` it is read on that grid by nearest neighbour, as labels must be: beyond its own
    extent nothing is valid, and a nodata value of 0 is the label 0. Where one of the two has no CRS
    they are taken to show the same ground, and ``source`` is where that puts the file. ``spec``
    says which part is read; with ``expand`` palettes are read as colours, as imagery must be.
    Unless it must be ``placed``, a scene whose place is not understood is read as a picture, and
    ``warnings`` say so.

    Raises InputError (missing, unreadable), SafetyError (a file that names others, plain http),
    UnsuitableError (complex numbers, no known CRS, no place in it, not the shape of ``like``).
    """
    name = str(path)
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(**GDAL_OPTIONS))
        file = asset_file(name)
        opened = (open_tiles if is_tile_folder(Path(file)) else open_dataset)(file, stack)
        raw, doubt = place_of(file, opened.dataset, placed, spec)
        scene, raw = _native(name, opened, raw, spec, expand, stack)
        scene = replace(scene, warnings=opened.warnings + doubt)
        if like is not None:
            scene = _on(scene, raw, like, stack)
        elif gsd and scene.gsd and abs(gsd / scene.gsd - 1) > 0.01:
            scene = _resampled(scene, raw, gsd, stack)
        yield scene


def _native(
    name: str, opened: Opened, raw: Grid, spec: SceneSpec, expand: bool, stack: ExitStack
) -> tuple[Scene, Grid]:
    """The scene at its own GSD, and the grid of its pixels as they are stored, ``raw`` that of the
    whole file.
    """
    file = opened.dataset
    grid, turn = raw.north_up()
    window = part_of(name, grid, spec)
    bands = bands_of(file, expand)
    dtype = np.dtype("uint8")
    if not bands.palette:
        dtype = np.result_type(*[file.dtypes[i - 1] for i in bands.data])
    if dtype.kind not in "uif":
        raise UnsuitableError(f"{name}: holds {dtype}, which is no kind of image")
    check_nodata(name, file, bands, dtype, spec.nodata)
    own = None
    if window:
        own = turn.window(window, grid.shape)
        grid = grid.window(window)
        raw = raw.window(own)
    view = viewed(opened, bands, spec.nodata, own, stack)
    positions = {band: band for band in bands.data}
    if view is not file:
        positions = {band: place for place, band in enumerate(bands.data, 1)}
    nodata = None if bands.palette else nodata_of(view.nodata, dtype)
    flags = {flag for band in positions.values() for flag in view.mask_flag_enums[band - 1]}
    return Scene(
        path=name,
        grid=grid,
        source=grid,
        indexes=bands.data,
        rgb=bands.rgb,
        dtype=str(dtype),
        nodata=nodata,
        tags=file.tags(),
        has_mask=flags != {MaskFlags.all_valid},
        expanded=bands.palette is not None,
        held=opened.held,
        picture_gsd=None if grid.crs else spec.gsd,
        control_points=control_points(name, file),
        warnings=(),
        _file=file,
        _dataset=view,
        _positions=positions,
        _turn=turn,
    ), raw


def _on(scene: Scene, raw: Grid, like: Grid, stack: ExitStack) -> Scene:
    """The scene on the grid ``like`` by nearest neighbour."""
    dataset = scene._dataset
    flags = {
        flag for band in scene._positions.values() for flag in dataset.mask_flag_enums[band - 1]
    }
    source = align_grids(scene.path, scene.source, like)
    zero = scene.nodata == 0
    masked = scene.has_mask and not (MaskFlags.nodata in flags and zero)
    if source == like:
        return replace(scene, grid=like, source=source, has_mask=masked)
    # pixels as they are stored -> the north-up grid -> where `like` puts that
    stored = source.transform * ~scene.source.transform * raw.transform
    view = warped(
        dataset,
        replace(raw, crs=source.crs, transform=stored),
        like,
        Resampling.nearest,
        alpha=True,
        zero=zero,
    )
    return replace(
        scene,
        grid=like,
        source=source,
        has_mask=True,
        _dataset=stack.enter_context(view),
        _turn=Turn(),
    )


def _resampled(scene: Scene, raw: Grid, gsd: float, stack: ExitStack) -> Scene:
    dataset = scene._dataset
    source = scene.source
    grid = source.scaled((scene.gsd or gsd) / gsd)
    # averages where pixels become fewer: bilinear would skip some of them
    resampling = Resampling.average if grid.width < source.width else Resampling.bilinear
    # a mask band would be lost: the warper hands it on as alpha
    alpha = any(MaskFlags.per_dataset in flags for flags in dataset.mask_flag_enums)
    view = stack.enter_context(warped(dataset, raw, grid, resampling, alpha=alpha))
    return replace(scene, grid=grid, _dataset=view, _turn=Turn())


def read_array(path: Path | str) -> tuple[np.ndarray, np.ndarray, Grid]:
    """A small raster whole: image (band, row, col), valid (row, col), grid."""
    with open_scene(path) as scene:
        chip = scene.read()
        return chip.image, chip.valid, scene.grid
