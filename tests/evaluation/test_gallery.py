"""The chips that are shown are the extremes, and of those that have something to show."""

from __future__ import annotations

import numpy as np
import pytest

from geoseg.evaluation.gallery import Gallery, ScoredChip, score_chip

IMAGE = np.zeros((3, 8, 11), np.uint8)


def chip(name: str, iou: float, label: int = 1, unknown: int = 0) -> ScoredChip:
    truth = np.zeros((8, 11), np.uint8)
    truth[1:4, 2:9] = label
    truth.flat[:unknown] = 255
    return ScoredChip(name, iou, IMAGE, truth, np.zeros_like(truth))


def names(chips: list[ScoredChip]) -> list[str]:
    return [one.name for one in chips]


def test_the_best_and_the_worst_whatever_the_order() -> None:
    gallery = Gallery(2)
    for name, iou in (("d", 0.4), ("a", 0.9), ("e", 0.1), ("c", 0.5), ("b", 0.8)):
        gallery.add(chip(name, iou))
    assert (names(gallery.best), names(gallery.worst)) == (["a", "b"], ["e", "d"])


@pytest.mark.parametrize(
    ("count", "best", "worst"), [(0, "", ""), (1, "a", ""), (2, "a", "b"), (3, "ab", "c")]
)
def test_few_chips_are_shared_out(count: int, best: str, worst: str) -> None:
    gallery = Gallery(3)
    for name, iou in (("a", 0.9), ("b", 0.5), ("c", 0.2))[:count]:
        gallery.add(chip(name, iou))
    assert (names(gallery.best), names(gallery.worst)) == (list(best), list(worst))


def test_bare_and_unknown_chips_are_left_out() -> None:
    gallery = Gallery(2)
    gallery.add(chip("bare", 1.0, label=0))
    gallery.add(chip("unknown", 0.5, unknown=84))
    assert gallery.best == gallery.worst == []


def test_the_iou_is_the_mean_over_the_classes_that_occur() -> None:
    truth, found = np.zeros((2, 8, 11), np.uint8)
    truth[2:4, 3:9], found[2:4, 3:6] = 1, 1
    truth[7] = 255
    assert score_chip("two", IMAGE, truth, found, 5).iou == pytest.approx((6 / 12 + 65 / 71) / 2)


def test_classes_told_each_by_itself_lie_over_each_other() -> None:
    truth, found = np.zeros((3, 8, 11), np.uint8), np.zeros((3, 8, 11), np.uint8)
    truth[0, :5], truth[1, 4:6] = 1, 1
    found[0, :5], found[1, 5:7] = 1, 1
    one = score_chip("each", IMAGE, truth, found, 3)
    assert one.iou == pytest.approx((1 + 1 / 3) / 2)
    assert one.truth[:, 0].tolist() == [1, 1, 1, 1, 2, 2, 0, 0] and one.prediction[
        :, 0
    ].tolist() == [
        1,
        1,
        1,
        1,
        1,
        2,
        2,
        0,
    ]
