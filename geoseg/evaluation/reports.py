"""What evaluate returns: the scores of a prediction, of footprints and of chips."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from geoseg.report import Report


@dataclass(frozen=True, kw_only=True)
class EvaluateReport(Report):
    """``pixel`` and ``object`` metrics, empty if not applicable; ``failed`` names the limits that
    are not met.

    ``pixel``: ratios of the building pixels (means over the classes where there are several),
    ``mean_iou``, ``accuracy``, ``boundary_iou``, counts, and all of it for each of the ``classes``;
    of a sweep the curves, ``best_threshold`` and ``average_precision``. Of multi-label bands the
    mean ratios, and all of it of each under ``classes``. ``object``: counts and ratios of the
    footprints, ``ap`` (mean over the IoUs 0.5 to 0.95), ``by_iou`` and ``by_size``, ``splits`` and
    ``merges``, the distances of matched ``outlines``, the errors ``by_block`` of ground, and of
    SpaceNet tables those of the ``cities`` with their ``mean_f1``.

    ``ground`` is where they were compared, empty where nothing bounds it: the ``scenes`` whose data
    does, what they are ``named_by`` (``image`` or ``provenance``), the ``aoi``, and how many
    footprints of prediction and truth lie ``beyond`` and do not count.

    ``intervals`` are those of the bootstrap, 95%, by kind and metric. ``places`` are the worst and
    the best blocks of ground, worst first, each a dict: ``bounds`` (left, bottom, right, top) in
    ``crs``, the counts ``truth``, ``found``, ``tp``, ``fp`` and ``fn``, ``f1`` of footprints or
    ``iou`` of pixels, ``area_error_m2`` and, of footprints, ``count_error``: found less true.
    """

    pixel: dict[str, Any]
    object: dict[str, Any]
    ground: dict[str, Any] = field(default_factory=dict)
    intervals: dict[str, Any] = field(default_factory=dict)
    places: tuple[dict[str, Any], ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChipsReport(Report):
    """``pixel`` and ``object`` metrics at the model's own threshold, cleaned by its least area,
    ``object`` by its least confidence too; of several classes ``pixel``.

    Of multi-label classes ``pixel`` has the means of the ``classes``,
    ``thresholds`` a row for each of them at each threshold.

    ``thresholds`` has a row for each threshold, once as it is and once cleaned, with the metrics of
    the building pixels and under ``object_`` those of the footprints. Counts are summed over the
    ``chips`` of the ``split``, ratios taken last.
    """

    model: str
    split: str
    chips: int
    threshold: float | None
    min_area: float | None
    min_confidence: float | None
    pixel: dict[str, Any]
    object: dict[str, Any]
    thresholds: list[dict[str, Any]]
    failed: tuple[str, ...] = ()
