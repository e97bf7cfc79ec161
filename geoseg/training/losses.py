"""Losses over logits (batch, channel, row, col) and masks (batch, row, col) with 255 ignored.

Masks of multi-label classes are (batch, class, row, col).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import segmentation_models_pytorch.losses as smp
import torch
from torch import nn
from torch.nn import functional as F

from geoseg.core.encoding import VOID
from geoseg.errors import SettingError

# Pixels on either side of an outline that weigh more, about two metres at 0.3 m
BOUNDARY_REACH = 6


class SumLoss(nn.Module):
    """Sum of losses, each times its weight."""

    def __init__(self, parts: list[nn.Module], weights: list[float]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.weights = weights

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        # bfloat16 has 8 bits: sums over a batch of a million pixels would lose the small terms
        logits = logits.float()
        return torch.stack(
            [w * part(logits, mask) for w, part in zip(self.weights, self.parts, strict=True)]
        ).sum()


class CrossEntropy(nn.Module):
    """Cross entropy, binary for one channel, over the pixels that count; 0 where none does.

    ``weights`` weigh the pixels of each class. With a ``reach`` in pixels, those near outlines
    weigh more: 1 + 4 exp(-d² / 2s²) at the distance d in rows or columns, s being half of the
    reach. That is the weight map of the U-Net (Ronneberger et al. 2015, equation 2) with the
    distance to the nearest outline alone, as masks do not separate touching buildings.
    """

    weights: torch.Tensor | None

    def __init__(self, weights: Sequence[float] | None = None, reach: int = 0) -> None:
        super().__init__()
        self.register_buffer(
            "weights", torch.tensor(weights) if weights else None, persistent=False
        )
        self.reach = reach

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        counts = mask != VOID
        truth = torch.where(counts, mask, 0).long()
        if logits.shape[1] == 1:
            loss = F.binary_cross_entropy_with_logits(
                logits[:, 0], truth.to(logits.dtype), reduction="none"
            )
        else:
            loss = F.cross_entropy(logits, truth, reduction="none")
        weight = counts.to(logits.dtype)
        if self.weights is not None:
            weight = weight * self.weights[truth]
        if self.reach:
            weight = weight * (1 + 4 * nearness(mask, self.reach))
        return (loss * weight).sum() / weight.sum().clamp(min=1e-6)


def nearness(mask: torch.Tensor, reach: int) -> torch.Tensor:
    """exp(-d² / 2s²) of each pixel, d its steps (also diagonal ones) from the nearest outline, s
    half of ``reach``.

    ``mask`` is uint8 (batch, row, col); result float32 of its shape, 1 on both sides of an outline
    and 0 beyond ``reach`` steps. What is ignored has no outline.
    """
    known = mask != VOID
    labels = mask.float()[:, None]
    # The highest and lowest label of the 3 x 3 pixels around each: where they differ is an outline.
    # Unknown pixels are -1 for the highest and 256 for the lowest, and so make none. Then the
    # outlines grow by a pixel a step, fainter each time.
    high = F.max_pool2d(torch.where(known[:, None], labels, -1), 3, 1, 1)
    low = -F.max_pool2d(torch.where(known[:, None], -labels, -(VOID + 1.0)), 3, 1, 1)
    near = ((high > low) & known[:, None]).float()
    result = near
    for step in range(1, reach + 1):
        near = F.max_pool2d(near, 3, 1, 1)
        result = torch.maximum(result, near * math.exp(-2 * (step / reach) ** 2))
    return result[:, 0]


class EachClass(nn.Module):
    """Mean of the losses of multi-label classes."""

    def __init__(self, losses: list[nn.Module]) -> None:
        super().__init__()
        self.losses = nn.ModuleList(losses)

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return torch.stack(
            [loss(logits[:, [i]], mask[:, i]) for i, loss in enumerate(self.losses)]
        ).mean()


def build(
    name: str, channels: int, class_weights: Sequence[float] | None = None, multilabel: bool = False
) -> nn.Module:
    """The loss ``name``: one of bce, ce, boundary, dice, focal, lovasz, tversky, or a sum such as
    ``bce+0.5*dice``.

    ``auto`` is (binary) cross entropy plus dice, ``boundary`` cross entropy that counts more within
    6 pixels of outlines. Tversky weighs misses 0.7 and false alarms 0.3 (Salehi et al. 2017).
    ``class_weights``, one a class, hold in the three cross entropies. Raises UsageError for a name
    it does not know or one that does not fit the number of ``channels``.

    With ``multilabel`` it is the mean of the losses of one channel, those of each class against all
    else, which weighs 1.
    """
    if multilabel:
        weights = [[1.0, weight] for weight in class_weights or [1.0] * channels]
        return EachClass([build(name, 1, pair) for pair in weights])
    text = ("bce+dice" if channels == 1 else "ce+dice") if name == "auto" else name
    # "bce+0.5*dice" becomes ("", "", "bce") and ("0.5", "*", "dice")
    terms = [term.rpartition("*") for term in text.split("+")]
    try:
        factors = [float(weight) if star else 1.0 for weight, star, _ in terms]
    except ValueError as error:
        raise SettingError(
            "loss", f"a weight in {name!r} is not a number", "for example bce+0.5*dice"
        ) from error
    return SumLoss([_one(part.strip(), channels, class_weights) for _, _, part in terms], factors)


def _one(name: str, channels: int, class_weights: Sequence[float] | None) -> nn.Module:
    mode = "binary" if channels == 1 else "multiclass"
    if name == ("bce" if channels == 1 else "ce"):
        return CrossEntropy(class_weights)
    if name == "boundary":
        return CrossEntropy(class_weights, BOUNDARY_REACH)
    if name == "dice":
        return _LongMask(smp.DiceLoss(mode, ignore_index=VOID))
    if name == "focal":
        return _LongMask(smp.FocalLoss(mode, ignore_index=VOID))
    if name == "tversky":
        return _LongMask(smp.TverskyLoss(mode, ignore_index=VOID, alpha=0.3, beta=0.7))
    if name == "lovasz":
        return _LongMask(smp.LovaszLoss(mode, ignore_index=VOID))
    raise SettingError(
        "loss",
        f"{name!r} is unknown or does not fit the classes",
        "bce or ce, boundary, dice, focal, lovasz, tversky, or a sum: bce+dice",
    )


class _LongMask(nn.Module):
    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.loss(logits, mask.long())


def item_losses(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean (binary) cross entropy of each image of a batch (batch), 0 where all of it is
    ignored.
    """
    if mask.ndim == 4:
        return (
            item_losses(logits.flatten(0, 1)[:, None], mask.flatten(0, 1))
            .view(len(mask), -1)
            .mean(1)
        )
    counts = mask != VOID
    if logits.shape[1] == 1:
        target = mask.clamp(max=1).float()
        pixel_losses = nn.functional.binary_cross_entropy_with_logits(
            logits[:, 0].float(), target, reduction="none"
        )
    else:
        pixel_losses = nn.functional.cross_entropy(
            logits.float(), mask.long(), ignore_index=VOID, reduction="none"
        )
    # of an image whose pixels are all ignored the sum is 0, and so is the mean
    return (pixel_losses * counts).sum((1, 2)) / counts.sum((1, 2)).clamp(min=1)
