"""Losses over logits (batch, channel, row, col) and masks (batch, row, col) with 255 ignored."""

from __future__ import annotations

import segmentation_models_pytorch.losses as smp
import torch
from torch import nn

from geoseg.errors import UsageError
from geoseg.io.chips import IGNORE


class SumLoss(nn.Module):
    """Sum of losses, each times its weight."""

    def __init__(self, parts: list[nn.Module], weights: list[float]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.weights = weights

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        logits = logits.float()
        return torch.stack([w * part(logits, mask) for w, part in zip(self.weights, self.parts, strict=True)]).sum()


class BCE(nn.Module):
    """Binary cross entropy over the pixels that count; 0 where none does."""

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        counts = mask != IGNORE
        loss = nn.functional.binary_cross_entropy_with_logits(
            logits[:, 0], mask.clamp(max=1).to(logits.dtype), reduction="none"
        )
        return (loss * counts).sum() / counts.sum().clamp(min=1)


def build(name: str, channels: int) -> SumLoss:
    """The loss ``name``: one of bce, ce, dice, focal, lovasz, tversky, or a sum such as ``bce+0.5*dice``.

    ``auto`` is (binary) cross entropy plus dice. Tversky weighs misses 0.7 and false alarms 0.3 (Salehi et al. 2017). Raises
    UsageError for a name it does not know or one that does not fit the number of ``channels``.
    """
    mode = "binary" if channels == 1 else "multiclass"
    text = ("bce+dice" if channels == 1 else "ce+dice") if name == "auto" else name
    terms = [term.rpartition("*") for term in text.split("+")]
    try:
        weights = [float(weight) if star else 1.0 for weight, star, _ in terms]
    except ValueError as error:
        raise UsageError(f"--loss {name!r} has a weight that is no number", "for example bce+0.5*dice") from error
    return SumLoss([_one(part.strip(), mode) for _, _, part in terms], weights)


def _one(name: str, mode: str) -> nn.Module:
    if name == "bce" and mode == "binary":
        return BCE()
    if name == "ce" and mode == "multiclass":
        return _LongMask(nn.CrossEntropyLoss(ignore_index=IGNORE))
    if name == "dice":
        return _LongMask(smp.DiceLoss(mode, ignore_index=IGNORE))
    if name == "focal":
        return _LongMask(smp.FocalLoss(mode, ignore_index=IGNORE))
    if name == "tversky":
        return _LongMask(smp.TverskyLoss(mode, ignore_index=IGNORE, alpha=0.3, beta=0.7))
    if name == "lovasz":
        return _LongMask(smp.LovaszLoss(mode, ignore_index=IGNORE))
    raise UsageError(
        f"--loss {name!r} is unknown or does not fit", "bce or ce, dice, focal, lovasz, tversky, or a sum: bce+dice"
    )


class _LongMask(nn.Module):
    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.loss(logits, mask.long())
