"""Two layers of footprints, and what one has to do with the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely

from geoseg.core.layer import Layer
from geoseg.errors import UnsuitableError
from geoseg.evaluation.bootstrap import ground_blocks
from geoseg.evaluation.fragments import Fragments, merges, splits
from geoseg.evaluation.matching import CandidatePairs, Matches, assign, overlaps
from geoseg.evaluation.outline_distance import outline_distances
from geoseg.geometry.measure import areas, centres, metric_tensor, to_local_metres
from geoseg.specs import EvaluateSpec


@dataclass(frozen=True)
class LayerComparison:
    """Layers of valid footprints in one CRS and their matches.

    ``confidence`` float64 ranks the predictions, None where nothing does. ``areas`` are square
    metres of predictions and of truths, pixels without a CRS. ``blocks`` int says which block of
    ground each lies in, a matched prediction where its truth does; ``bounds`` (block, 4) are those
    of the blocks, ``images`` their names where they are images.
    """

    prediction: Layer
    truth: Layer
    confidence: np.ndarray | None
    areas: tuple[np.ndarray, np.ndarray]
    overlaps: CandidatePairs
    matches: Matches
    blocks: tuple[np.ndarray, np.ndarray]
    bounds: np.ndarray
    images: tuple[str, ...] | None

    @cached_property
    def splits(self) -> Fragments:
        """Truths found as several."""
        return splits(self.overlaps)

    @cached_property
    def merges(self) -> Fragments:
        """Predictions that are several truths."""
        return merges(self.overlaps)

    @cached_property
    def distances(self) -> tuple[np.ndarray, np.ndarray]:
        """PoLiS and Hausdorff distance of each match, in metres, in pixels without a CRS."""
        predictions = self.prediction.geometry[self.matches.pairs[:, 0]]
        truths = self.truth.geometry[self.matches.pairs[:, 1]]
        origins = centres(truths)
        metric = metric_tensor(origins, self.truth.crs)
        return outline_distances(
            to_local_metres(predictions, metric, origins), to_local_metres(truths, metric, origins)
        )

    @cached_property
    def counts(self) -> np.ndarray:
        """tp, fp and fn of each block: int64 (block, 3)."""
        prediction_blocks, truth_blocks = self.blocks
        groups = (
            prediction_blocks[self.matches.pairs[:, 0]],
            prediction_blocks[self.matches.false_positives],
            truth_blocks[self.matches.false_negatives],
        )
        return np.stack(
            [np.bincount(group, minlength=len(self.bounds)) for group in groups], axis=1
        )

    @cached_property
    def area_errors(self) -> np.ndarray:
        """Square metres found less those of the truth, of each block: float64 (block)."""
        predicted, true = (
            np.bincount(b, a, len(self.bounds))
            for b, a in zip(self.blocks, self.areas, strict=True)
        )
        return predicted - true


def compare_layers(
    prediction: Layer, truth: Layer, spec: EvaluateSpec, by_image: bool = False
) -> LayerComparison:
    """Match two layers one to one at the IoU of ``spec``.

    A ``confidence`` column of numbers in the prediction ranks its footprints, those without one
    last. ``by_image`` matches footprints of one ``ImageId`` alone, and the images are the blocks.
    Raises UnsuitableError where only one has a CRS.
    """
    if (prediction.crs is None) != (truth.crs is None):
        raise UnsuitableError("only one of the two layers has a CRS")
    prediction, truth = (
        layer.take(~shapely.is_empty(layer.geometry)) for layer in (prediction, truth)
    )
    predictions = prediction.geometry
    truths = truth.geometry
    images, names = _images(prediction, truth) if by_image else (None, None)
    # down to a half in any case: COCO and splits look at IoUs that the match itself does not need
    candidates = overlaps(predictions, truths, min(spec.iou, 0.5), images)
    confidence = confidence_of(prediction)
    matches = assign(candidates, confidence, spec.iou)
    return LayerComparison(
        prediction,
        truth,
        confidence,
        (areas(predictions, prediction.crs), areas(truths, truth.crs)),
        candidates,
        matches,
        *(
            _grounded(predictions, truths, matches, spec, truth)
            if images is None
            else _imaged(predictions, truths, images)
        ),
        names,
    )


def confidence_of(layer: Layer) -> np.ndarray | None:
    """Confidence of each footprint, float64 (n,), minus infinity where it is not known; None
    without a column of numbers.
    """
    column = layer.columns.get("confidence")
    if column is None or column.dtype.kind not in "fiu":
        return None
    # below every other, logarithms too, so that what nothing is known of chooses last
    known = column.astype(float)
    return np.where(np.isnan(known), -np.inf, known)


def _images(
    prediction: Layer, truth: Layer
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[str, ...]]:
    """Number of the image of each prediction and truth, and the names of the images."""
    named = [
        layer.columns["ImageId"].astype(str) if len(layer) else np.empty(0, str)
        for layer in (prediction, truth)
    ]
    names, number = np.unique(np.concatenate(named), return_inverse=True)
    return (number[: len(prediction)], number[len(prediction) :]), tuple(names.tolist())


def _imaged(
    predictions: np.ndarray, truths: np.ndarray, images: tuple[np.ndarray, np.ndarray]
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Images as blocks, with the bounds of what lies in each."""
    image = np.concatenate(images)
    boxes = shapely.bounds(np.concatenate([predictions, truths]))
    bounds = np.tile([np.inf, np.inf, -np.inf, -np.inf], (image.max(initial=-1) + 1, 1))
    np.minimum.at(bounds[:, :2], image, boxes[:, :2])
    np.maximum.at(bounds[:, 2:], image, boxes[:, 2:])
    return images, bounds


def _grounded(
    predictions: np.ndarray, truths: np.ndarray, matches: Matches, spec: EvaluateSpec, truth: Layer
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    points = np.concatenate([centres(predictions), centres(truths)])
    # a pair counts in one block, that of its truth, or a block would have a hit without a building
    points[matches.pairs[:, 0]] = points[len(predictions) + matches.pairs[:, 1]]
    block, bounds = ground_blocks(points, spec.neighbourhood.value, truth.crs)
    return (block[: len(predictions)], block[len(predictions) :]), bounds
