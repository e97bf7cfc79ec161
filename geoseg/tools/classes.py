"""Any file as a raster of classes on a given grid, read strip by strip: masks, class rasters, probabilities, footprints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import shapely
from rasterio.windows import Window

from geoseg.core.burn import Burner, repair
from geoseg.core.footprints import place
from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.errors import InputError, UnsuitableError
from geoseg.io.kinds import kind_of
from geoseg.io.raster import Scene, open_scene
from geoseg.specs import ModelSpec, PolygonSpec, Quantity
from geoseg.tools.rasterize import footprints_on, placed, strips

VOID = 255
# Pixels looked at together when labels are counted.
STRIP_PIXELS = 2**22


@dataclass(frozen=True)
class Classes:
    """Classes on a grid: which may be ``present``, with the ``names`` of those that have one.

    ``read(first, last)`` gives the rows from ``first`` to before ``last``: uint8 (row, col), ``VOID`` where there is no data.
    ``footprints()`` gives the buildings as a layer in the grid's CRS, cut at its border; it is None where there are
    more classes than background and building. ``scores``, like ``read``, gives the probabilities that were thresholded and
    their validity, float32 and bool (row, col); it is None where there are none.
    """

    read: Callable[[int, int], np.ndarray]
    footprints: Callable[[], Layer] | None
    present: tuple[int, ...] = (0, 1)
    names: Mapping[int, str] = field(default_factory=dict)
    scores: Callable[[int, int], tuple[np.ndarray, np.ndarray]] | None = None


def is_vector(path: str) -> bool:
    return kind_of(path) == "vector"


@contextmanager
def open_classes(path: str, grid: Grid, threshold: float | None, warnings: list[str]) -> Iterator[Classes]:
    """Open a raster or a vector file on ``grid``.

    Footprints are class 1; on a picture without a CRS they are taken in pixels. Probabilities (floats, or integers with a
    scale) are thresholded, by default at what their file says or 0.5; several bands give the most probable. Other integers
    are classes; 255 is void, but building where it is the only label and nothing says that the file is geoseg's.
    """
    if grid.crs is None:
        grid = placed(grid, path, None, True)
    if is_vector(path):
        layer = footprints_on(path, grid, warnings, pixel_coords=grid.crs is None, columns=("confidence",))
        burner = Burner(layer.geometry, grid)
        yield Classes(lambda first, last: burner.burn(grid.window(_rows(grid, first, last))), lambda: _cut(layer, grid))
        return
    with open_scene(path, like=grid) as scene:
        if scene.grid != scene.source:
            warnings.append(f"{path}: lies on another grid, read by nearest neighbour")
        if scene.dtype.startswith("float") or _scale(scene) != 1:
            own = _number(scene, "GEOSEG_THRESHOLD", ModelSpec.threshold)
            yield _most_probable(scene) if scene.bands > 1 else _probabilities(scene, own if threshold is None else threshold)
        else:
            if threshold is not None:
                warnings.append(f"{path}: holds classes, not probabilities; --threshold does not apply")
            yield _labels(scene)


def _rows(grid: Grid, first: int, last: int) -> Window:
    return Window(0, first, grid.width, last - first)


def _cut(layer: Layer, grid: Grid) -> Layer:
    """Footprints cut at the border of the grid; those beyond it are left out."""
    extent = place(np.array([shapely.box(0, 0, grid.width, grid.height)]), grid.transform)[0]
    # what only touches the border leaves a line or a point, which is no footprint
    inside, _ = repair(shapely.intersection(layer.geometry, extent))
    return replace(layer, geometry=inside, crs=grid.crs).take(~shapely.is_empty(inside))


def _traced(
    scene: Scene, scores: Callable[[int, int], tuple[np.ndarray, np.ndarray]], threshold: float, min_area: float
) -> Layer:
    """Footprints where the scores, ``(probability float32, valid)`` of rows, reach ``threshold``."""
    from geoseg.tools.footprints import footprints

    grid, smallest = scene.grid, Quantity(min_area)
    rows = (scores(w.row_off, w.row_off + w.height) for w in strips(grid, STRIP_PIXELS))
    found = list(footprints(rows, grid, scene=scene.path, spec=PolygonSpec(), threshold=threshold, min_area=smallest))
    confidence = np.concatenate([np.empty(0), *(batch.columns["confidence"] for batch in found)])
    geometry = np.concatenate([np.empty(0, object), *(batch.geometry for batch in found)])
    return Layer(geometry, grid.crs, {"confidence": confidence})


def _probabilities(scene: Scene, threshold: float) -> Classes:
    scale = np.float32(_scale(scene))

    def scores(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        chip = scene.read(_rows(scene.grid, first, last), (1,))
        return chip.image[0] * scale, chip.valid

    def read(first: int, last: int) -> np.ndarray:
        probability, valid = scores(first, last)
        return np.where(valid, probability >= np.float32(threshold), VOID).astype(np.uint8)

    min_area = _number(scene, "GEOSEG_MIN_AREA", ModelSpec.min_area)
    return Classes(read, lambda: _traced(scene, scores, threshold, min_area), scores=scores)


def _scale(scene: Scene) -> float:
    """What stored values are multiplied by; a PNG of probabilities cannot say so itself."""
    scale = float(scene.dataset.scales[0])
    coded = scale == 1 and scene.dtype == "uint8" and scene.tags.get("GEOSEG_KIND") == "probability"
    return 1 / 254 if coded else scale


def _most_probable(scene: Scene) -> Classes:
    def read(first: int, last: int) -> np.ndarray:
        chip = scene.read(_rows(scene.grid, first, last))
        return np.where(chip.valid, chip.image.argmax(axis=0), VOID).astype(np.uint8)

    return Classes(read, None, tuple(range(scene.bands)), _names(scene))


def _number(scene: Scene, tag: str, default: float) -> float:
    try:
        return float(scene.tags.get(tag, default))
    except ValueError as error:
        raise InputError(f"{scene.path}: its tag {tag} is no number") from error


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

    def scores(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        classes = read(first, last)
        return (classes == 1).astype(np.float32), classes != VOID

    present = tuple(sorted(set(meaning[labels].tolist()) - {VOID}))
    return Classes(
        read, None if max(present, default=0) > 1 else lambda: _traced(scene, scores, 0.5, 0), present, _names(scene)
    )


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
