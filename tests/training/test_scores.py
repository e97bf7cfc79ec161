"""Scores from counts: of two classes at each threshold, of several over those that occur."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchmetrics")

from geoseg.evaluation.metrics import count  # noqa: E402
from geoseg.specs import ModelSpec  # noqa: E402
from geoseg.training.module import confusions  # noqa: E402
from geoseg.training.scores import THRESHOLDS, ThresholdCounts, multilabel_scores, scores  # noqa: E402


def test_two_classes_at_each_threshold() -> None:
    generator = np.random.default_rng(2)
    counts = ThresholdCounts()
    whole = [
        (generator.random((2, 12, 17)), generator.integers(0, 2, (2, 12, 17))) for _ in range(3)
    ]
    for probability, mask in whole:
        mask[:, :3] = 255
        counts.update(torch.from_numpy(probability), torch.from_numpy(mask))
    found = scores(counts.compute().numpy(), ("background", "building"))
    probability, mask = (np.concatenate(part) for part in zip(*whole, strict=True))
    for threshold in THRESHOLDS:
        expected = count(probability >= threshold, mask == 1, mask != 255)
        for name, value in found["thresholds"][str(threshold)].items():
            assert value == pytest.approx(getattr(expected, name), abs=1e-5)
    assert found["iou"] == found["thresholds"]["0.5"]["iou"] == found["classes"]["building"]["iou"]
    assert np.sum(found["confusion"]) == (mask != 255).sum()


def test_several_classes_count_where_they_occur() -> None:
    matrix = np.array([[6, 2, 0, 0], [1, 3, 0, 0], [0, 0, 4, 0], [0, 0, 0, 0]])
    found = scores(matrix, ("background", "road", "roof", "water"))
    assert found["iou"] == found["mean_iou"] == pytest.approx(np.mean([6 / 9, 3 / 6, 1]), abs=1e-5)
    assert found["recall"] == pytest.approx(np.mean([6 / 8, 3 / 4, 1]), abs=1e-5)
    assert found["accuracy"] == pytest.approx(13 / 16)
    assert found["classes"]["road"]["precision"] == pytest.approx(3 / 5)
    assert "thresholds" not in found and found["confusion"] == matrix.tolist()


def test_nothing_to_score_is_no_error() -> None:
    assert scores(np.zeros((3, 3), int), ("background", "road", "roof"))["iou"] == 1


def test_classes_told_each_by_itself() -> None:
    generator = np.random.default_rng(5)
    counts = confusions(
        ModelSpec("cnn", classes=("footprint", "boundary", "tree"), multilabel=True)
    )
    batches = [
        (generator.random((2, 3, 12, 17)), generator.integers(0, 2, (2, 3, 12, 17)))
        for _ in range(3)
    ]
    for probability, mask in batches:
        mask[0, 0, :3], mask[:, 1, 5:] = 255, 255
        probability[:, 2], mask[:, 2] = probability[:, 2] / 2, 0
        counts.update(torch.from_numpy(probability), torch.from_numpy(mask))
    found = multilabel_scores(counts.compute().numpy(), ("footprint", "boundary", "tree"))
    probability, mask = (np.concatenate(part) for part in zip(*batches, strict=True))
    expected = [
        count(probability[:, i] >= 0.5, mask[:, i] == 1, mask[:, i] != 255) for i in range(3)
    ]
    for name, own in zip(found["classes"], expected, strict=True):
        assert found["classes"][name]["iou"] == pytest.approx(own.iou, abs=1e-5)
        assert found["classes"][name]["recall"] == pytest.approx(own.recall, abs=1e-5)
    # there is no tree, and none was found
    assert (
        found["iou"]
        == found["mean_iou"]
        == pytest.approx((expected[0].iou + expected[1].iou) / 2, abs=1e-5)
    )
    right = sum(own.tp + own.tn for own in expected)
    assert found["accuracy"] == pytest.approx(right / sum(own.total for own in expected), abs=1e-5)
