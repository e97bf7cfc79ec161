"""Any file as a raster of classes on a given grid, read strip by strip: masks, class rasters, probabilities, footprints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from rasterio.windows import Window

from geoseg.core.burn import Burner
from geoseg.core.grid import Grid
from geoseg.errors import InputError, UnsuitableError
from geoseg.io.kinds import kind_of
from geoseg.io.raster import Scene, open_scene
from geoseg.tools.rasterize import footprints_on, strips

VOID = 255
# Pixels looked at together when labels are counted.
STRIP_PIXELS = 2**22


@dataclass(frozen=True)
class Classes:
    """Classes on a grid: which may be ``present``, with the ``names`` of those that have one.

    ``read(first, last)`` gives the rows from ``first`` to before ``last``: uint8 (row, col), ``VOID`` where there is no data.
    """

    read: Callable[[int, int], np.ndarray]
    present: tuple[int, ...] = (0, 1)
    names: Mapping[int, str] = field(default_factory=dict)


def is_vector(path: str) -> bool:
    return path.lower().endswith(".csv") or kind_of(path) == "vector"


@contextmanager
def open_classes(path: str, grid: Grid, threshold: float | None, warnings: list[str]) -> Iterator[Classes]:
    """Open a raster or a vector file on ``grid``.

    Footprints are class 1; on a picture without a CRS they are taken in pixels. Probabilities (floats, or integers with a
    scale) are thresholded, by default at what their file says or 0.5; several bands give the most probable. Other integers
    are classes; 255 is void, but building where it is the only label and nothing says that the file is geoseg's.
    """
    if is_vector(path):
        burner = Burner(footprints_on(path, grid, warnings, pixel_coords=grid.crs is None).geometry.to_numpy())
        yield Classes(lambda first, last: burner.burn(grid.window(_rows(grid, first, last))))
        return
    with open_scene(path, like=grid) as scene:
        if scene.grid != scene.source:
            warnings.append(f"{path}: lies on another grid, read by nearest neighbour")
        if scene.dtype.startswith("float") or scene.dataset.scales[0] != 1:
            yield _probabilities(scene, _own_threshold(scene) if threshold is None else threshold)
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

    return Classes(read) if scene.bands == 1 else Classes(read, tuple(range(scene.bands)), _names(scene))


def _own_threshold(scene: Scene) -> float:
    try:
        return float(scene.tags.get("GEOSEG_THRESHOLD", 0.5))
    except ValueError as error:
        raise InputError(f"{scene.path}: its tag GEOSEG_THRESHOLD is no number") from error


def _labels(scene: Scene) -> Classes:
    if scene.bands != 1:
        raise UnsuitableError(f"{scene.path}: has {scene.bands} bands, so it is neither a mask nor a class raster")
    labels = _labels_present(scene)
    meaning = np.arange(256, dtype=np.uint8)
    building = scene.tags.get("GEOSEG_VALUE", "")
    if building.isdecimal() and int(building) < VOID:
        meaning[int(building)] = 1
    elif not labels[1:VOID].any() and "GEOSEG_KIND" not in scene.tags:
        meaning[VOID] = 1

    def read(first: int, last: int) -> np.ndarray:
        chip = scene.read(_rows(scene.grid, first, last))
        return np.where(chip.valid, meaning[chip.image[0].astype(np.uint8)], np.uint8(VOID))

    present = set(meaning[labels].tolist()) - {VOID}
    return Classes(read, tuple(sorted(present)), _names(scene))


def _labels_present(scene: Scene) -> np.ndarray:
    """Which of the labels 0 to 255 occur: bool (256)."""
    present = np.zeros(256, bool)
    for window in strips(scene.grid, STRIP_PIXELS):
        chip = scene.read(window)
        labels = chip.image[0][chip.valid]
        if labels.size and not 0 <= labels.min() <= labels.max() <= 255:
            raise UnsuitableError(f"{scene.path}: holds labels from {labels.min()} to {labels.max()}, classes go from 0 to 254")
        present |= np.bincount(labels.ravel(), minlength=256) > 0
    return present


def _names(scene: Scene) -> dict[int, str]:
    """Names of the classes, from geoseg's tag or from the descriptions of the bands."""
    named = scene.tags.get("GEOSEG_CLASSES")
    names = named.split(",") if named else scene.dataset.descriptions[: scene.bands] if scene.bands > 1 else ()
    return {label: name for label, name in enumerate(names) if name}
