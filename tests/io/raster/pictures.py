"""A scene with known pixels, written as a plain rasterio client writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine

PLACE = Affine(0.3, 0, 458_520, 0, -0.3, 5_548_710)
SHAPE = 50, 70
CRS = "EPSG:32633"


def picture(bands: int = 3, seed: int = 4) -> np.ndarray:
    """uint8 (band, 50, 70) without 0 and 255."""
    return np.random.default_rng(seed).integers(1, 255, (bands, *SHAPE)).astype("uint8")


def save(
    path: Path, image: np.ndarray, *, colours: Any = None, palette: Any = None, **profile: Any
) -> Path:
    """``image`` (band, row, col) as a GeoTIFF, with declared colours."""
    own = {"crs": CRS, "transform": PLACE} | profile
    size = {"count": len(image), "height": image.shape[1], "width": image.shape[2]}
    with rasterio.open(path, "w", **{"driver": "GTiff", "dtype": image.dtype} | size | own) as out:
        out.write(image)
        if palette:
            out.write_colormap(1, palette)
    if colours:
        with rasterio.open(path, "r+") as out:
            out.colorinterp = colours
    return path
