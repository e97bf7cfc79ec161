"""Scenes in, rasters out. The only module that opens rasters; GDAL's errors become geoseg's."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from pyproj import CRS
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.core.tiling import Chip
from geoseg.errors import InputError, OutputError, SafetyError, UnsuitableError
from geoseg.io.output import atomic, remove

# GDAL's own default, 5% of the machine's memory, would be most of our peak. In bytes: rasterio hands it on as such.
GDAL_OPTIONS = {
    "GDAL_CACHEMAX": 64 * 2**20,
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.tiff",
    "GDAL_TIFF_INTERNAL_MASK": True,
}

_MAGIC = (
    (b"II*\0", "GTiff"),
    (b"MM\0*", "GTiff"),
    (b"II+\0", "GTiff"),
    (b"MM\0+", "GTiff"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\0\0\0\x0cjP  ", "JP2OpenJPEG"),
    (b"<VRTDataset", "VRT"),
)
REMOTE = ("https://", "s3://")


@dataclass(frozen=True)
class Scene:
    """An open raster, read window by window, at its own GSD or resampled to another.

    ``grid`` is the grid that windows refer to, ``source`` the file's own; they differ where the scene is resampled.
    ``bands`` is the number of bands without alpha.
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
        """Read ``bands`` (1-based; all but alpha by default) in ``window``; parts beyond the raster are 0 and not valid.

        Pixels that are nodata, masked, transparent or not finite are not valid, and are 0 in the image.
        """
        window = window or Window(0, 0, self.grid.width, self.grid.height)
        bands = bands or tuple(range(1, self.bands + 1))
        if max(bands) > self.dataset.count:
            raise UnsuitableError(f"{self.path}: has {self.bands} bands, not {max(bands)}", "choose others with --bands")
        shape = int(window.height), int(window.width)
        row, col = int(window.row_off), int(window.col_off)
        top, left = max(0, -row), max(0, -col)
        height = min(shape[0], self.grid.height - row) - top
        width = min(shape[1], self.grid.width - col) - left
        image = np.zeros((len(bands), *shape), self.dtype)
        valid = np.zeros(shape, bool)
        if height > 0 and width > 0:
            data, ok = self._read(Window(col + left, row + top, width, height), bands)
            image[:, top : top + height, left : left + width] = data
            valid[top : top + height, left : left + width] = ok
        return Chip(image, valid, self.grid.window(window))

    def read_valid(self, window: Window) -> np.ndarray:
        """Validity alone, bool (row, col), of a window inside the scene: reads no more than it must."""
        if self.dtype.startswith("float"):
            return self.read(window).valid
        if not self.has_mask:
            return np.ones((int(window.height), int(window.width)), bool)
        return self._guard(lambda: self.dataset.dataset_mask(window=window) > 0, window)

    def _read(self, window: Window, bands: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        data = self._guard(lambda: self.dataset.read(bands, window=window), window)
        mask = self._guard(lambda: self.dataset.dataset_mask(window=window) > 0, window) if self.has_mask else None
        ok = np.ones(data.shape[1:], bool) if mask is None else mask
        if data.dtype.kind == "f":
            ok = ok & np.isfinite(data).all(axis=0)
        if not ok.all():
            data = np.where(ok, data, 0)
        return data, ok

    def _guard(self, read: Callable[[], np.ndarray], window: Window) -> np.ndarray:
        try:
            return read()
        except RasterioError as error:
            place = f"row {int(window.row_off)}, column {int(window.col_off)}"
            raise InputError(f"{self.path}: cannot be read at {place}: it is damaged") from error


@contextmanager
def open_scene(path: Path | str, gsd: float | None = None, like: Grid | None = None) -> Iterator[Scene]:
    """Open a raster; with ``gsd`` (metres per pixel) it is read resampled to that, where it has a CRS.

    With ``like`` it is read on that grid by nearest neighbour, as labels must be; beyond its own extent nothing is valid.

    Raises InputError (missing, unreadable), SafetyError (a VRT that reaches elsewhere, plain http).
    """
    name = str(path)
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(**GDAL_OPTIONS))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            dataset = stack.enter_context(rasterio.open(_location(name), driver=_sniff(name)))
        except RasterioError as error:
            raise InputError(f"{name}: cannot be read as a raster") from error
        yield _scene(name, dataset, gsd, like, stack)


