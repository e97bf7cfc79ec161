"""What the values of a raster mean: the one place that decides.

The tags of our own rasters come first, then the scale and names of the bands, then the values
themselves, for which the raster is read once. ``n`` stands for any integer.

| raster | is taken for |
| --- | --- |
| **of geoseg** (tag ``GEOSEG_KIND``) | |
| probability, one band | probability: uint8 in steps of 1/254 with 255 unknown, or floats |
| probability, several bands with ``GEOSEG_CLASSES`` | probability of exclusive classes |
| probability, several bands that only their descriptions name | multilabel probabilities |
| mask | mask: ``GEOSEG_VALUE``, 1 without it, is the building; 255 unknown |
| boundary, contact | mask of that name, which has no footprints |
| edges, classes | classes by their names; 255 unknown |
| instance | instance: each number is a building, 0 is none |
| distance | refused: distances are no labels |
| several kinds of masks as bands | multilabel masks of footprint, boundary and contact |
| ... footprint with ``GEOSEG_CLASSES`` among them | classes of that band |
| ... no footprint, but edges, else instance | that band |
| multilabel (chips), a band for each name in ``GEOSEG_CLASSES`` | multilabel masks |
| **of others** | |
| floats, one band | probability, 0 to 1; beyond refused |
| integers with a scale, one band | probability: value times scale |
| several bands, all named, the first not background | multilabel, masks or probabilities |
| several bands of floats or with a scale | probability of exclusive classes, by their names |
| other bands of integers | refused: a mask has one band |
| one band with ``GEOSEG_CLASSES`` | classes by their names; 255 unknown |
| changed by JPEG, spread over 8 bits | probability of 0 to 255 (a mask whose edges JPEG blurred) |
| ... not spread | refused: which label it was is lost |
| 0 and 1; 0, 1 and 255 | mask; 255 unknown |
| 0 and 255 alone (or 65535 in 16 bits) | mask, the greater value is the building |
| n > 1 among at most 64 values up to 254 | each value is a class; 255 beside them unknown |
| ... spread over 8 or 16 bits, with a threshold given | probability of 0 to 255, of 0 to 65535 |
| more than 64 values spread over 8 or 16 bits | with a threshold probability, else refused |
| other values: below 0, beyond 254, too many | refused |

A raster that names two or more labels is refused where it holds a label without a name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from rasterio.windows import Window

from geoseg.core.encoding import BACKGROUND, PROBABILITY_STEPS, VOID, RasterTags
from geoseg.core.tiling import row_windows
from geoseg.errors import UnsuitableError
from geoseg.io.raster.scene import Scene
from geoseg.labels.interpretation import BUILDING, Interpretation, Kind
from geoseg.specs import ModelSpec

MOST_CLASSES = 64  # different values of a class raster that names none
_MASKS = ("footprint", "boundary", "contact")
_LABELS = {*_MASKS, "mask", "classes", "edges", "instance", "distance"}


class Occurring(NamedTuple):
    """The values of a raster's first band: the first of them, sorted, the least, the greatest."""

    values: tuple[int, ...]
    low: int
    high: int


def interpret(
    scene: Scene, threshold: float | None = None, windows: Iterable[Window] | None = None
) -> Interpretation:
    """What the values of ``scene``, open on its own grid, mean: see the table above.

    ``threshold`` says that the user takes them for probabilities where they may be. Values that
    have to be looked at are read in ``windows``, by default all of them. Raises UnsuitableError
    for what is refused, InputError for a damaged tag.
    """
    # In the order of the table, the certain before what is guessed: tags, then scales and names of
    # bands, then the values, which alone have to be read.
    tags = RasterTags.parse(scene.tags, scene.path)
    if scene.bands > 1 and len(tags.kinds) == scene.bands and "probability" not in tags.kinds:
        return _kinds_as_bands(scene, tags)
    if unit := _unit(scene, tags):
        return _probabilities(scene, tags, unit)
    bands = tuple(range(1, scene.bands + 1))
    if tags.kind == "multilabel" and len(tags.classes) == len(bands):
        return Interpretation(scene.path, "multilabel", bands, tags.classes, void=VOID)
    if scene.bands > 1:
        names = _multilabel_names(scene)
        if not names:
            raise UnsuitableError(
                f"{scene.path}: has {scene.bands} bands; a mask has one",
                "or several with a name each",
            )
        return Interpretation(scene.path, "multilabel", bands, dict(enumerate(names)))
    if found := _one_kind(scene, tags, tags.kind):
        return found
    occurring = _occurring(scene, row_windows(scene.grid) if windows is None else windows)
    if scene.lossy and set(occurring.values) - {0, 1, VOID}:
        return _blurred(scene, occurring)
    return _values(scene, occurring, threshold, bool(tags.kind))


