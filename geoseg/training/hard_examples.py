"""Chips that a network still gets wrong are drawn more often."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader

KEPT = 0.5  # decay of the moving average of a chip's loss


class HardExampleSampler(Callback):
    """Keeps the loss of each chip, and before each epoch draws the fraction ``share`` of chips by
    it.

    The rest is drawn by weight as before; a chip that was not seen yet counts as the mean of those
    that were. The losses are part of the checkpoint, so that a resumed run draws what it
    would have drawn. The sampler of ``batches`` draws by a torch.utils.data.WeightedRandomSampler.
    """

    def __init__(self, batches: DataLoader[Any], share: float) -> None:
        self.base_sampler: Any = batches.sampler.base_sampler  # type: ignore[attr-defined]
        self.share = share
        self.base = torch.as_tensor(self.base_sampler.weights, dtype=torch.float64) / sum(
            self.base_sampler.weights
        )
        self.losses = torch.full((len(self.base),), float("nan"), dtype=torch.float64)
        self._sums = torch.zeros(2, len(self.base), dtype=torch.float64)

    def weights(self) -> torch.Tensor:
        """How often each chip is drawn: float64 (chip), with a sum of 1."""
        seen = ~self.losses.isnan()
        if not seen.any() or not self.losses[seen].sum():
            return self.base
        # by weight too: a chip that weighs nothing is not drawn, however hard it is
        losses = torch.where(seen, self.losses, self.losses[seen].mean()) * self.base
        return (1 - self.share) * self.base + self.share * losses / losses.sum()

    def add(self, chips: torch.Tensor, losses: torch.Tensor) -> None:
        """``losses`` (batch) of the chips of those numbers."""
        self._sums[0].index_add_(0, chips.cpu(), losses.double().cpu())
        self._sums[1].index_add_(0, chips.cpu(), torch.ones(len(chips), dtype=torch.float64))

    def end_epoch(self) -> None:
        """Update the moving averages by the losses of the epoch."""
        total, count = self._sums
        mean = total / count
        # the first loss of a chip is taken as it is: an average with nothing would halve it
        known = torch.where(self.losses.isnan(), mean, KEPT * self.losses + (1 - KEPT) * mean)
        self.losses = torch.where(count > 0, known, self.losses)
        self._sums = torch.zeros_like(self._sums)

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.base_sampler.weights = self.weights()

    def on_train_batch_end(
        self, trainer: L.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.add(batch[2], module.difficulty)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.world_size > 1:
            sums = self._sums.to(module.device)
            torch.distributed.all_reduce(sums)
            self._sums = sums.cpu()
        self.end_epoch()

    def state_dict(self) -> dict[str, Any]:
        return {"losses": self.losses}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.losses = state_dict["losses"]
