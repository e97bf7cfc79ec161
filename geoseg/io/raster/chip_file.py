"""Write chips. GDAL encodes in memory and we write the bytes, because GDAL does not report a full
disk.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.io import MemoryFile

from geoseg.core.grid import Grid
from geoseg.io.drafts import draft_of
from geoseg.io.raster import profiles
from geoseg.io.raster.opening import GDAL_OPTIONS, quiet
from geoseg.io.raster.write import translate_gdal_errors, write_array


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

    ``valid`` (row, col) becomes the mask of a TIFF, the alpha band of a PNG, where not all is valid
    and there is no ``nodata``. The file appears whole, at once: of two machines that write the same
    chip one does so last. Raises OutputError where GDAL cannot make it, OSError where the disk is
    full.
    """
    mask = None if valid is None or nodata is not None or valid.all() else valid
    if path.suffix == ".png":
        if mask is not None:
            opaque = np.iinfo(image.dtype).max
            image = np.concatenate([image, (mask * opaque).astype(image.dtype)[None]])
        write_array(path, image, grid, nodata=nodata, options=options, tags=tags, overwrite=True)
        return
    with translate_gdal_errors(path):
        encoded = encode(image, grid, mask, nodata, options, tags)
    draft = draft_of(path)
    draft.write_bytes(encoded)
    draft.replace(path)


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
