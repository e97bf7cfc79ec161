"""Chips of a high loss are drawn more often, and a run that goes on draws as if it had never
stopped.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
from torch.utils.data import WeightedRandomSampler  # noqa: E402

from geoseg.io.run_folder import read_epochs  # noqa: E402
from geoseg.training.fit import LAST, train  # noqa: E402
from geoseg.training.hard_examples import HardExampleSampler  # noqa: E402
from geoseg.training.losses import item_losses  # noqa: E402
from tests.training.jobs import job  # noqa: E402


def difficulty(weights: list[float], share: float) -> HardExampleSampler:
    return HardExampleSampler(
        SimpleNamespace(sampler=SimpleNamespace(base_sampler=WeightedRandomSampler(weights, 8))),
        share,
    )


def test_draws_go_by_weight_until_something_was_seen() -> None:
    assert difficulty([1, 1, 2], 0.5).weights().tolist() == [0.25, 0.25, 0.5]


def test_hard_chips_are_drawn_more_often() -> None:
    hard = difficulty([1, 1, 1, 1], 0.5)
    hard.add(torch.tensor([0, 1, 1]), torch.tensor([0.9, 0.2, 0.4]))
    hard.end_epoch()
    assert (
        hard.losses[:2].tolist() == pytest.approx([0.9, 0.3], abs=1e-6)
        and hard.losses[2:].isnan().all()
    )
    weights = hard.weights()
    # those not seen count as the mean of those that were, 0.6
    assert weights.tolist() == pytest.approx(
        [0.125 + 0.5 * loss / 2.4 for loss in (0.9, 0.3, 0.6, 0.6)], abs=1e-6
    )
    hard.add(torch.tensor([0]), torch.tensor([0.1]))
    hard.end_epoch()
    assert hard.losses[:2].tolist() == pytest.approx([0.5, 0.3], abs=1e-6)


def test_the_loss_of_each_image_leaves_out_what_is_ignored() -> None:
    torch.manual_seed(0)
    logits, mask = torch.randn(3, 1, 6, 9), torch.randint(0, 2, (3, 6, 9)).to(torch.uint8)
    mask[1, :4], mask[2] = 255, 255
    losses = item_losses(logits, mask)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[1, 0, 4:], mask[1, 4:].float()
    )
    assert torch.allclose(losses[1], expected) and losses[2] == 0
    several = item_losses(torch.randn(3, 4, 6, 9), mask)
    assert several.shape == (3,) and several[2] == 0 and several[0] > 0


def test_a_run_that_goes_on_draws_what_it_would_have_drawn(tmp_path: Path) -> None:
    settings = {"hard": 0.8, "schedule": "constant", "augment": "none"}
    train(
        job(tmp_path / "whole", epochs=3, **settings),
        resume=False,
        progress=lambda *_: lambda _: None,
    )
    for epochs, resume in ((2, False), (3, True)):
        train(
            job(tmp_path / "parts", epochs=epochs, **settings),
            resume=resume,
            progress=lambda *_: lambda _: None,
        )
    whole, parts = (
        torch.load(tmp_path / name / LAST, weights_only=True) for name in ("whole", "parts")
    )
    kept = [
        next(v for k, v in run["callbacks"].items() if k.startswith("HardExampleSampler"))["losses"]
        for run in (whole, parts)
    ]
    assert torch.equal(kept[0].nan_to_num(), kept[1].nan_to_num()) and kept[0].nan_to_num().any()
    losses = [
        [epoch["loss"] for epoch in read_epochs(tmp_path / name)] for name in ("whole", "parts")
    ]
    assert losses[0] == losses[1]