def is_result(scene: Scene) -> bool:
    """Whether a raster holds labels or probabilities of ours, to be drawn by itself."""
    return bool(set(RasterTags.parse(scene.tags, scene.path).kinds) - {"distance"})


def _unit(scene: Scene, tags: RasterTags) -> float | None:
    """The stored value of probability 1; None for labels."""
    if np.dtype(scene.dtype).kind == "f":
        return None if set(tags.kinds) & _LABELS else 1.0
    scale = float(scene.scales[0])
    # GDAL says 1 where a file has no scale
    if scale == 1 or scale <= 0:
        # a PNG cannot say its scale
        return float(PROBABILITY_STEPS) if tags.kind == "probability" else None
    # a scale of 0.003937 is 1/254 rounded: the unit is a whole number again
    unit = 1 / scale
    return float(round(unit)) if abs(unit - round(unit)) < 1e-3 * unit else unit


def _probabilities(scene: Scene, tags: RasterTags, unit: float) -> Interpretation:
    bands = tuple(range(1, scene.bands + 1))
    kind: Kind = "probability"
    if len(bands) == 1:
        names = dict(tags.classes)
    elif tags.kind == "probability" and len(tags.classes) == len(bands):
        names = dict(tags.classes)  # exclusive, the first is the background by any name
    else:
        names = {place: name for place, name in enumerate(_descriptions(scene)) if name}
        kind = "multilabel" if _multilabel_names(scene) else kind
    coded = scene.dtype == "uint8" and unit == PROBABILITY_STEPS
    return Interpretation(
        scene.path,
        kind,
        bands,
        names,
        unit,
        ModelSpec.threshold if tags.threshold is None else tags.threshold,
        ModelSpec.min_area if tags.min_area is None else tags.min_area,
        tags.min_confidence or ModelSpec.min_confidence,
        void=VOID if coded else None,
    )


def _kinds_as_bands(scene: Scene, tags: RasterTags) -> Interpretation:
    """Several masks of `geoseg rasterize` in one file."""
    masks = {kind: band for band, kind in enumerate(tags.kinds, 1) if kind in _MASKS}
    # A pixel has one label, so of several bands either all are multilabel, or one is taken:
    #
    #     footprint,boundary,contact    multilabel
    #     footprint,instance            footprint
    #     edges,instance                edges
    #     boundary,distance             boundary
    single = [kind for kind in ("footprint", "edges", "instance") if kind in tags.kinds]
    if not tags.classes and len(masks) > 1 and single[:1] in ([], ["footprint"]):
        bands = tuple(masks.values())
        found = Interpretation(scene.path, "multilabel", bands, dict(enumerate(masks)), void=VOID)
    else:
        kind = [*single, *masks, "distance"][0]
        one = _one_kind(scene, tags, kind, 1 + tags.kinds.index(kind))
        assert one is not None
        found = one
    rest = (kind for band, kind in enumerate(tags.kinds, 1) if band not in found.bands)
    return replace(found, left_out=tuple(rest))


def _one_kind(scene: Scene, tags: RasterTags, kind: str, band: int = 1) -> Interpretation | None:
    """What one band of ours holds; None where its values have to be looked at."""
    if kind == "distance":
        raise UnsuitableError(
            f"{scene.path}: holds distances to outlines, not labels",
            "burn footprints with `geoseg rasterize`",
        )
    bands = (band,)
    if kind == "instance":
        return Interpretation(scene.path, "instance", bands)
    names = {0: BACKGROUND, **tags.classes} if tags.classes else {}
    if kind == "edges":
        names = {0: BACKGROUND, 1: BUILDING, 2: "boundary"}
    if len(names) > 2:
        ids = {label: number for number, label in enumerate(sorted(names))}
        return Interpretation(scene.path, "classes", bands, names, ids=ids, void=VOID)
    if len(names) < 2 and kind not in ("mask", *_MASKS):
        return None
    label = tags.value or 1
    if len(names) == 2:
        label = max(names)
    elif kind in _MASKS[1:]:
        names = {0: BACKGROUND, label: kind}
    return Interpretation(scene.path, "mask", bands, names, ids={0: 0, label: 1}, void=VOID)


