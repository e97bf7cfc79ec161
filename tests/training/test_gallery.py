"""The chips that are shown are the extremes, and of those that have something to show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from geoseg.evaluation.gallery import Gallery  # noqa: E402
from geoseg.evaluation.metrics import count  # noqa: E402
from geoseg.training.fit import network  # noqa: E402
from geoseg.training.gallery import best_and_worst  # noqa: E402
from tests.training.jobs import Painted, job  # noqa: E402


class Bare(Painted):
    """A picture without a building, of which half is not known."""

    def labels(self) -> np.ndarray:
        labels = np.zeros((40, 56), "uint8")
        labels[:, 30:] = 255
        return labels


def test_the_best_and_the_worst_of_those_with_buildings(tmp_path: Path) -> None:
    run = job(tmp_path)
    made = network(run)[0].eval()
    with torch.no_grad():  # half of the pixels are over the threshold
        image = torch.from_numpy(run.val[0].read()[0] / np.float32(255))[None]
        made.network.layers[-1].bias.sub_(made(image).median())
    gallery = best_and_worst(run.model, made.state_dict(), run.val, 1.0, 2, run.labelled)
    best, worst = gallery.best, gallery.worst
    assert [len(best), len(worst)] == [2, 2] and not {one.name for one in best} & {
        one.name for one in worst
    }
    assert best[0].iou >= best[1].iou >= worst[1].iou >= worst[0].iou
    one = best[0]
    pixels, labels = Painted(int(one.name.split()[1])).read()
    assert np.array_equal(one.image, pixels) and np.array_equal(one.truth, labels)
    both = [count(one.prediction == label, labels == label) for label in (0, 1)]
    assert one.iou == pytest.approx(np.mean([c.iou for c in both if c.tp + c.fp + c.fn]))


def test_of_a_network_that_finds_nothing_the_chips_with_buildings_are_shown(tmp_path: Path) -> None:
    run = job(tmp_path)
    made = network(run)[0]
    for weight in made.parameters():
        weight.data.zero_()
    gallery = best_and_worst(
        run.model, made.state_dict(), [Bare(3), Painted(4)], 1.0, 3, run.labelled
    )
    assert [one.name for one in gallery.best + gallery.worst] == ["picture 4"]
    assert best_and_worst(run.model, made.state_dict(), [], 1.0, 3, run.labelled) == Gallery(3)
