import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_erosion

from geoseg.evaluation.metrics import (
    Counts,
    boundary,
    boundary_count,
    class_counts,
    class_means,
    confusion,
    count,
    mean_iou,
    pixel_accuracy,
    ratios,
)

masks = arrays(bool, (7, 13))


def test_counts_and_ratios():
    prediction = np.zeros((5, 9), bool)
    truth = np.zeros((5, 9), bool)
    prediction[1:3, 2:6] = True
    truth[1:4, 4:7] = True
    counts = count(prediction, truth)
    assert counts == Counts(tp=4, fp=4, fn=5, tn=32)
    assert counts.precision == 4 / 8 and counts.recall == 4 / 9 and counts.iou == 4 / 13
    assert counts.f1 == pytest.approx(2 / (1 / counts.precision + 1 / counts.recall))
    assert counts.accuracy == 36 / 45
    assert counts.to_dict()["tn"] == 32 and "accuracy" not in Counts(3, 1, 2).to_dict()


@given(arrays(np.int64, (3, 5), elements=st.integers(0, 3)))
def test_ratios_of_many_counts_at_once(counts):
    found = ratios(*counts)
    for i, (tp, fp, fn) in enumerate(counts.T):
        one = Counts(tp, fp, fn)
        assert {name: values[i] for name, values in found.items()} == {
            name: getattr(one, name) for name in found
        }


@given(masks, masks, masks)
def test_blocks_add_up_and_invalid_pixels_do_not_count(prediction, truth, valid):
    whole = count(prediction, truth, valid)
    assert whole == count(prediction[:3], truth[:3], valid[:3]) + count(
        prediction[3:], truth[3:], valid[3:]
    )
    assert whole == count(prediction[valid], truth[valid])
    assert whole.total == valid.sum()


@given(st.builds(Counts, *[st.integers(0, 5)] * 4))
def test_no_ratio_is_nan(counts):
    ratios = counts.iou, counts.f1, counts.precision, counts.recall, counts.accuracy
    assert all(math.isfinite(r) and 0 <= r <= 1 for r in ratios)
    perfect = counts.fp == counts.fn == 0
    assert perfect == (ratios == (1, 1, 1, 1, 1))


def test_nothing_there():
    assert Counts(fp=3).recall == 0 and Counts(fn=3).precision == 0
    assert Counts(tn=9).iou == 1 and Counts().accuracy == 1


def test_confusion():
    truth = np.array([[0, 0, 1, 2, 255], [1, 1, 2, 2, 255]], np.uint8)
    prediction = np.array([[0, 1, 1, 2, 0], [1, 0, 0, 2, 9]], np.uint8)
    matrix = confusion(prediction, truth, 4, ignore=[255])
    np.testing.assert_array_equal(matrix, [[1, 1, 0, 0], [1, 2, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]])
    assert class_counts(matrix)[1] == Counts(tp=2, fp=1, fn=1, tn=4)
    assert mean_iou(matrix) == pytest.approx((1 / 4 + 2 / 4 + 2 / 3) / 3)
    assert pixel_accuracy(matrix) == 5 / 8
    valid = np.ones((2, 5), bool)
    valid[0, 0] = False
    assert confusion(prediction, truth, 4, ignore=[255], valid=valid)[0, 0] == 0


def test_labels_that_are_no_class_are_refused():
    with pytest.raises(
        ValueError, match="labels 0 to 7 of the prediction are not the classes 0 to 2"
    ):
        confusion(np.array([[0, 7, 1]]), np.array([[0, 1, 1]]), 3)
    with pytest.raises(ValueError, match="labels -1 to 1 of the truth"):
        confusion(np.array([[0, 1, 1]]), np.array([[-1, 1, 1]]), 3)


def test_confusion_of_nothing():
    empty = confusion(np.zeros((0, 3), int), np.zeros((0, 3), int), 2)
    assert empty.shape == (2, 2) and mean_iou(empty) == pixel_accuracy(empty) == 1


@given(masks, masks)
def test_two_classes_agree_with_the_binary_counts(prediction, truth):
    matrix = confusion(prediction.astype(np.uint8), truth.astype(np.uint8), 2)
    assert class_counts(matrix)[1] == count(prediction, truth)


@settings(max_examples=60)
@given(
    arrays(bool, (9, 14), elements=st.sampled_from([True, True, True, False])), st.integers(1, 5)
)
def test_boundary_is_the_mask_without_its_erosion(mask, width):
    expected = mask & ~binary_erosion(mask, np.ones((3, 3)), iterations=width, border_value=0)
    np.testing.assert_array_equal(boundary(mask, width), expected)


def test_boundary_iou_sees_what_iou_does_not():
    truth = np.zeros((60, 90), bool)
    truth[10:50, 15:75] = True
    prediction = np.zeros((60, 90), bool)
    prediction[12:48, 17:73] = True
    assert count(prediction, truth).iou > 0.8
    counts = boundary_count(prediction, truth, 2)
    assert counts.iou == 0 and boundary_count(truth, truth, 2).iou == 1
    wide = boundary_count(prediction, truth, 4)
    ring = 40 * 60 - 32 * 52
    inner = 36 * 56 - 28 * 48
    shared = 36 * 56 - 32 * 52
    assert wide == Counts(shared, inner - shared, ring - shared, 60 * 90 - ring - inner + shared)


def test_boundary_of_blocks_with_a_halo():
    mask = np.random.default_rng(1).random((40, 23)) < 0.95
    whole = boundary(mask, 3)
    np.testing.assert_array_equal(boundary(mask[7:33], 3)[3:-3], whole[10:30])


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 3), max_size=5))
def test_class_means_are_those_of_the_classes_that_occur(cells):
    classes = [Counts(*cell) for cell in cells]
    means = class_means([*classes, Counts(tn=7)], ("iou", "recall"))
    present = [counts for counts in classes if counts != Counts()]
    for name, mean in means.items():
        assert mean == pytest.approx(
            sum(getattr(c, name) for c in present) / len(present) if present else 1.0
        )