def _scene(name: str, dataset: DatasetReader, gsd: float | None, like: Grid | None, stack: ExitStack) -> Scene:
    source = grid = _grid_of(dataset)
    view: DatasetReader | WarpedVRT = dataset
    flags = [flag for band in dataset.mask_flag_enums for flag in band]
    masked = MaskFlags.all_valid not in flags
    if like is not None and like != source:
        if (like.crs is None) != (source.crs is None):
            raise UnsuitableError(f"{name}: only one of the two rasters has a CRS")
        grid, masked = like, True
        view = stack.enter_context(_warped(dataset, grid, Resampling.nearest, alpha=True))
    elif gsd and source.gsd and abs(gsd / source.gsd - 1) > 0.01:
        grid = source.scaled(source.gsd / gsd)
        resampling = Resampling.average if grid.width < source.width else Resampling.bilinear
        # a mask band would be lost: the warper hands it on as alpha
        view = stack.enter_context(_warped(dataset, grid, resampling, alpha=MaskFlags.per_dataset in flags))
    bands = sum(c != ColorInterp.alpha for c in dataset.colorinterp)
    return Scene(name, grid, source, bands, dataset.dtypes[0], dataset.nodata, dataset.tags(), view, masked)


def _warped(dataset: DatasetReader, grid: Grid, resampling: Resampling, alpha: bool) -> WarpedVRT:
    # without any CRS both grids are in pixels of the same picture; the warper only wants them to agree
    crs = grid.crs.to_wkt() if grid.crs else "EPSG:3857"
    return WarpedVRT(
        dataset,
        src_crs=dataset.crs or crs,
        crs=crs,
        transform=grid.transform,
        height=grid.height,
        width=grid.width,
        resampling=resampling,
        tolerance=1e-3,
        warp_mem_limit=32,
        add_alpha=alpha and ColorInterp.alpha not in dataset.colorinterp,
    )


def _grid_of(dataset: DatasetReader) -> Grid:
    crs = CRS.from_user_input(dataset.crs.to_wkt()) if dataset.crs else None
    return Grid(crs, dataset.transform, dataset.height, dataset.width)


def _location(name: str) -> str:
    if name.startswith("https://"):
        return f"/vsicurl/{name}"
    return name.replace("s3://", "/vsis3/", 1) if name.startswith("s3://") else name


def _sniff(name: str) -> str:
    """Driver by the first bytes, never by the extension."""
    if name.startswith("http://"):
        raise SafetyError(f"{name}: plain http is refused", "use https")
    if name.startswith(REMOTE):
        return "GTiff"
    if name.startswith("/vsi") or "://" in name:
        raise SafetyError(f"{name}: is neither a path nor an https or s3 address")
    path = Path(name)
    if not path.is_file():
        raise InputError(f"{name}: is a folder, not a file" if path.is_dir() else f"{name}: does not exist")
    try:
        head = path.read_bytes()[:16] if path.stat().st_size < 4096 else _head(path)
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from error
    for magic, driver in _MAGIC:
        if head.lstrip(b"\xef\xbb\xbf \r\n").startswith(magic) if driver == "VRT" else head.startswith(magic):
            if driver == "VRT":
                _check_vrt(path)
            return driver
    raise InputError(f"{name}: is not a raster we read", "GeoTIFF, PNG, JPEG, JPEG 2000 or a VRT over them")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


def _check_vrt(path: Path) -> None:
    """A VRT may only name files in its own folder: it must not read other files or hosts."""
    text = path.read_text("utf-8", "replace")
    sources = re.findall(r"<(?:SourceFilename|SourceDataset)\b([^>]*)>([^<]*)<", text)
    for attributes, source in sources:
        beside = 'relativeToVRT="1"' in attributes and re.fullmatch(r"[^/\\:]+\.tiff?", source.strip(), re.I)
        if not beside:
            raise SafetyError(f"{path}: names {source.strip()}, which does not lie beside it")
        if _sniff(str(path.parent / source.strip())) != "GTiff":
            raise SafetyError(f"{path}: names {source.strip()}, which is no TIFF")
    if not sources or "PixelFunction" in text or "<OGR" in text:
        raise SafetyError(f"{path}: is not a plain VRT over TIFFs")


