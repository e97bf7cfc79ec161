"""A scene in EPSG:3857 cut into map tiles, as tile servers name them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

from geoseg.io.raster.write import write_array

ZOOM, COLUMN, ROW, SIDE = 20, 567_890, 355_101, 64
EDGE = math.pi * 6_378_137


def place(zoom: int = ZOOM, column: int = COLUMN, row: int = ROW) -> Affine:
    """Where the tile lies, and the pixels of its neighbours."""
    side = 2 * EDGE / 2**zoom
    pixel = side / SIDE
    return Affine(pixel, 0, column * side - EDGE, 0, -pixel, EDGE - row * side)


def cut(
    folder: Path,
    image: np.ndarray,
    name: str = "{z}/{x}/{y}.png",
    *,
    without: tuple[tuple[int, int], ...] = (),
    zoom: int = ZOOM,
    **profile: Any,
) -> Path:
    """Write ``image`` (band, row, col) as tiles, but those at ``without`` (column, row)."""
    _, height, width = image.shape
    for row in range(height // SIDE):
        for column in range(width // SIDE):
            if (column, row) in without:
                continue
            path = folder / name.format(z=zoom, x=COLUMN + column, y=ROW + row)
            path.parent.mkdir(parents=True, exist_ok=True)
            part = image[:, row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
            write_array(path, part, **profile)
    return folder
