"""Any file as a raster of classes on a given grid, read strip by strip: masks, class rasters, probabilities, footprints."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from rasterio.windows import Window

from geoseg.core.burn import Burner
from geoseg.core.grid import Grid
from geoseg.errors import UnsuitableError
from geoseg.io.kinds import kind_of
from geoseg.io.raster import Scene, open_scene
from geoseg.tools.rasterize import STRIP_PIXELS, footprints_on, strips

VOID = 255


@dataclass(frozen=True)
class Classes:
    """Classes 0 to ``count`` - 1 on a grid; ``names`` of those that have one.

    ``read(first, last)`` gives the rows from ``first`` to before ``last``: uint8 (row, col), ``VOID`` where there is no data.
    """

    read: Callable[[int, int], np.ndarray]
    count: int = 2
    names: Mapping[int, str] = field(default_factory=dict)


def is_vector(path: str) -> bool:
    return path.lower().endswith(".csv") or kind_of(path) == "vector"


@contextmanager
def open_classes(path: str, grid: Grid, threshold: float | None, warnings: list[str]) -> Iterator[Classes]:
    """Open a raster or a vector file on ``grid``.

    Footprints are class 1; on a picture without a CRS they are taken in pixels. Probabilities (floats, or integers with a
    scale) are thresholded (at 0.5 by default), several bands of them give the most probable. Other integers are classes; 255
    is void, but building where it is the only label.
    """
    if is_vector(path):
        burner = Burner(footprints_on(path, grid, warnings, pixel_coords=grid.crs is None).geometry.to_numpy())
        yield Classes(lambda first, last: burner.burn(grid.window(_rows(grid, first, last))))
        return
    with open_scene(path, like=grid) as scene:
        if scene.grid != scene.source:
            warnings.append(f"{path}: lies on another grid, read by nearest neighbour")
        if scene.dtype.startswith("float") or scene.dataset.scales[0] != 1:
            yield _probabilities(scene, 0.5 if threshold is None else threshold)
        else:
            if threshold is not None:
                warnings.append(f"{path}: holds classes, not probabilities; --threshold does not apply")
            yield _labels(scene)


def _rows(grid: Grid, first: int, last: int) -> Window:
    return Window(0, first, grid.width, last - first)


def _probabilities(scene: Scene, threshold: float) -> Classes:
    scale = scene.dataset.scales[0]

    def read(first: int, last: int) -> np.ndarray:
        chip = scene.read(_rows(scene.grid, first, last))
        found = chip.image[0] * scale >= threshold if scene.bands == 1 else chip.image.argmax(axis=0)
        return np.where(chip.valid, found, VOID).astype(np.uint8)

    names = {band: text for band, text in enumerate(scene.dataset.descriptions[: scene.bands]) if text}
    return Classes(read) if scene.bands == 1 else Classes(read, scene.bands, names)


def _labels(scene: Scene) -> Classes:
    if scene.bands != 1:
        raise UnsuitableError(f"{scene.path}: has {scene.bands} bands, so it is neither a mask nor a class raster")
    present = np.zeros(256, bool)
    for window in strips(scene.grid, STRIP_PIXELS):
        chip = scene.read(window)
        labels = chip.image[0][chip.valid]
        if labels.size and not 0 <= labels.min() <= labels.max() <= 255:
            raise UnsuitableError(f"{scene.path}: holds labels from {labels.min()} to {labels.max()}, classes go from 0 to 254")
        present |= np.bincount(labels.ravel(), minlength=256) > 0
    meaning = np.arange(256, dtype=np.uint8)
    only_void = not present[1:VOID].any()
    if only_void:
        meaning[VOID] = 1

    def read(first: int, last: int) -> np.ndarray:
        chip = scene.read(_rows(scene.grid, first, last))
        return np.where(chip.valid, meaning[chip.image[0].astype(np.uint8)], np.uint8(VOID))

    used = np.flatnonzero(present[:VOID])
    named = json.loads(scene.tags.get("geoseg_classes", "{}"))
    return Classes(read, max(2, int(used.max(initial=0)) + 1), {number: name for name, number in named.items()})
