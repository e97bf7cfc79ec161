"""The classes of a raster that footprints are traced of, as strips of masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from rasterio.windows import Window

from geoseg.core.encoding import PROBABILITY_STEPS, VOID
from geoseg.errors import UnsuitableError, UsageError
from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.surface import ClassSurface
from geoseg.io.raster.scene import Scene
from geoseg.labels.interpret import interpret
from geoseg.labels.interpretation import Interpretation
from geoseg.specs import Area, PolygonSpec

# Pixels read at a time; rows are a multiple of the raster's blocks
STRIP_PIXELS = 2**23
NO_AREA = Area(0.0)


@dataclass(frozen=True)
class TraceableClass:
    """One class of a raster whose values have a ``meaning``: the ``surface`` that is cut at
    ``threshold``, which is None for labels.

    ``unit`` is the score of probability 1, None for labels.
    """

    meaning: Interpretation
    surface: ClassSurface
    min_area: Area = NO_AREA
    min_confidence: float = 0.0
    unit: float | None = None
    threshold: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def level(self) -> float | None:
        """The score at which footprints begin."""
        if self.unit is None or self.threshold is None:
            return None
        return float(np.float32(self.threshold * self.unit))

    def strip(self, image: np.ndarray, valid: np.ndarray) -> MaskStrip:
        """Rows of the class, of the stored values (band, row, col) of its :attr:`bands`."""
        if self.meaning.kind == "instance":
            return self.meaning.numbered(image[0], valid)
        if self.unit is not None and self.threshold is not None:
            valid = self.meaning.known(image, valid)
            if self.unit == 1:
                scores, margin = self.surface.score(self.meaning.probabilities(image))
                return MaskStrip(
                    (scores >= np.float32(self.threshold)) & valid, valid, scores, margin
                )
            scores, margin = self.surface.score(image)
            level = np.uint8(np.ceil(self.threshold * self.unit - 1e-6))
            return MaskStrip((scores >= level) & valid, valid, scores, margin)
        if self.meaning.kind == "multilabel":
            masks = self.meaning.masks(image)
            valid = valid & (masks[0] != VOID)
            # as certain as can be
            scores, margin = self.surface.score((masks == 1) * np.uint8(PROBABILITY_STEPS))
        else:
            ids = self.meaning.class_ids(image[0])
            valid = valid & (ids != VOID)
            # labels as probabilities of 0 and 1, so that classes and scores go one way
            shares = np.stack([ids == channel for channel in self.surface.channels])
            scores, margin = self.surface.score(shares.view(np.uint8))
        return MaskStrip((scores > 0) & valid, valid, None, margin)

    @property
    def bands(self) -> tuple[int, ...]:
        """Bands to be read, from 1."""
        if self.meaning.unit is None and self.meaning.kind != "multilabel":
            return self.meaning.bands
        return tuple(self.meaning.bands[channel] for channel in self.surface.channels)


def traceable_classes(
    scene: Scene, spec: PolygonSpec, class_value: int | None
) -> list[TraceableClass]:
    """The classes to be traced, one after the other: all that have footprints, or the one whose
    number is ``class_value``: its label, or the place of its band from 0.

    Raises UnsuitableError where nothing has footprints, UsageError for what does not go with the
    raster's kind.
    """
    meaning = interpret(scene, spec.threshold)
    surfaces = _chosen(meaning, class_value)
    warnings = []
    if meaning.left_out:
        warnings.append(f"{scene.path}: only {meaning.taken} is traced")
    if meaning.unit is not None:
        coded = scene.dtype == "uint8" and meaning.unit == PROBABILITY_STEPS
        own = spec.completed(meaning.threshold, meaning.min_area, meaning.min_confidence)
        return [
            TraceableClass(
                meaning,
                surface,
                own.min_area or NO_AREA,
                own.min_confidence or 0.0,
                meaning.unit if coded else 1.0,
                own.threshold,
                tuple(warnings),
            )
            for surface in surfaces
        ]
    if spec.outline == "subpixel":
        raise UsageError(
            f"{scene.path}: a mask has no outlines finer than pixels",
            "subpixel outlines are for probabilities",
        )
    if meaning.kind == "instance" and (spec.open.value or spec.close.value):
        raise UsageError(
            f"{scene.path}: numbered buildings are traced as they are, not opened or closed"
        )
    if spec.threshold:
        warnings.append(f"{scene.path}: a mask has no probabilities; the threshold is not used")
    return [
        TraceableClass(meaning, surface, spec.min_area or NO_AREA, warnings=tuple(warnings))
        for surface in surfaces
    ]


def _chosen(meaning: Interpretation, class_value: int | None) -> list[ClassSurface]:
    """The classes that are asked for."""
    several = len(meaning.bands) > 1
    if meaning.unit is not None:
        if several and len(meaning.names) < len(meaning.bands):
            raise UnsuitableError(
                f"{meaning.path}: has {len(meaning.bands)} bands, and nothing names their classes",
                "geoseg predict does",
            )
        if not several and class_value is not None:
            raise UsageError(
                f"{meaning.path}: holds probabilities of one class", "a class is for several"
            )
    if meaning.kind == "instance" and class_value is not None:
        raise UsageError(f"{meaning.path}: holds numbers of buildings, not classes")
    found = meaning.surfaces()
    if class_value is not None:
        number = class_value if several else meaning.ids.get(class_value, class_value)
        wanted = [surface for surface in found if surface.channel == number]
        # a boundary alone, or a label of which there is none
        if not several and not wanted:
            wanted = [ClassSurface(meaning.names.get(class_value, str(class_value)), number)]
        found = wanted
    listed = f"it has {', '.join(meaning.names.values())}"
    if not found and class_value is not None:
        raise UsageError(f"{meaning.path}: holds no footprints in class {class_value}", listed)
    if not found:
        raise UnsuitableError(f"{meaning.path}: holds no footprints", listed)
    return found


def mask_strips(
    scene: Scene,
    kind: TraceableClass,
    advance: Callable[[int], None],
    strip_pixels: int = STRIP_PIXELS,
) -> Iterator[MaskStrip]:
    """Whole rows of the scene, about ``strip_pixels`` at a time, cut for one class; ``advance``
    takes the number of rows.
    """
    height, width = scene.grid.shape
    block = scene.block_shape[0]
    # whole rows of blocks: each block is then decompressed once
    rows = max(1, strip_pixels // (width * block)) * block
    if rows * width > 4 * strip_pixels:  # blocks as high as the raster
        rows = max(1, strip_pixels // width)
    for top in range(0, height, rows):
        chip = scene.read(Window(0, top, width, min(rows, height - top)), kind.bands)
        # of labels 0 is background, not missing data
        whole = kind.unit is None and scene.nodata == 0
        valid = np.ones_like(chip.valid) if whole else chip.valid
        yield kind.strip(chip.image, valid)
        advance(len(valid))
