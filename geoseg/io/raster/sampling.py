"""A sample of a scene's pixels, for statistics that need not see them all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rasterio.windows import Window

from geoseg.io.raster.scene import Scene

ROWS = 64  # of a strip
STRIPS = 64  # at most about so many are read, however tall the scene


def sampled_strips(
    scene: Scene, bands: tuple[int, ...] | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Image (band, row, col) and valid (row, col) of strips of whole rows, evenly spaced; all rows
    of a scene of fewer than 8,192.
    """
    height, width = scene.grid.shape
    for row in range(0, height, ROWS * max(1, height // (ROWS * STRIPS))):
        chip = scene.read(Window(0, row, width, min(ROWS, height - row)), bands)
        yield chip.image, chip.valid
