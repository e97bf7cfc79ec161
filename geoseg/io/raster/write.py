"""Rasters out; GDAL's errors become geoseg's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter

from geoseg.core.grid import Grid
from geoseg.errors import InputError, UsageError
from geoseg.io.atomic import atomic, remove, unwritten
from geoseg.io.raster import profiles
from geoseg.io.raster.opening import gdal_options, quiet
from geoseg.io.raster.whole import check_whole
from geoseg.parallel.memory import check_memory


@contextmanager
def translate_gdal_errors(path: Path) -> Iterator[None]:
    """GDAL's errors in writing ``path`` as OutputError."""
    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:
        check_memory(error)
        reason = error.__cause__ or error  # rasterio's own says no more than that it failed
        raise unwritten(path, str(reason)) from error


def check_raster_name(path: Path) -> None:
    """Raise UsageError where the extension of ``path`` is that of no raster we write."""
    if path.suffix.lower() not in (".tif", ".tiff", ".png"):
        raise UsageError(
            f"{path}: is no .tif, .tiff or .png", "name the output by what it is to be"
        )


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
    """A GeoTIFF (or COG, or PNG by the extension) to write windows into; it appears under ``path``
    when the block ends.

    ``scale`` turns stored values into physical ones, ``options`` are GDAL creation options that go
    before those of :mod:`geoseg.io.raster.profiles`. Overviews of a COG are means, those of
    integers without a ``scale``, which are classes, nearest neighbours. A PNG gets a worldfile
    beside it. Raises OutputError, UsageError for other extensions.
    """
    path = Path(path)
    check_raster_name(path)
    png = path.suffix.lower() == ".png"
    with rasterio.Env(**gdal_options()), ExitStack() as stack:
        with atomic(path, overwrite) as temporary:
            draft = temporary.with_name(temporary.name + ".draft") if cog or png else temporary
            place = Path(f"{temporary}.place")
            if draft != temporary:
                stack.callback(remove, draft)
                stack.callback(place.unlink, missing_ok=True)
            with translate_gdal_errors(path):
                with quiet():
                    out = rasterio.open(
                        draft,
                        "w",
                        **profiles.tiff(grid, count, dtype, nodata, {} if cog or png else options),
                    )
                with out:
                    out.update_tags(**(tags or {}))
                    if scale is not None:
                        out.scales = (scale,) * count
                    yield out
                _check_whole(draft, path, options)
                if cog:
                    mean = scale is not None or dtype.startswith("float")
                    rasterio.shutil.copy(
                        draft, temporary, driver="COG", **profiles.cog(mean, options)
                    )
                    _check_whole(temporary, path, options)
                elif png:
                    rasterio.shutil.copy(draft, temporary, driver="PNG", **profiles.png(options))
                    beside = Path(f"{temporary}.aux.xml")
                    if not grid.transform.is_identity and beside.exists():
                        beside.replace(place)
        if png:
            _place_png(path, grid, place)


def _place_png(path: Path, grid: Grid, place: Path) -> None:
    """Write where a PNG lies, which it cannot hold: ``place`` is GDAL's file of CRS and transform,
    a worldfile is for everybody else. What was beside a PNG that is replaced goes.
    """
    world = path.with_suffix(".pgw")
    world.unlink(missing_ok=True)
    if grid.transform.is_identity:
        return
    if place.exists():
        place.replace(f"{path}.aux.xml")
    a, b, c, d, e, f = grid.transform[:6]
    # a worldfile places the middle of the first pixel
    lines = (a, d, b, e, c + (a + b) / 2, f + (d + e) / 2)
    world.write_text("".join(f"{number!r}\n" for number in lines), "ascii")


def _check_whole(written: Path, path: Path, options: dict[str, Any] | None) -> None:
    """Raise OutputError where blocks of the TIFF ``written`` lie beyond its end: GDAL does not
    report when the disk was full.
    """
    sparse = "sparse_ok" in {name.lower() for name in options or {}}
    try:
        with quiet(), rasterio.open(written) as file:
            check_whole(str(path), file, sparse, most=None)
    except (RasterioError, InputError) as error:
        raise unwritten(path, "was cut short") from error


def write_array(
    path: Path | str, image: np.ndarray, grid: Grid | None = None, **keywords: Any
) -> None:
    """Write an array (band, row, col) or (row, col) whole; keywords as for
    :func:`create_raster`.
    """
    image = image if image.ndim == 3 else image[None]
    grid = grid or Grid(None, Affine.identity(), *image.shape[1:])
    with create_raster(path, grid, count=len(image), dtype=str(image.dtype), **keywords) as out:
        out.write(image)
