"""Losses fall towards the truth and do not look where the mask is ignored."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from geoseg.errors import UsageError  # noqa: E402
from geoseg.training.losses import build  # noqa: E402

SHAPE = (2, 12, 17)


def case(channels: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    mask = torch.randint(0, max(2, channels), SHAPE, generator=generator).to(torch.uint8)
    if channels == 1:
        return (mask.float() * 2 - 1)[:, None] * 4, mask
    return torch.nn.functional.one_hot(mask.long(), channels).permute(0, 3, 1, 2) * 8.0, mask


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("auto", 1),
        ("bce", 1),
        ("dice", 1),
        ("focal", 1),
        ("lovasz", 1),
        ("tversky", 1),
        ("bce+dice", 1),
        ("auto", 3),
        ("ce", 3),
        ("dice", 3),
    ],
)
def test_the_truth_costs_less_than_its_opposite(name: str, channels: int) -> None:
    loss = build(name, channels)
    right, mask = case(channels)
    assert loss(right, mask) < loss(torch.zeros_like(right), mask) < loss(-right, mask)


@pytest.mark.parametrize(("name", "channels"), [("auto", 1), ("lovasz", 1), ("focal", 1), ("auto", 3)])
def test_ignored_pixels_cost_nothing(name: str, channels: int) -> None:
    loss = build(name, channels)
    logits, mask = case(channels)
    mask[:, :5] = 255
    before = loss(logits, mask)
    wrong = logits.clone()
    wrong[:, :, :5] = -50.0
    assert torch.allclose(loss(wrong, mask), before, atol=1e-5)


def test_a_batch_without_a_single_label_is_no_error() -> None:
    logits = torch.randn(2, 1, 12, 17, requires_grad=True)
    loss = build("auto", 1)(logits, torch.full(SHAPE, 255, dtype=torch.uint8))
    loss.backward()
    assert loss.isfinite() and logits.grad is not None and logits.grad.isfinite().all()


def test_weights_weigh() -> None:
    logits, mask = case(1)
    parts = {name: build(name, 1)(logits, mask) for name in ("bce", "dice")}
    both = build("2*bce+0.5*dice", 1)(logits, mask)
    assert torch.allclose(both, 2 * parts["bce"] + 0.5 * parts["dice"])


@pytest.mark.parametrize(("name", "channels"), [("nonesuch", 1), ("ce", 1), ("bce", 3), ("bce+", 1), ("x*bce", 1)])
def test_unknown_losses_are_usage_errors(name: str, channels: int) -> None:
    with pytest.raises(UsageError):
        build(name, channels)
