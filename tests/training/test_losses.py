"""Losses fall towards the truth and do not look where the mask is ignored."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from geoseg.errors import UsageError  # noqa: E402
from geoseg.training.losses import build, item_losses, nearness  # noqa: E402

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
        ("boundary", 1),
        ("bce+dice", 1),
        ("auto", 3),
        ("ce", 3),
        ("dice", 3),
        ("boundary", 3),
    ],
)
def test_the_truth_costs_less_than_its_opposite(name: str, channels: int) -> None:
    loss = build(name, channels)
    right, mask = case(channels)
    assert loss(right, mask) < loss(torch.zeros_like(right), mask) < loss(-right, mask)


@pytest.mark.parametrize(
    ("name", "channels"),
    [("auto", 1), ("lovasz", 1), ("focal", 1), ("boundary", 1), ("auto", 3), ("boundary", 3)],
)
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


@pytest.mark.parametrize("channels", [1, 3])
def test_class_weights_weigh_the_pixels_of_a_class(channels: int) -> None:
    logits, mask = case(channels)
    logits, name = logits * 0.2, "bce" if channels == 1 else "ce"
    mask[:, :3] = 255
    classes = max(2, channels)
    weights = [0.5, 3.0, 2.0][:classes]
    one_class = torch.stack(
        [build(name, channels)(logits, torch.where(mask == c, mask, 255)) for c in range(classes)]
    )
    pixels = torch.tensor([float((mask == c).sum()) for c in range(classes)]) * torch.tensor(
        weights
    )
    expected = (one_class * pixels).sum() / pixels.sum()
    assert torch.allclose(build(name, channels, weights)(logits, mask), expected, atol=1e-5)


def test_nearness_falls_with_the_distance_from_outlines() -> None:
    mask = torch.zeros(2, 9, 14, dtype=torch.uint8)
    mask[0, :, 5:] = 1  # an outline between columns 4 and 5; the other mask has none
    near = nearness(mask, 4)
    profile = [math.exp(-2 * (d / 4) ** 2) for d in range(5)]
    assert near[0, 3].tolist() == pytest.approx([*profile[4::-1], *profile, *[0] * 4])
    assert near[1].eq(0).all()


def test_what_is_ignored_has_no_outline() -> None:
    mask = torch.ones(1, 9, 14, dtype=torch.uint8)
    mask[..., 6:] = 255
    assert nearness(mask, 4).eq(0).all()
    mask[..., :3] = 0
    assert nearness(mask, 4)[0, 0, 2:4].tolist() == [1, 1]


def test_errors_at_outlines_cost_more() -> None:
    mask = torch.zeros(1, 20, 30, dtype=torch.uint8)
    mask[:, :, 15:] = 1
    right = (mask.float() * 2 - 1)[:, None] * 4
    costs = []
    for column in (14, 2):
        wrong = right.clone()
        wrong[..., column] *= -1
        costs.append(build("boundary", 1)(wrong, mask).item())
    assert costs[0] > 3 * costs[1]


@pytest.mark.parametrize(
    ("name", "channels"), [("nonesuch", 1), ("ce", 1), ("bce", 3), ("bce+", 1), ("x*bce", 1)]
)
def test_unknown_losses_are_usage_errors(name: str, channels: int) -> None:
    with pytest.raises(UsageError):
        build(name, channels)


def several() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and mask of three multi-label classes; of the last there is little."""
    generator = torch.Generator().manual_seed(4)
    share = torch.tensor([0.6, 0.4, 0.1])[:, None, None]
    mask = (torch.rand((2, 3, 12, 17), generator=generator) < share).to(torch.uint8)
    return torch.randn(mask.shape, generator=generator), mask


@pytest.mark.parametrize(
    "name", ["auto", "bce", "dice", "focal", "tversky", "lovasz", "boundary", "bce+0.5*dice"]
)
def test_classes_told_each_by_itself_cost_what_each_costs(name: str) -> None:
    logits, mask = several()
    mask[0, 1, :5] = 255
    each = torch.stack([build(name, 1)(logits[:, [i]], mask[:, i]) for i in range(3)])
    loss = build(name, 3, multilabel=True)
    assert torch.allclose(loss(logits, mask), each.mean())
    right = (mask * 8.0 - 4) * (mask != 255)
    assert loss(right, mask) < loss(logits, mask)
    wrong = logits.clone()
    wrong[0, 1, :5] = 60.0
    assert torch.allclose(loss(wrong, mask), loss(logits, mask), atol=1e-5)


def test_the_weight_of_a_class_told_by_itself_is_that_of_its_pixels() -> None:
    logits, mask = several()
    weights = [2.0, 0.5, 7.0]
    expected = torch.stack(
        [build("bce", 1, [1, w])(logits[:, [i]], mask[:, i]) for i, w in enumerate(weights)]
    ).mean()
    assert torch.allclose(build("bce", 3, weights, True)(logits, mask), expected)
    with pytest.raises(UsageError):
        build("ce", 3, multilabel=True)


def test_the_difficulty_of_an_image_is_the_mean_over_its_classes() -> None:
    logits, mask = several()
    mask[1] = 255
    mask[0, 2] = 255
    each = [item_losses(logits[:, [i]], mask[:, i]) for i in range(3)]
    assert torch.allclose(item_losses(logits, mask), torch.stack(each).mean(0))
    assert item_losses(logits, mask)[1] == 0 and each[2].eq(0).all()
