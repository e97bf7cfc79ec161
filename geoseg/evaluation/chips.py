"""A model over the chips of a split, and how its footprints at any threshold and least area agree
with the truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely

from geoseg.core.encoding import VOID
from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.errors import UnsuitableError
from geoseg.evaluation.extent import COUNTED, clipped
from geoseg.evaluation.matching import assign, overlaps
from geoseg.evaluation.metrics import Counts
from geoseg.geometry.footprints import FootprintLabels, shaped_footprints
from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.outlines import to_crs_coordinates
from geoseg.geometry.selection import mean_probability
from geoseg.inference.session import LoadedModel
from geoseg.io.chip_index import ChipIndex
from geoseg.io.raster.scene import open_scene
from geoseg.parallel.clock import Clock
from geoseg.report import Remarks, no_progress
from geoseg.specs import Area, ExtractSpec, ModelSpec, PolygonSpec

MASK_THRESHOLD = 0.5  # the threshold of masks, which are 0 and 1


@dataclass(frozen=True)
class ChipPrediction:
    """What a model says of a chip, and what is true: float32 (channel, row, col), bool (row, col),
    uint8 (row, col).

    ``valid`` is where there are both data and a label. ``grid`` is the chip's, at the model's GSD.
    Of multi-label classes ``valid`` and ``truth`` are (class, row, col). ``boundary_margin`` (row,
    col) is where a model that knows boundaries parts buildings, as of
    :class:`~geoseg.geometry.morphology.MaskStrip`, ``true_margin`` where the labels do.
    ``footprints`` are the true ones that reach into the chip, whole and in its CRS, where they are
    known other than by the mask. A window of a scene names the file of the ``scene``.
    """

    name: str
    probability: np.ndarray
    valid: np.ndarray
    truth: np.ndarray
    grid: Grid
    boundary_margin: np.ndarray | None = None
    true_margin: np.ndarray | None = None
    footprints: np.ndarray | None = None
    scene: str | None = None

    @property
    def path(self) -> str:
        """The file that holds its pixels."""
        return self.scene or self.name


def predict_chips(
    index: ChipIndex, split: str, models: LoadedModel, remarks: Remarks
) -> Iterator[ChipPrediction]:
    """What the model says of each chip of a split, read and blended as `geoseg extract` does.

    Raises UnsuitableError where chips have no mask.
    """
    table = index.split(split)
    if table["mask"].isna().any():
        raise UnsuitableError(
            f"{index.folder}: some chips have no mask", "cut them by `geoseg tile` with labels"
        )
    for image, mask in zip(table["image"], table["mask"], strict=True):
        yield _answer(index.folder / image, index.folder / mask, models, remarks)


def _answer(image: Path, mask: Path, models: LoadedModel, remarks: Remarks) -> ChipPrediction:
    # a chip has only the bands that the model was trained on, in that order
    with models.open(str(image), tuple(range(1, models.model.bands + 1))) as job:
        # a chip of 8 bits is stretched already, as it is for training
        remarks += [text for text in job.plan.warnings if "stretched already" not in text]
        strips = list(job.strips(Clock(), no_progress))
        probability = np.concatenate([strip[1] for strip in strips], axis=1)
        valid = np.concatenate([strip[2] for strip in strips])
        with open_scene(mask, like=job.scene.grid) as scene:
            # as where chips are trained on
            if scene.source.shape != job.scene.source.shape:
                raise UnsuitableError(f"{mask}: is not of the size of its image")
            chip = scene.read(bands=None if models.model.multilabel else (1,))
        labels = chip.image if models.model.multilabel else chip.image[0]
        _check_labels(mask, labels[..., chip.valid], models.model)
        truth = np.where(chip.valid, labels, VOID).astype("uint8")
        return ChipPrediction(
            str(image), probability, valid & (truth != VOID), truth, job.scene.grid
        )


def _check_labels(mask: Path, labels: np.ndarray, model: ModelSpec) -> None:
    """Raise UnsuitableError where a mask holds what is none of the classes."""
    known = 2 if model.multilabel else len(model.classes)
    ids = np.append(np.arange(known), VOID)
    others = labels[~np.isin(labels, ids)]
    if len(others):
        raise UnsuitableError(
            f"{mask}: holds the class {others[0]}, but there are the classes 0 to {known - 1}"
        )


@dataclass(frozen=True)
class TrueFootprints:
    """The true footprints of a chip, cut at its border; those of which less than half lies inside
    are not ``counted``, bool (n,): they may be found, but are not missed.
    """

    geometry: np.ndarray
    counted: np.ndarray


class Footprints:
    """Footprints of chips at one threshold, matched with the true ones of each chip at an IoU;
    counts for any least area and confidence.
    """

    def __init__(self, threshold: float, iou: float = 0.5, spec: PolygonSpec | None = None) -> None:
        self.threshold = threshold
        self.iou = iou
        self._spec = spec or ExtractSpec()
        self._areas: list[np.ndarray] = []
        self._confidences: list[np.ndarray] = []
        self._matched: list[np.ndarray] = []
        self._found: list[np.ndarray] = []
        self.truths = 0

    def add(self, answer: ChipPrediction, truth: TrueFootprints) -> None:
        """``truth`` is what :func:`true_footprints` finds in the chip."""
        scores = answer.probability[0]
        mask = (scores >= np.float32(self.threshold)) & answer.valid
        strip = MaskStrip(mask, answer.valid, scores, answer.boundary_margin)
        geometry, areas, confidences = outlines(strip, answer, self.threshold, self._spec)
        # down to a half in any case, for what lies mainly on a truth
        pairs = overlaps(geometry, truth.geometry, min(self.iou, 0.5))
        # A truth that the chip cuts in two may be found by what is seen of it, and is no miss if it
        # is not. What was found there is right if it matches, and neither right nor wrong if it
        # does not:
        #
        #         chip |
        #     +--------|--+      less than half inside: not counted
        #     | found  |  |
        #     +--------|--+
        matches = assign(pairs, None, self.iou).pairs
        matched = np.zeros(len(geometry), bool)
        matched[matches[:, 0]] = True
        found = matched.copy()
        found[matches[:, 0]] = truth.counted[matches[:, 1]]
        # what lies mainly on a truth that does not count is not wrong
        mainly = pairs.common >= pairs.prediction_areas[pairs.prediction] / 2
        uncertain = np.zeros(len(geometry), bool)
        uncertain[pairs.prediction[mainly & ~truth.counted[pairs.truth]]] = True
        kept = matched | ~uncertain
        self._areas.append(areas[kept])
        self._confidences.append(confidences[kept])
        self._matched.append(matched[kept])
        self._found.append(found[kept])
        self.truths += int(truth.counted.sum())

    def counts(self, min_area: float = 0.0, min_confidence: float = 0.0) -> Counts:
        """True and false positives and misses of the footprints of at least ``min_area`` square
        metres and a mean probability of ``min_confidence``.
        """
        areas, confidences, matched, found = (
            np.concatenate([np.empty(0, kind), *parts])
            for kind, parts in (
                (float, self._areas),
                (float, self._confidences),
                (bool, self._matched),
                (bool, self._found),
            )
        )
        kept = (areas >= min_area) & (confidences >= min_confidence)
        tp = int(np.count_nonzero(matched & kept))
        return Counts(
            tp,
            int(np.count_nonzero(kept)) - tp,
            self.truths - int(np.count_nonzero(found & kept)),
        )


def true_footprints(answer: ChipPrediction) -> TrueFootprints:
    """The buildings of a chip in its CRS: as they are known, else as its mask shows them."""
    if answer.footprints is None:
        mask = (answer.truth == 1) & answer.valid
        strip = MaskStrip(mask, answer.valid, mask.astype(np.float32), answer.true_margin)
        spec = PolygonSpec(min_hole=Area(0.0), separate="auto")
        traced = outlines(strip, answer, MASK_THRESHOLD, spec, labelled=True)[0]
        return TrueFootprints(traced, np.ones(len(traced), bool))
    frame = to_crs_coordinates(
        np.array([shapely.box(0, 0, answer.grid.width, answer.grid.height)]), answer.grid.transform
    )[0]
    whole = Layer(answer.footprints, answer.grid.crs)
    cut, share = clipped(whole, frame)
    return TrueFootprints(cut.geometry, share >= COUNTED)


def outlines(
    strip: MaskStrip,
    answer: ChipPrediction,
    threshold: float,
    spec: PolygonSpec,
    labelled: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Footprints of a mask of a chip, cut from its scores at ``threshold``, the areas of their
    traced pixels in square metres (pixels without a CRS), by which `geoseg extract` leaves them
    out too, and their mean probabilities.
    """
    labels = FootprintLabels(answer.name, labelled=labelled)
    found = list(
        shaped_footprints([strip], answer.grid, labels, spec, Area(0.0), threshold, Clock())
    )
    traced = np.concatenate([np.empty(0, object), *(each.outline for each in found)])
    return (
        to_crs_coordinates(traced, answer.grid.transform),
        np.concatenate([np.empty(0), *(each.area for each in found)]),
        np.concatenate([np.empty(0), *(mean_probability(each.traced, 1.0) for each in found)]),
    )
