"""Chips out. GDAL makes them in memory and they are put on the disk here, for GDAL does not tell when a disk is full.

Uncompressed chips of a scene differ in their place and their pixels alone. So GDAL makes one at a known place and of known
pixels, and the others get theirs where those are found in it: that takes a tenth of the time.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from pyproj import CRS
from rasterio.io import MemoryFile

from geoseg.core.grid import Grid
from geoseg.io import profiles
from geoseg.io.raster import GDAL_OPTIONS, quiet, told, write_array

ORIGIN = 123456.078125, -7654321.90625  # of which the bytes stand nowhere else in a header


def is_plain(options: Mapping[str, str] | None) -> bool:
    """Whether chips of these creation options are uncompressed, and all else is as it comes."""
    return {name.lower(): value.lower() for name, value in (options or {}).items()} == {"compress": "none"}


def write_chip(
    path: Path,
    image: np.ndarray,
    grid: Grid,
    *,
    valid: np.ndarray | None = None,
    nodata: float | None = None,
    options: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
) -> None:
    """Write ``image`` (band, row, col) to ``path``, a TIFF or PNG, over what may be there.

    ``valid`` (row, col) becomes the mask of a TIFF where not all is valid and no ``nodata`` tells. The file is not whole until
    the function returns. Raises OutputError where GDAL cannot make it, OSError where the disk is full.
    """
    if path.suffix == ".png":
        write_array(path, image, grid, nodata=nodata, options=options, tags=tags, overwrite=True)
        return
    mask = None if valid is None or nodata is not None or valid.all() else valid
    frame = None
    if is_plain(options) and mask is None and not tags and not grid.transform.is_identity:
        a, b, _, d, e, _ = grid.transform[:6]
        frame = _frame(image.shape, str(image.dtype), grid.crs, (a, b, d, e), nodata)
    with told(path):
        parts = frame.filled(image, grid.transform) if frame else [encode(image, grid, mask, nodata, options, tags)]
    with path.open("wb") as file:
        file.writelines(parts)


def encode(
    image: np.ndarray,
    grid: Grid,
    mask: np.ndarray | None,
    nodata: float | None,
    options: dict[str, str] | None,
    tags: dict[str, str] | None = None,
) -> bytes:
    """The bytes of a GeoTIFF as GDAL writes it."""
    with rasterio.Env(**GDAL_OPTIONS), MemoryFile() as memory:
        with quiet():
            out = memory.open(**profiles.tiff(grid, len(image), str(image.dtype), nodata, options))
        with out:
            out.update_tags(**(tags or {}))
            out.write(image)
            if mask is not None:
                out.write_mask(mask)
        return memory.read()


@dataclass(frozen=True)
class _Frame:
    """What stands before and after the pixels of an uncompressed TIFF, and where in it the origin's x and y."""

    head: bytes
    tail: bytes
    places: tuple[int, int]

    def filled(self, image: np.ndarray, transform: Affine) -> list[bytes | bytearray | memoryview]:
        head = bytearray(self.head)
        for place, value in zip(self.places, (transform.c, transform.f), strict=True):
            struct.pack_into("=d", head, place, value)
        return [head, np.ascontiguousarray(image.transpose(1, 2, 0)).data, self.tail]


@lru_cache(maxsize=8)
def _frame(
    shape: tuple[int, ...], dtype: str, crs: CRS | None, linear: tuple[float, ...], nodata: float | None
) -> _Frame | None:
    """The frame of chips of ``shape`` (band, row, col); None where place or pixels are not found just once.

    ``linear`` are the coefficients a, b, d, e of their transforms.
    """
    a, b, d, e = linear
    size = np.dtype(dtype).itemsize * int(np.prod(shape))
    pixels = np.random.default_rng(0).bytes(size)
    image = np.frombuffer(pixels, dtype).reshape(*shape[1:], shape[0]).transpose(2, 0, 1)
    made = encode(image, Grid(crs, Affine(a, b, ORIGIN[0], d, e, ORIGIN[1]), *shape[1:]), None, nodata, {"compress": "none"})
    head, found, tail = made.partition(pixels)
    places = [struct.pack("=d", value) for value in ORIGIN]
    if not found or any(head.count(place) != 1 or place in tail for place in places):
        return None
    return _Frame(head, tail, (head.index(places[0]), head.index(places[1])))
