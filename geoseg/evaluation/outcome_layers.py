"""True positives, false positives and misses as layers on the map."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from geoseg.core.layer import Layer, size_columns
from geoseg.drawing.colours import FN, FP, TP, rgb
from geoseg.evaluation.footprints import LayerComparison
from geoseg.evaluation.fragments import Fragments
from geoseg.evaluation.matching import overlaps
from geoseg.io.provenance import provenance
from geoseg.io.vector.layers import write_layers
from geoseg.io.vector.qgis_style import single

# Those of the pictures of preview and of report pages; of the last two, Okabe and Ito's
COLOURS = {"tp": TP, "fp": FP, "fn": FN, "split": "#cc79a7", "merge": "#009e73"}


def write_outcome_layers(
    path: Path | str, matched: LayerComparison, source: Path | str, overwrite: bool = False
) -> None:
    """Write the layers tp, fp, fn, split and merge into a GeoPackage at ``path``.

    tp, fp and merge are predictions, fn and split truths. ``iou`` is that of the match, else the
    best with any footprint of the other layer. Raises OutputError.
    """
    styles = {
        name: single(",".join(map(str, rgb(colour))), filled=name in ("tp", "fp", "fn"))
        for name, colour in COLOURS.items()
    }
    write_layers(
        path, outcome_layers(matched), styles, overwrite=overwrite, metadata=provenance(source)
    )


def outcome_layers(matched: LayerComparison) -> dict[str, Layer]:
    """The layers by name, with the columns ``iou``, ``confidence``, ``area_m2`` (``area_px``
    without a CRS) and what is known of each kind.
    """
    predictions, truths = matched.matches.pairs.T
    extra = matched.matches.false_positives
    missed = matched.matches.false_negatives
    polis, hausdorff = matched.distances
    unit = "px" if matched.truth.crs is None else "m"
    about_match = {
        "iou": matched.matches.ious,
        f"truth_{size_columns(matched.truth.crs)[0]}": matched.areas[1][truths],
        f"polis_{unit}": polis,
        f"hausdorff_{unit}": hausdorff,
    }
    return {
        "tp": _predicted(matched, predictions, about_match),
        "fp": _predicted(matched, extra, {"iou": _best(matched, extra, 0)}),
        "fn": _true(matched, missed, {"iou": _best(matched, missed, 1)}),
        "split": _true(matched, matched.splits.whole, _parts(matched.splits)),
        "merge": _predicted(matched, matched.merges.whole, _parts(matched.merges)),
    }


def _predicted(
    matched: LayerComparison, chosen: np.ndarray, columns: dict[str, np.ndarray]
) -> Layer:
    confidence = np.full(len(chosen), np.nan)
    if matched.confidence is not None:
        known = matched.confidence[chosen]
        confidence = np.where(np.isneginf(known), np.nan, known)
    return _layer(matched, 0, chosen, {"confidence": confidence, **columns})


def _true(matched: LayerComparison, chosen: np.ndarray, columns: dict[str, np.ndarray]) -> Layer:
    return _layer(matched, 1, chosen, columns)


def _layer(
    matched: LayerComparison, side: int, chosen: np.ndarray, columns: dict[str, np.ndarray]
) -> Layer:
    layer = (matched.prediction, matched.truth)[side]
    table = {size_columns(layer.crs)[0]: matched.areas[side][chosen], **columns}
    table = {
        name: values if values.dtype.kind == "i" else values.round(4)
        for name, values in table.items()
    }
    if matched.images is not None:
        image = np.array(matched.images, object)[matched.blocks[side][chosen]]
        table = {"image": image, **table}
    return Layer(layer.geometry[chosen], layer.crs, table)


def _parts(fragments: Fragments) -> dict[str, np.ndarray]:
    return {"parts": fragments.parts, "covered": fragments.covered}


def _best(matched: LayerComparison, chosen: np.ndarray, side: int) -> np.ndarray:
    """The best IoU of each chosen footprint of one layer with any of the other, 0 without one."""
    layers = [matched.prediction.geometry, matched.truth.geometry]
    images = list(matched.blocks)
    layers[side] = layers[side][chosen]
    images[side] = images[side][chosen]
    found = overlaps(
        layers[0], layers[1], 0, None if matched.images is None else (images[0], images[1])
    )
    best = np.zeros(len(chosen))
    np.maximum.at(best, (found.prediction, found.truth)[side], found.iou)
    return best
