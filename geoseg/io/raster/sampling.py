"""A sample of a scene's pixels, for statistics that need not see them all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rasterio.windows import Window

from geoseg.core.nodata_marks import nodata_mark
from geoseg.io.journal import stamp
from geoseg.io.raster.window_reader import Scene

ROWS = 64  # of a strip
STRIPS = 64  # at most about so many are read, however tall the scene
PLACES = 5  # windows along each side of a scene, of so many pixels
WINDOW = 32
_MOST = 1000  # scenes that are remembered
_marks: dict[tuple[object, ...], float | None] = {}


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


def undeclared_nodata(scene: Scene) -> float | None:
    """The number that marks pixels without data in a scene of signed numbers that declares nothing
    of the kind, by a sample of windows spread evenly from edge to edge; None where there is none.
    """
    if scene.has_mask or np.dtype(scene.dtype).kind not in "fi":
        return None
    # scenes are opened again for each row of chips
    key = (scene.path, *stamp(scene.path), scene.grid.bounds, scene.indexes)
    if key not in _marks:
        if len(_marks) == _MOST:
            _marks.clear()
        _marks[key] = nodata_mark(_sample(scene))
    return _marks[key]


def _sample(scene: Scene) -> np.ndarray:
    """Values of all bands in windows spread evenly from edge to edge."""
    height, width = scene.grid.shape
    rows = np.unique(np.linspace(0, max(0, height - WINDOW), PLACES).astype(int))
    cols = np.unique(np.linspace(0, max(0, width - WINDOW), PLACES).astype(int))
    windows = [
        Window(int(col), int(row), min(WINDOW, width), min(WINDOW, height))
        for row in rows
        for col in cols
    ]
    chips = [scene.read(each) for each in windows]
    return np.concatenate([chip.image[:, chip.valid].ravel() for chip in chips])
