"""Any file as a raster of classes on a given grid, read strip by strip: masks, class rasters,
probabilities, footprints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import shapely
from rasterio.windows import Window

from geoseg.core.encoding import layered
from geoseg.core.grid import Grid, assign_crs
from geoseg.core.layer import Layer
from geoseg.core.tiling import row_windows
from geoseg.errors import InputError, UnsuitableError
from geoseg.geometry.burn import Burner, repair
from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.outlines import to_crs_coordinates
from geoseg.geometry.surface import ClassSurface, surfaces, surfaces_of_bands
from geoseg.io.formats import kind_of
from geoseg.io.raster.scene import Scene, open_scene
from geoseg.labels.footprints import footprints_on
from geoseg.specs import Area, ModelSpec, PixelReference, PolygonSpec

VOID = 255
# Pixels looked at together when labels are counted.
STRIP_PIXELS = 2**22


@dataclass(frozen=True)
class ClassRaster:
    """Classes on a grid: which may be ``present``, with the ``names`` of those that have one.

    ``read(first, last)`` gives the rows from ``first`` to before ``last``: uint8 (row, col),
    ``VOID`` where there is no data. ``footprints()`` gives the buildings as a layer in the grid's
    CRS, cut at its border; it is None where there are more classes than background and building.
    ``scores``, like ``read``, gives the probabilities that were thresholded and their validity,
    float32 and bool (row, col); it is None where there are none.
    """

    read: Callable[[int, int], np.ndarray]
    footprints: Callable[[], Layer] | None
    present: tuple[int, ...] = (0, 1)
    names: Mapping[int, str] = field(default_factory=dict)
    scores: Callable[[int, int], tuple[np.ndarray, np.ndarray]] | None = None


def is_vector(path: str) -> bool:
    return kind_of(path) == "vector"


@contextmanager
def open_class_raster(
    path: str,
    grid: Grid,
    threshold: float | None,
    warnings: list[str],
    band: int | None = None,
    *,
    stacked: bool = False,
) -> Iterator[ClassRaster]:
    """Open a raster or a vector file on ``grid``.

    Footprints are class 1; on a picture without a CRS they are taken in pixels. Probabilities
    (floats, or integers with a scale) are thresholded, by default at what their file says or 0.5;
    several bands give the most probable, multi-label bands as classes from 1,
    where it reaches the threshold. Other integers are classes; 255 is void, but building where it
    is the only label and nothing says that the file is geoseg's. Where all other classes than
    buildings only lie between them, boundaries count as building, and part the footprints. Of
    multi-label bands (:func:`multilabel_names`) only the ``band`` of that number, from 0, is
    taken where one is given; masks of them lie one over the other where they may be ``stacked``,
    and are refused else.
    """
    if grid.crs is None:
        grid = assign_crs(grid, path, PixelReference(pixel_coords=True))
    if is_vector(path):
        layer = footprints_on(
            path, grid, warnings, pixel_coords=grid.crs is None, columns=("confidence",)
        )
        burner = Burner(layer.geometry, grid)
        yield ClassRaster(
            lambda first, last: burner.burn(grid.window(_rows(grid, first, last))),
            lambda: _cut(layer, grid),
        )
        return
    with open_scene(path, like=grid) as scene:
        if scene.grid != scene.source:
            warnings.append(f"{path}: lies on another grid, read by nearest neighbour")
        if scene.dtype.startswith("float") or _scale(scene) != 1:
            cut = (
                _number(scene, "GEOSEG_THRESHOLD", ModelSpec.threshold)
                if threshold is None
                else threshold
            )
            surface = _surface(scene) if band is None else ClassSurface("building", band)
            yield _probabilities(scene, surface, cut) if surface else _most_probable(scene, cut)
        else:
            if threshold is not None:
                warnings.append(
                    f"{path}: holds classes, not probabilities; `threshold` does not apply"
                )
            yield _stacked(scene) if stacked and multilabel_names(scene) else _labels(scene, band)


def _rows(grid: Grid, first: int, last: int) -> Window:
    return Window(0, first, grid.width, last - first)


def _cut(layer: Layer, grid: Grid) -> Layer:
    """Footprints cut at the border of the grid; those beyond it are left out."""
    extent = to_crs_coordinates(
        np.array([shapely.box(0, 0, grid.width, grid.height)]), grid.transform
    )[0]
    # what only touches the border leaves a line or a point, which is no footprint
    inside, _ = repair(shapely.intersection(layer.geometry, extent))
    return replace(layer, geometry=inside, crs=grid.crs).take(~shapely.is_empty(inside))


def _surface(scene: Scene) -> ClassSurface | None:
    """The buildings of probabilities of one band, or of buildings and what lies between them; None
    for other classes.
    """
    if scene.bands == 1:
        return ClassSurface("building", 0)
    names = list(_names(scene).values())
    return _parted(surfaces_of_bands(names)) if len(names) == scene.bands else None


def _parted(found: list[ClassSurface]) -> ClassSurface | None:
    """The one class that there is, where something lies between its footprints."""
    return found[0] if len(found) == 1 and found[0].boundary_channel is not None else None


def _traced(
    scene: Scene, strip: Callable[[int, int], MaskStrip], level: float, min_area: float
) -> Layer:
    """Footprints of the masks that ``strip`` gives of the rows from one to before another, cut from
    scores at ``level``.
    """
    from geoseg.geometry.footprints import FootprintLabels, trace_footprints

    grid = scene.grid
    rows = (strip(w.row_off, w.row_off + w.height) for w in row_windows(grid, STRIP_PIXELS))
    found = list(
        trace_footprints(
            rows, grid, FootprintLabels(scene.path), PolygonSpec(), Area(min_area), level
        )
    )
    confidence = np.concatenate([np.empty(0), *(batch.columns["confidence"] for batch in found)])
    geometry = np.concatenate([np.empty(0, object), *(batch.geometry for batch in found)])
    return Layer(geometry, grid.crs, {"confidence": confidence})


def _probabilities(scene: Scene, surface: ClassSurface, threshold: float) -> ClassRaster:
    scale, level = np.float32(_scale(scene)), np.float32(threshold)
    bands = tuple(channel + 1 for channel in surface.channels)

    def strip(first: int, last: int) -> MaskStrip:
        chip = scene.read(_rows(scene.grid, first, last), bands)
        scores, boundary_margin = surface.score(chip.image * scale)
        return MaskStrip((scores >= level) & chip.valid, chip.valid, scores, boundary_margin)

    def read(first: int, last: int) -> np.ndarray:
        cut = strip(first, last)
        return np.where(cut.valid, cut.mask, VOID).astype(np.uint8)

    def scores(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        cut = strip(first, last)
        assert cut.scores is not None
        return cut.scores, cut.valid

    min_area = _number(scene, "GEOSEG_MIN_AREA", ModelSpec.min_area)
    return ClassRaster(read, lambda: _traced(scene, strip, float(level), min_area), scores=scores)


def _scale(scene: Scene) -> float:
    """What stored values are multiplied by; a PNG of probabilities cannot say so itself."""
    scale = float(scene.dataset.scales[0])
    coded = scale == 1 and scene.dtype == "uint8" and scene.tags.get("GEOSEG_KIND") == "probability"
    return 1 / 254 if coded else scale


def _most_probable(scene: Scene, threshold: float) -> ClassRaster:
    apart = multilabel_names(scene) if scene.tags.get("GEOSEG_KIND") == "probability" else ()
    level = np.float32(threshold) / np.float32(_scale(scene))

    def read(first: int, last: int) -> np.ndarray:
        chip = scene.read(_rows(scene.grid, first, last))
        best = chip.image.argmax(axis=0)
        if apart:
            best = np.where(chip.image.max(axis=0) >= level, best + 1, 0)
        return np.where(chip.valid, best, VOID).astype(np.uint8)

    names = dict(enumerate(("background", *apart))) if apart else _names(scene)
    return ClassRaster(read, None, tuple(range(scene.bands + bool(apart))), names)


def multilabel_names(scene: Scene) -> tuple[str, ...]:
    """Names of the bands of multi-label masks or probabilities, so that a pixel
    may be of several.

    Nothing for a single band, for bands that are not all named, each by a name of its own, and for
    classes of which a pixel has one: those with a background, and what `geoseg predict` says in its
    tags to be such.
    """
    names = tuple(
        (text or "").strip().replace(",", " ") for text in scene.dataset.descriptions[: scene.bands]
    )
    exclusive = scene.tags.get("GEOSEG_KIND") == "probability" and "GEOSEG_CLASSES" in scene.tags
    named = len({name.lower() for name in names if name}) == len(names) > 1
    return names if named and not exclusive and names[0].lower() != "background" else ()


def check_masks(scene: Scene, image: np.ndarray) -> None:
    """Raise UnsuitableError where multi-label bands are no masks but imagery, which may
    have named bands too.
    """
    if "GEOSEG_KIND" not in scene.tags and ((image > 1) & (image < VOID)).any():
        raise UnsuitableError(f"{scene.path}: is no mask: its bands hold more than 0, 1 and 255")


def _number(scene: Scene, tag: str, default: float) -> float:
    try:
        return float(scene.tags.get(tag, default))
    except ValueError as error:
        raise InputError(f"{scene.path}: its tag {tag} is no number") from error


def _labels(scene: Scene, band: int | None) -> ClassRaster:
    if scene.bands != 1 and band is None:
        raise UnsuitableError(
            f"{scene.path}: has {scene.bands} bands, so it is neither a mask nor a class raster"
        )
    bands = (1 if band is None else band + 1,)
    labels, names = _labels_present(scene, bands), _names(scene) if band is None else {}
    surface = _parted(surfaces(list(names.values()))) if len(names) > 2 else None
    meaning = _meaning(scene, labels, surface)
    if band is not None:
        check_masks(scene, np.flatnonzero(labels))
        meaning[1:VOID] = 1

    def strip(first: int, last: int) -> MaskStrip:
        chip = scene.read(_rows(scene.grid, first, last), bands)
        label = chip.image[0].astype(np.uint8)
        valid = chip.valid & (meaning[label] != VOID)
        scores, boundary_margin = (meaning[label] == 1).astype(np.float32), None
        if surface:
            scores, boundary_margin = surface.score(
                np.stack([label == channel for channel in surface.channels]).astype(np.float32)
            )
        return MaskStrip((scores > 0) & valid, valid, scores, boundary_margin)

    def read(first: int, last: int) -> np.ndarray:
        chip = scene.read(_rows(scene.grid, first, last), bands)
        return np.where(chip.valid, meaning[chip.image[0].astype(np.uint8)], np.uint8(VOID))

    present = tuple(sorted(set(meaning[labels].tolist()) - {VOID}))
    several = max(present, default=0) > 1
    return ClassRaster(
        read,
        None if several else lambda: _traced(scene, strip, 0.5, 0),
        present,
        {} if surface else names,
    )


def _stacked(scene: Scene) -> ClassRaster:
    """Multi-label masks as classes from 1: the last one that a pixel is of."""
    names = ("background", *multilabel_names(scene))

    def read(first: int, last: int) -> np.ndarray:
        chip = scene.read(_rows(scene.grid, first, last))
        check_masks(scene, chip.image)
        masks = np.where(chip.image == VOID, np.uint8(VOID), chip.image > 0)
        return np.where(chip.valid, layered(masks), np.uint8(VOID))

    return ClassRaster(read, None, tuple(range(len(names))), dict(enumerate(names)))


def _meaning(scene: Scene, labels: np.ndarray, surface: ClassSurface | None) -> np.ndarray:
    """The class of each label, uint8 (256)."""
    meaning = np.arange(256, dtype=np.uint8)
    building = scene.tags.get("GEOSEG_VALUE", "")
    if surface:
        meaning[list(surface.channels)] = 1, surface.boundary_is_building
    elif building.isdecimal() and int(building) < VOID:
        meaning[int(building)] = 1
    elif not labels[1:VOID].any() and "GEOSEG_KIND" not in scene.tags:
        meaning[VOID] = 1
    return meaning


def _labels_present(scene: Scene, bands: tuple[int, ...]) -> np.ndarray:
    """Which of the labels 0 to 255 occur: bool (256)."""
    present = np.zeros(256, bool)
    for window in row_windows(scene.grid, STRIP_PIXELS):
        chip = scene.read(window, bands)
        labels = chip.image[0][chip.valid]
        if labels.size and not 0 <= labels.min() <= labels.max() <= 255:
            raise UnsuitableError(
                f"{scene.path}: holds labels from {labels.min()} to {labels.max()}, classes go "
                "from 0 to 254"
            )
        present |= np.bincount(labels.ravel(), minlength=256) > 0
    return present


def _names(scene: Scene) -> dict[int, str]:
    """Names of the classes, from geoseg's tag or from the descriptions of the bands."""
    named = scene.tags.get("GEOSEG_CLASSES")
    names = (
        named.split(",")
        if named
        else scene.dataset.descriptions[: scene.bands]
        if scene.bands > 1
        else ()
    )
    return {label: name for label, name in enumerate(names) if name}
