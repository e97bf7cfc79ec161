"""What the values of a raster mean: masks, classes or probabilities, as strips that footprints are
traced in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from rasterio.windows import Window

from geoseg.errors import UnsuitableError, UsageError
from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.surface import ClassSurface, surfaces, surfaces_of_bands
from geoseg.io.raster.scene import Scene
from geoseg.labels.class_raster import check_masks, multilabel_names
from geoseg.specs import Area, ModelSpec, PolygonSpec

# Pixels read at a time; rows are a multiple of the raster's blocks
STRIP_PIXELS = 2**23
NO_AREA = Area(0.0)


@dataclass(frozen=True)
class TraceableClass:
    """How the footprints of one class are read: ``building`` selects them by the scores of the
    ``surface``.

    ``labels`` are those of its channels in a class raster. ``unit`` is the score of probability 1,
    ``level`` that at which footprints begin; None for masks.
    """

    surface: ClassSurface
    building: Callable[[np.ndarray], np.ndarray]
    min_area: Area = NO_AREA
    unit: float | None = None
    threshold: float | None = None
    labels: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def level(self) -> float | None:
        return (
            None
            if self.unit is None or self.threshold is None
            else float(np.float32(self.threshold * self.unit))
        )


def traceable_classes(
    scene: Scene, spec: PolygonSpec, class_value: int | None
) -> list[TraceableClass]:
    """The classes to be traced, one after the other: all that have footprints, or the one whose
    number is ``class_value``.

    Raises UnsuitableError where bands are no probabilities, UsageError for what does not go with
    the raster's kind.
    """
    names = [name for name in scene.tags.get("GEOSEG_CLASSES", "").split(",") if name]
    floating = np.dtype(scene.dtype).kind == "f"
    scaled = (
        np.isclose(scene.dataset.scales[0], 1 / 254, rtol=1e-3)
        or scene.tags.get("GEOSEG_KIND") == "probability"
    )
    if floating or (scene.dtype == "uint8" and scaled):
        return [_probable(scene, spec, surface) for surface in _chosen(scene, names, class_value)]
    apart = multilabel_names(scene)
    if scene.bands > 1 and not apart:
        raise UnsuitableError(
            f"{scene.path}: has {scene.bands} bands; a mask or a class raster has one, or "
            "names for all"
        )
    if spec.outline == "subpixel":
        raise UsageError(
            f"{scene.path}: a mask has no outlines finer than pixels",
            "`outline` subpixel needs probabilities",
        )
    warnings = ("`threshold` applies to probabilities; this is a mask",) if spec.threshold else ()
    if apart:
        wanted = _wanted(scene, surfaces_of_bands(apart), list(apart), class_value)
        return [
            TraceableClass(
                each, lambda scores: scores > 0, spec.min_area or NO_AREA, warnings=warnings
            )
            for each in wanted
        ]
    wanted = surfaces(names) if len(names) > 2 else []
    if class_value is not None:
        name = names[class_value] if class_value < len(names) else str(class_value)
        wanted = [s for s in wanted if s.channel == class_value] or [
            ClassSurface(name, class_value)
        ]
    if not wanted:
        return [
            TraceableClass(
                ClassSurface("building", 0),
                lambda values: values != 0,
                spec.min_area or NO_AREA,
                warnings=warnings,
            )
        ]
    least = spec.min_area or NO_AREA
    return [
        TraceableClass(
            each, lambda scores: scores > 0, least, labels=each.channels, warnings=warnings
        )
        for each in wanted
    ]


def _chosen(scene: Scene, names: list[str], class_value: int | None) -> list[ClassSurface]:
    """Surfaces of the classes of a probability raster: one band is the building's, several are one
    a class.
    """
    if scene.bands == 1:
        if class_value is not None:
            raise UsageError(
                f"{scene.path}: holds probabilities of one class",
                "`class` applies to rasters of several classes",
            )
        return [ClassSurface(names[-1] if names else "building", 0)]
    # by geoseg, whose first class is the background under any name
    told = len(names) == scene.bands > 2
    names = (
        names
        if told
        else [(text or "").strip() for text in scene.dataset.descriptions[: scene.bands]]
    )
    if not all(names):
        raise UnsuitableError(
            f"{scene.path}: has {scene.bands} bands, and nothing names their classes",
            "geoseg predict does",
        )
    return _wanted(scene, surfaces(names) if told else surfaces_of_bands(names), names, class_value)


def _wanted(
    scene: Scene, there: list[ClassSurface], names: list[str], class_value: int | None
) -> list[ClassSurface]:
    found = [surface for surface in there if class_value in (None, surface.channel)]
    if not found:
        which = "any band" if class_value is None else f"class {class_value}"
        raise UsageError(
            f"{scene.path}: holds no footprints in {which}", f"it has {', '.join(names)}"
        )
    return found


def _probable(scene: Scene, spec: PolygonSpec, surface: ClassSurface) -> TraceableClass:
    threshold = spec.threshold or float(scene.tags.get("GEOSEG_THRESHOLD", ModelSpec.threshold))
    min_area = spec.min_area or Area(float(scene.tags.get("GEOSEG_MIN_AREA", ModelSpec.min_area)))
    coded = scene.dtype == "uint8"
    level = np.uint8(np.ceil(threshold * 254 - 1e-6)) if coded else np.float32(threshold)
    return TraceableClass(
        surface, lambda values: values >= level, min_area, 254.0 if coded else 1.0, threshold
    )


def mask_strips(
    scene: Scene, kind: TraceableClass, advance: Callable[[int], None]
) -> Iterator[MaskStrip]:
    """Whole rows of the scene, cut for one class; ``advance`` counts them."""
    height, width = scene.grid.shape
    block = scene.dataset.block_shapes[0][0]
    rows = max(1, STRIP_PIXELS // (width * block)) * block
    if rows * width > 4 * STRIP_PIXELS:  # blocks as high as the raster
        rows = max(1, STRIP_PIXELS // width)
    bands = (1,) if kind.labels else tuple(channel + 1 for channel in kind.surface.channels)
    for top in range(0, height, rows):
        chip = scene.read(Window(0, top, width, min(rows, height - top)), bands)
        values, valid = chip.image, chip.valid
        if kind.unit == 1 and values.size and not 0 <= values.min() <= values.max() <= 1:
            raise UnsuitableError(
                f"{scene.path}: holds values from {values.min():g} to {values.max():g}, not "
                "probabilities"
            )
        if kind.unit is None and scene.nodata == 0:  # background, not missing data
            valid = np.ones_like(valid)
        if kind.labels:
            values = (
                np.concatenate([values == label for label in kind.labels])
                .view(np.uint8)
                .reshape(-1, *valid.shape)
            )
        elif kind.unit is None and scene.bands > 1:
            check_masks(scene, values)
            values = (values != 0) * np.uint8(254)  # as certain as can be
        scores, boundary_margin = kind.surface.score(values)
        yield MaskStrip(
            kind.building(scores) & valid,
            valid,
            None if kind.unit is None else scores,
            boundary_margin,
        )
        advance(len(valid))
