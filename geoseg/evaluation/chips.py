"""A model over the chips of a split, and how its footprints at any threshold and least area agree
with the truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from geoseg.core.encoding import VOID
from geoseg.core.grid import Grid
from geoseg.errors import UnsuitableError
from geoseg.evaluation.matching import match
from geoseg.evaluation.metrics import Counts
from geoseg.geometry.footprints import footprints
from geoseg.geometry.surface import surfaces
from geoseg.inference.session import LoadedModel
from geoseg.io.chip_index import ChipIndex
from geoseg.io.raster.scene import open_scene
from geoseg.parallel.clock import Clock
from geoseg.report import Progress, no_progress
from geoseg.specs import Area, ModelSpec, PolygonSpec

MASK_THRESHOLD = 0.5  # the threshold of masks, which are 0 and 1


@dataclass(frozen=True)
class ChipPrediction:
    """What a model says of a chip, and what is true: float32 (channel, row, col), bool (row, col),
    uint8 (row, col).

    ``valid`` is where there are both data and a label. ``grid`` is the chip's, at the model's GSD.
    Of multi-label classes ``valid`` and ``truth`` are (class, row, col).
    """

    name: str
    probability: np.ndarray
    valid: np.ndarray
    truth: np.ndarray
    grid: Grid


def predict_chips(
    index: ChipIndex,
    split: str,
    models: LoadedModel,
    warnings: list[str],
    progress: Progress = no_progress,
) -> Iterator[ChipPrediction]:
    """What the model says of each chip of a split, read and blended as `geoseg extract` does.

    Raises UnsuitableError where the split is empty, chips have no mask, or the classes are not the
    model's.
    """
    table = index.split(split)
    if not len(table):
        raise UnsuitableError(f"{index.folder}: its {split} split is empty")
    if table["mask"].isna().any():
        raise UnsuitableError(
            f"{index.folder}: some chips have no mask", "cut them by `geoseg tile` with labels"
        )
    info = index.info
    model = models.model
    labelled = model.for_labels(info.classes)
    if (len(info.classes), info.multilabel) != (len(labelled.classes), model.multilabel):
        model_classes, chip_classes = (
            ", ".join(classes) for classes in (model.classes, info.classes)
        )
        raise UnsuitableError(
            f"{models.path}: predicts the classes {model_classes}, but the chips have "
            f"{chip_classes}"
        )
    advance = progress(split, len(table))
    for image, mask in zip(table["image"], table["mask"], strict=True):
        answer = _answer(index.folder / image, index.folder / mask, models, warnings)
        if labelled is not model:
            answer = replace(answer, probability=_whole(answer.probability, model))
        yield answer
        advance(1)


def _whole(probability: np.ndarray, model: ModelSpec) -> np.ndarray:
    """Probability (1, row, col) of buildings with their boundary, from those of each class."""
    surface = surfaces(model.classes)[0]
    return surface.score(probability[list(surface.channels)])[0][None]


def _answer(image: Path, mask: Path, models: LoadedModel, warnings: list[str]) -> ChipPrediction:
    # a chip has only the bands that the model was trained on, in that order
    with models.open(str(image), tuple(range(1, models.model.bands + 1))) as job:
        # a chip of 8 bits is stretched already, as it is for training
        warnings += [text for text in job.plan.warnings if "stretched already" not in text]
        strips = list(job.strips(Clock(), no_progress))
        probability = np.concatenate([strip[1] for strip in strips], axis=1)
        valid = np.concatenate([strip[2] for strip in strips])
        with open_scene(mask, like=job.scene.grid) as scene:
            chip = scene.read(bands=None if models.model.multilabel else (1,))
        labels = chip.image if models.model.multilabel else chip.image[0]
        truth = np.where(chip.valid, labels, VOID).astype("uint8")
        return ChipPrediction(
            str(image), probability, valid & (truth != VOID), truth, job.scene.grid
        )


class Footprints:
    """Footprints of chips at one threshold, matched with the true ones of each chip at an IoU;
    counts for any least area.
    """

    def __init__(self, threshold: float, iou: float = 0.5, spec: PolygonSpec | None = None) -> None:
        self.threshold = threshold
        self.iou = iou
        self._spec = spec or PolygonSpec()
        self._areas: list[np.ndarray] = []
        self._matched: list[np.ndarray] = []
        self.truths = 0

    def add(self, answer: ChipPrediction, truth: np.ndarray) -> None:
        """``truth`` are the outlines that :func:`outlines` finds in the chip's mask."""
        geometry, areas = outlines(answer.probability[0], answer, self.threshold, self._spec)
        matched = np.zeros(len(geometry), bool)
        matched[match(geometry, truth, iou=self.iou).pairs[:, 0]] = True
        self._areas.append(areas)
        self._matched.append(matched)
        self.truths += len(truth)

    def counts(self, min_area: float = 0.0) -> Counts:
        """True and false positives and misses of the footprints of at least ``min_area`` square
        metres.

        At an IoU above 0.5 a footprint has no other to match, so that leaving some out changes
        nothing for the rest.
        """
        areas = np.concatenate([np.empty(0), *self._areas])
        matched = np.concatenate([np.empty(0, bool), *self._matched])
        kept = areas >= min_area
        tp = int(np.count_nonzero(matched & kept))
        return Counts(tp, int(np.count_nonzero(kept)) - tp, self.truths - tp)


def true_outlines(answer: ChipPrediction) -> np.ndarray:
    """Outlines of the buildings in a chip's mask, in the CRS of the chip."""
    return outlines(
        (answer.truth == 1).astype(np.float32),
        answer,
        MASK_THRESHOLD,
        PolygonSpec(min_hole=Area(0.0)),
    )[0]


def outlines(
    score: np.ndarray, answer: ChipPrediction, threshold: float, spec: PolygonSpec
) -> tuple[np.ndarray, np.ndarray]:
    """Footprints where ``score`` (row, col) reaches ``threshold``, and their areas in square metres
    (pixels without a CRS).
    """
    layers = list(
        footprints(
            [(score, answer.valid)],
            answer.grid,
            scene=answer.name,
            spec=spec,
            threshold=threshold,
            min_area=Area(0.0),
        )
    )
    geometry = np.concatenate([np.empty(0, object), *(layer.geometry for layer in layers)])
    return geometry, np.concatenate([np.empty(0), *(layer.columns["area_m2"] for layer in layers)])