def _values(scene: Scene, found: Occurring, threshold: float | None, ours: bool) -> Interpretation:
    """What one band of integers means by the values that occur; ``ours`` says that 255 is
    unknown, also where it stands alone.
    """
    limits = np.iinfo(scene.dtype)
    wide = int(limits.max) if limits.min == 0 and limits.max in (255, 65535) else None
    # 0 is background in all that follows
    above = set(found.values) - {0}
    if above in ({VOID}, {wide}) and not ours:
        return _mask(scene.path, above.pop(), found.values, None)
    if above <= {1, VOID}:
        return _mask(scene.path, 1, found.values, VOID)
    many = len(found.values) > MOST_CLASSES
    # scores of 8 or 16 bits use their range; labels are small numbers
    spread = wide is not None and found.high > wide // 2
    if wide and spread and (many or threshold is not None):
        if threshold is not None:
            return Interpretation(scene.path, "probability", unit=float(wide))
        raise UnsuitableError(
            f"{scene.path}: holds scores of 0 to {wide}, not classes",
            "cut them at a threshold, with `geoseg polygonize`",
        )
    if not 0 <= found.low <= found.high <= VOID:
        raise UnsuitableError(
            f"{scene.path}: holds labels from {found.low} to {found.high}, classes go from 0 to "
            f"{VOID - 1}",
            "declare the value below 0 as nodata, or write it as 0"
            if found.low < 0
            else f"where they number buildings, say so in a tag: {RasterTags(kind='instance')}",
        )
    if many:
        raise UnsuitableError(
            f"{scene.path}: holds more than {MOST_CLASSES} different values up to {found.high}, "
            "neither classes nor probabilities of a known scale",
            "give the band a scale, or names to its classes",
        )
    ids = {label: label for label in sorted(above - {VOID} | {0})}
    return Interpretation(scene.path, "classes", ids=ids, void=VOID, labels=found.values)


def _blurred(scene: Scene, found: Occurring) -> Interpretation:
    """What labels mean that JPEG has changed: 0 and 255 became what lies near them."""
    if found.low < 0 or found.high <= VOID // 2 or scene.dtype != "uint8":
        raise UnsuitableError(
            f"{scene.path}: is compressed by JPEG, which changes labels: they are lost",
            "write it as PNG, or as GeoTIFF with deflate, from its source",
        )
    return Interpretation(scene.path, "probability", unit=float(VOID))


def _mask(path: str, building: int, labels: tuple[int, ...], void: int | None) -> Interpretation:
    return Interpretation(path, "mask", ids={0: 0, building: 1}, void=void, labels=labels)


def _occurring(scene: Scene, windows: Iterable[Window]) -> Occurring:
    values = np.empty(0, np.int64)
    low = 0
    high = 0
    for window in windows:
        chip = scene.read(window, (1,))
        held = chip.image[0].ravel() if chip.valid.all() else chip.image[0][chip.valid]
        if not held.size:
            continue
        low = min(low, int(held.min()))
        high = max(high, int(held.max()))
        # past that their number alone decides, and the greatest and least value
        if len(values) <= MOST_CLASSES:
            values = np.union1d(values, _distinct(held))
    return Occurring(tuple(values.tolist()), low, high)


def _distinct(held: np.ndarray) -> np.ndarray:
    """The values that occur in an array (n,) of integers, not empty, sorted."""
    ends = np.unique([held.min(), held.max()])
    # most masks hold two values, and comparing is faster than counting
    if sum(np.count_nonzero(held == end) for end in ends) == held.size:
        return ends
    if held.dtype in (np.uint8, np.uint16):  # counting them is faster than sorting
        return np.flatnonzero(np.bincount(held))
    return np.unique(held)


def _descriptions(scene: Scene) -> tuple[str, ...]:
    named = scene.descriptions
    return tuple((text or "").strip().replace(",", " ") for text in named)


def _multilabel_names(scene: Scene) -> tuple[str, ...]:
    """Names of bands of classes that are predicted independently; nothing unless each has a name
    of its own, and where a background shows that they exclude each other.
    """
    names = _descriptions(scene)
    named = len({name.lower() for name in names if name}) == len(names) > 1
    return names if named and names[0].lower() != BACKGROUND else ()
