import numpy as np
import pytest
import shapely
from pyproj import CRS

from geoseg.core.layer import Layer
from geoseg.errors import UnsuitableError, UsageError
from geoseg.evaluation.footprints import compare_layers
from geoseg.evaluation.metrics import Counts
from geoseg.evaluation.summary import failed_limits, footprint_scores, pixel_scores, sweep_scores
from geoseg.specs import EvaluateSpec


def layer(*boxes, crs=32736, **columns):
    values = {name: np.array(column) for name, column in columns.items()}
    return Layer(np.array([shapely.box(*box) for box in boxes]), crs and CRS.from_epsg(crs), values)


def scores(prediction, truth):
    return footprint_scores(compare_layers(prediction, truth, EvaluateSpec()), 0.5)


TRUTH = layer((0, 0, 10, 4), (20, 0, 30, 4))
FOUND = (50, 50, 60, 52), (0, 0, 10, 4), (20, 0, 30, 4)


@pytest.mark.parametrize(
    ("confidence", "ap"),
    [
        ([0.1, 0.9, 0.8], 1),
        ([0.9, 0.5, 0.4], 2 / 3),
        ([np.nan, 0.9, 0.8], 1),
        ([np.nan] * 3, 2 / 3),
        # logarithms of probabilities
        ([np.nan, -3.1, -2.2], 1),
        (["low", "high", "high"], 2 / 3),
        ([1, 9, 8], 1),
    ],
)
def test_confidence_ranks(confidence, ap):
    assert scores(layer(*FOUND, confidence=confidence), TRUTH)["by_iou"]["0.50"] == pytest.approx(
        ap
    )


def test_only_one_with_a_crs():
    with pytest.raises(UnsuitableError, match="only one of the two"):
        scores(layer(*FOUND, crs=None), TRUTH)
    itself = scores(layer(*FOUND, crs=None), layer(*FOUND, crs=None))
    assert itself["f1"] == 1 and itself["outlines"].keys() == {"polis_px", "hausdorff_px"}


def test_a_class_that_occurs_nowhere_is_left_out():
    matrix = np.array([[5, 0, 1], [0, 0, 0], [2, 0, 4]])
    scores = pixel_scores(
        matrix, {1: Counts(), 2: Counts(tp=3, fp=1, fn=2)}, {0: "ground", 2: "roof"}
    )
    assert list(scores["classes"]) == ["ground", "roof"]
    assert scores["classes"]["roof"]["iou"] == 4 / 7 and scores["boundary_iou"] == 3 / 6
    assert (
        scores["iou"] == scores["mean_iou"] == pytest.approx((5 / 8 + 4 / 7) / 2)
        and scores["accuracy"] == 9 / 12
    )


def test_limits():
    pixel, found = {"f1": 0.8, "iou": 0.6, "classes": {}}, {"f1": 0.5}
    assert failed_limits(pixel, found, {"f1": 0.5, "pixel.f1": 0.8, "iou": 0.1}) == ()
    assert failed_limits(pixel, found, {"f1": 0.6, "pixel.f1": 0.9}) == (
        "f1 is 0.5000, below 0.6",
        "pixel.f1 is 0.8000, below 0.9",
    )
    assert failed_limits(pixel, {}, {"f1": 0.9}) == ("f1 is 0.8000, below 0.9",)
    for name in ("ap", "classes", "other.f1"):
        with pytest.raises(UsageError, match=f"{name} was not measured"):
            failed_limits(pixel, found, {name: 0.5})


def test_two_classes_keep_their_names():
    matrix = np.array([[5, 1], [2, 8]])
    outlines = {1: Counts(3, 1, 0, 9)}
    assert [*pixel_scores(matrix, outlines, {0: "background", 1: "lane"})["classes"]] == [
        "background",
        "lane",
    ]
    assert [*pixel_scores(matrix, outlines, {})["classes"]] == ["background", "building"]


def test_the_middle_of_several_best_thresholds():
    pixels = np.zeros((2, 255), np.int64)
    pixels[0, 100], pixels[1, 201] = 700, 300
    scores = sweep_scores(pixels)
    assert scores["best_threshold"] == pytest.approx((101 + 201) / 2 / 254, abs=1 / 254)
    assert scores["best_iou"] == scores["average_precision"] == 1