@contextmanager
def create_raster(
    path: Path | str,
    grid: Grid,
    *,
    count: int = 1,
    dtype: str = "uint8",
    nodata: float | None = None,
    tags: dict[str, str] | None = None,
    scale: float | None = None,
    overwrite: bool = False,
    cog: bool = False,
    options: dict[str, Any] | None = None,
) -> Iterator[DatasetWriter]:
    """A GeoTIFF (or COG, or PNG by the extension) to write windows into; it appears under ``path`` when the block ends.

    ``scale`` turns stored values into physical ones, ``options`` are GDAL creation options. Tiled, zstd where the file is
    tiled, BIGTIFF where it is needed.
    """
    driver = "PNG" if Path(path).suffix.lower() == ".png" else "GTiff"
    with rasterio.Env(**GDAL_OPTIONS), atomic(path, overwrite) as temporary, ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        draft = temporary.with_name(temporary.name + ".draft") if cog or driver == "PNG" else temporary
        if draft != temporary:
            stack.callback(remove, draft)
        try:
            with rasterio.open(
                draft, "w", **_profile(grid, count, dtype, nodata, {} if draft != temporary else options)
            ) as out:
                yield out
                out.update_tags(**(tags or {}))
                if scale is not None:
                    out.scales = (scale,) * count
            if cog:
                rasterio.shutil.copy(draft, temporary, driver="COG", **_cog_options(dtype, options))
            elif driver == "PNG":
                rasterio.shutil.copy(draft, temporary, driver="PNG", WORLDFILE="YES" if grid.crs else "NO")
                _move_worldfile(temporary, Path(path))
        except RasterioError as error:
            raise OutputError(f"{path}: could not be written: {error}") from error


def _profile(grid: Grid, count: int, dtype: str, nodata: float | None, options: dict[str, Any] | None) -> dict[str, Any]:
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "count": count,
        "dtype": dtype,
        "nodata": nodata,
        "transform": grid.transform,
        "crs": grid.crs.to_wkt() if grid.crs else None,
        "BIGTIFF": "IF_SAFER",
        "compress": "zstd",
        "zstd_level": 1,
        "predictor": 3 if dtype.startswith("float") else 2,
        "num_threads": 2,
        "alpha": "no",  # else GDAL takes a fourth band, near infrared perhaps, for transparency
    }
    if grid.height >= 256 and grid.width >= 256:
        profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256}
    profile |= {k.lower(): v for k, v in (options or {}).items()}
    if str(profile["compress"]).lower() not in ("zstd", "deflate", "lzw"):
        del profile["predictor"]
    return profile


def _cog_options(dtype: str, options: dict[str, Any] | None) -> dict[str, Any]:
    chosen = {
        "COMPRESS": "ZSTD",
        "LEVEL": "1",
        "PREDICTOR": "YES",
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": "2",
        "BLOCKSIZE": "512",
    }
    return chosen | {k.upper(): str(v) for k, v in (options or {}).items()}


def _move_worldfile(temporary: Path, path: Path) -> None:
    world = temporary.with_suffix(".wld")
    if world.exists():
        world.replace(path.with_suffix(".pgw"))
    remove(temporary.with_name(temporary.name + ".aux.xml"))


def read_array(path: Path | str) -> tuple[np.ndarray, np.ndarray, Grid]:
    """A small raster whole: image (band, row, col), valid (row, col), grid."""
    with open_scene(path) as scene:
        chip = scene.read()
        return chip.image, chip.valid, scene.grid


def write_array(path: Path | str, image: np.ndarray, grid: Grid | None = None, **keywords: Any) -> None:
    """Write an array (band, row, col) or (row, col) whole; keywords as for :func:`create_raster`."""
    image = image if image.ndim == 3 else image[None]
    grid = grid or Grid(None, Affine.identity(), *image.shape[1:])
    with create_raster(path, grid, count=len(image), dtype=str(image.dtype), **keywords) as out:
        out.write(image)
