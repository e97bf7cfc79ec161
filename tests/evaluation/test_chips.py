"""Footprints of chips beside true ones that the chip cuts."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.evaluation.chips import ChipPrediction, Footprints, true_footprints

GRID = Grid(CRS.from_epsg(32633), Affine(1, 0, 460_000, 0, -1, 5_550_000), 30, 46)


@pytest.mark.parametrize("iou", [0.5, 0.7, 0.9])
def test_what_lies_mainly_on_a_cut_building_is_not_wrong_at_any_iou(iou: float) -> None:
    """Of a building 30 m long the chip shows 10 m; what was found there is moved by 4 m, and so
    matches at none of these IoUs. Another building is found as it is.
    """
    probability = np.zeros((1, *GRID.shape), np.float32)
    probability[0, 4:14, 32:42] = 0.9
    probability[0, 17:27, 3:21] = 0.9
    left, top = GRID.transform * (0, 0)
    house = shapely.box(left + 3, top - 27, left + 21, top - 17)
    cut = shapely.box(left + 36, top - 14, left + 66, top - 4)
    prediction = ChipPrediction(
        "chip.tif",
        probability,
        np.ones(GRID.shape, bool),
        np.zeros(GRID.shape, np.uint8),
        GRID,
        footprints=np.array([house, cut]),
    )
    truth = true_footprints(prediction)
    assert truth.counted.tolist() == [True, False]
    found = Footprints(0.5, iou)
    found.add(prediction, truth)
    counts = found.counts()
    assert (counts.tp, counts.fp, counts.fn) == (1, 0, 0)


def test_footprints_are_counted_from_an_area_and_a_confidence_on() -> None:
    """A house, a fainter shed that is none, and a speck."""
    probability = np.zeros((1, *GRID.shape), np.float32)
    probability[0, 17:27, 3:21] = 0.9
    probability[0, 4:14, 32:42] = 0.6
    probability[0, 4:6, 3:6] = 0.9
    truth = np.zeros(GRID.shape, np.uint8)
    truth[17:27, 3:21] = 1
    prediction = ChipPrediction("chip.tif", probability, np.ones(GRID.shape, bool), truth, GRID)
    found = Footprints(0.5)
    found.add(prediction, true_footprints(prediction))
    for least, expected in {
        (0, 0): (1, 2, 0),
        (10, 0): (1, 1, 0),
        (10, 0.7): (1, 0, 0),
        (0, 0.95): (0, 0, 1),
    }.items():
        counts = found.counts(*least)
        assert (counts.tp, counts.fp, counts.fn) == expected
