"""Match footprints one to one, and score them as the SpaceNet and COCO challenges do.

Footprints are arrays of valid shapely polygons in one CRS, where IoU is a ratio of planar areas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely

from geoseg.evaluation.metrics import Counts

Footprints = Sequence[Any] | np.ndarray

COCO_IOUS = tuple(0.5 + 0.05 * step for step in range(10))
# Square metres: sheds and huts, houses, and blocks or halls.
SIZES = {"small": (0.0, 50.0), "medium": (50.0, 500.0), "large": (500.0, float("inf"))}


@dataclass(frozen=True)
class CandidatePairs:
    """Pairs of a prediction and a truth that overlap: their indices and the area they have in
    common, all of one length.

    ``prediction_areas`` and ``truth_areas`` float64 are those of all footprints, in square units of
    their CRS.
    """

    prediction: np.ndarray
    truth: np.ndarray
    common: np.ndarray
    prediction_areas: np.ndarray
    truth_areas: np.ndarray

    @property
    def predictions(self) -> int:
        return len(self.prediction_areas)

    @property
    def truths(self) -> int:
        return len(self.truth_areas)

    @cached_property
    def iou(self) -> np.ndarray:
        """Intersection over union of each pair, float64."""
        return self.common / (
            self.prediction_areas[self.prediction] + self.truth_areas[self.truth] - self.common
        )

    def swapped(self) -> CandidatePairs:
        """Prediction as truth, and truth as prediction."""
        return CandidatePairs(
            self.truth, self.prediction, self.common, self.truth_areas, self.prediction_areas
        )


@dataclass(frozen=True)
class Matches:
    """One-to-one matches: ``pairs`` int (match, 2) of the indices (prediction, truth), ``ious``
    float64 (match).
    """

    pairs: np.ndarray
    ious: np.ndarray
    predictions: int
    truths: int

    @property
    def counts(self) -> Counts:
        """Matched footprints are true positives, predictions and truths left over false positives
        and negatives.
        """
        return Counts(
            len(self.pairs), self.predictions - len(self.pairs), self.truths - len(self.pairs)
        )

    @property
    def false_positives(self) -> np.ndarray:
        """Indices of the predictions that match nothing."""
        return np.setdiff1d(np.arange(self.predictions), self.pairs[:, 0])

    @property
    def false_negatives(self) -> np.ndarray:
        """Indices of the truths that nothing matches."""
        return np.setdiff1d(np.arange(self.truths), self.pairs[:, 1])


def overlaps(
    prediction: Footprints,
    truth: Footprints,
    floor: float = 0.5,
    images: tuple[np.ndarray, np.ndarray] | None = None,
) -> CandidatePairs:
    """All pairs that have ``floor`` of the smaller one's area in common (and more than 0), by way
    of a spatial index.

    Those are all whose IoU is at least ``floor``, and more. ``images`` are numbers, int, of the
    images that predictions and truths are in the pixels of: those of different images do not
    overlap. Only pairs that could reach ``floor`` by their bounding boxes are intersected.
    """
    ours = np.asarray(prediction, dtype=object)
    theirs = np.asarray(truth, dtype=object)
    areas = shapely.area(ours), shapely.area(theirs)
    boxes = shapely.bounds(ours), shapely.bounds(theirs)
    laid = (ours, theirs) if images is None else _apart(boxes, images)
    i, j = shapely.STRtree(laid[1]).query(laid[0])
    # The IoU is at most the common area over that of the larger, hence at most over the smaller:
    # what shares less than `floor` of the smaller one cannot reach it. The same bound by bounding
    # boxes costs no intersection. A billionth is for rounding.
    smaller = np.minimum(areas[0][i], areas[1][j])
    sides = np.minimum(boxes[0][i, 2:], boxes[1][j, 2:]) - np.maximum(
        boxes[0][i, :2], boxes[1][j, :2]
    )
    hopeful = sides.prod(axis=1) >= floor * smaller * (1 - 1e-9)
    i = i[hopeful]
    j = j[hopeful]
    smaller = smaller[hopeful]
    common = shapely.area(shapely.intersection(ours[i], theirs[j]))
    keep = (common >= floor * smaller * (1 - 1e-9)) & (common > 0)
    return CandidatePairs(i[keep], j[keep], common[keep], *areas)


def _apart(
    boxes: tuple[np.ndarray, np.ndarray], images: tuple[np.ndarray, np.ndarray]
) -> list[np.ndarray]:
    """Bounds (n, 4) as boxes, images side by side, so that those of different images do not
    meet.
    """
    left, right = (np.concatenate([box[:, side] for box in boxes]) for side in (0, 2))
    width = np.nanmax(right, initial=0) - np.nanmin(left, initial=0) + 1
    laid = []
    for box, image in zip(boxes, images, strict=True):
        shapes = shapely.box(*(box + np.multiply.outer(image, [width, 0, width, 0])).T)
        shapes[np.isnan(box[:, 0])] = None
        laid.append(shapes)
    return laid


def assign(
    found: CandidatePairs, confidence: np.ndarray | None = None, iou: float = 0.5
) -> Matches:
    """Greedy one-to-one matches among the overlaps of at least ``iou``.

    Predictions choose in the order of falling ``confidence``, each the free truth it overlaps best
    (SpaceNet's rule, and COCO's). Among equally confident ones, or all without ``confidence``, the
    pair of the highest IoU comes first, so that the order of the layer does not matter.
    """
    # Two predictions a (0.9 sure) and b (0.8) and two truths x, y, by IoU:
    #
    #          x     y
    #     a   0.6   0.5      a chooses first and takes x, its best;
    #     b   0.7   0.2      b finds x taken and matches nothing: tp 1, fp 1, fn 1
    #
    # That is the challenges' rule. The best assignment (a-y, b-x) would be kinder, but its scores
    # could not be compared with anybody's.
    enough = found.iou >= iou
    i, j, ious = found.prediction[enough], found.truth[enough], found.iou[enough]
    rank = np.zeros(found.predictions) if confidence is None else np.asarray(confidence, float)
    order = np.lexsort((j, i, -ious, -rank[i]))
    used_i = np.zeros(found.predictions, bool)
    used_j = np.zeros(found.truths, bool)
    chosen = []
    for at, p, t in zip(order.tolist(), i[order].tolist(), j[order].tolist(), strict=True):
        if not used_i[p] and not used_j[t]:
            used_i[p] = used_j[t] = True
            chosen.append(at)
    return Matches(
        np.stack([i[chosen], j[chosen]], axis=1), ious[chosen], found.predictions, found.truths
    )


def match(
    prediction: Footprints,
    truth: Footprints,
    confidence: np.ndarray | None = None,
    iou: float = 0.5,
) -> Matches:
    """One-to-one matches of at least ``iou``; see :func:`assign` for the rule."""
    return assign(overlaps(prediction, truth, iou), confidence, iou)


def average_precision(
    found: CandidatePairs, confidence: np.ndarray | None = None, iou: float = 0.5
) -> float:
    """Area under the precision-recall curve at ``iou``, COCO's way: the best precision at each of
    101 recalls, averaged.

    Equally confident predictions enter the curve together, and so do all without ``confidence``:
    the curve then is one point. 1 where there is neither truth nor prediction, 0 where there is
    only one of them.
    """
    if found.truths == 0 or found.predictions == 0:
        return float(found.truths == found.predictions)
    _, precision, recall = precision_recall(found, confidence, iou)
    # A precision counts from its recall down to the one before, and the best at this or a higher
    # recall: the curve falls in steps, without the teeth of single mistakes.
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101) - 1e-12)
    # recalls that were not reached find the 0 behind the last
    return float(np.append(best_from_here, 0)[at].mean())


def precision_recall(
    found: CandidatePairs, confidence: np.ndarray | None = None, iou: float = 0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each confidence that occurs, falling, with precision and recall of the predictions of at
    least that: float64 (n,). There have to be predictions and truths.
    """
    rank = np.zeros(found.predictions) if confidence is None else np.asarray(confidence, float)
    hit = np.zeros(found.predictions, bool)
    hit[assign(found, confidence, iou).pairs[:, 0]] = True
    order = np.argsort(-rank, kind="stable")
    # ranks fall: a change of rank ends a group of equally confident ones
    falling = rank[order]
    last_of_tie = np.append(falling[1:] != falling[:-1], True)
    tp = np.cumsum(hit[order])[last_of_tie]
    precision = tp / (np.flatnonzero(last_of_tie) + 1)
    return falling[last_of_tie], precision, tp / found.truths


def coco_ap(found: CandidatePairs, confidence: np.ndarray | None = None) -> dict[float, float]:
    """Average precision at each IoU of 0.5, 0.55 .. 0.95; their mean is COCO's AP. ``found`` must
    reach down to 0.5.
    """
    return {round(iou, 2): average_precision(found, confidence, iou) for iou in COCO_IOUS}


def counts_by_size(
    matches: Matches, prediction_m2: np.ndarray, truth_m2: np.ndarray
) -> dict[str, Counts]:
    """Counts for each of ``SIZES``, by areas in square metres of all predictions and truths.

    Matches and missed truths go by the truth's area, false positives by their own.
    """
    out = {}
    for name, (low, high) in SIZES.items():
        areas = (
            truth_m2[matches.pairs[:, 1]],
            prediction_m2[matches.false_positives],
            truth_m2[matches.false_negatives],
        )
        out[name] = Counts(
            *(int(np.count_nonzero((low <= area) & (area < high))) for area in areas)
        )
    return out
