"""The Lightning module: a network, its loss, its optimiser, its scores."""

from __future__ import annotations

from typing import Any

import lightning as L
import numpy as np
import torch
from torchmetrics.classification import MulticlassConfusionMatrix

from geoseg.core.metrics import class_counts, mean_iou, pixel_accuracy
from geoseg.errors import UnsuitableError
from geoseg.io.chips import IGNORE
from geoseg.models.registry import Segmenter
from geoseg.specs import ModelSpec, TrainSpec
from geoseg.training.augment import PRESETS, Colour
from geoseg.training.losses import build as build_loss

Batch = tuple[torch.Tensor, torch.Tensor]


def scores(matrix: np.ndarray, classes: tuple[str, ...]) -> dict[str, float]:
    """``iou`` and ``f1`` of the one class that is not background (of two), or their means over all classes; ``accuracy``."""
    counts = class_counts(matrix)
    two = len(classes) == 2
    result = {
        "iou": counts[1].iou if two else mean_iou(matrix),
        "f1": counts[1].f1 if two else float(np.mean([c.f1 for c in counts])),
        "accuracy": pixel_accuracy(matrix),
    }
    if not two:
        result |= {f"iou_{name}": c.iou for name, c in zip(classes, counts, strict=True)}
    return {name: round(float(value), 5) for name, value in result.items()}


class SegmentationModule(L.LightningModule):
    """Trains ``network`` as ``spec`` says; after each validation ``scores`` holds what :func:`scores` returns."""

    def __init__(self, network: Segmenter, model: ModelSpec, spec: TrainSpec) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.model = model
        self.spec = spec
        self.loss = build_loss(spec.loss, model.channels)
        strength = PRESETS[spec.augment][2]
        self.colour = Colour(model.bands, strength) if strength else None
        self.confusion = MulticlassConfusionMatrix(len(model.classes), ignore_index=IGNORE)
        self._losses: list[torch.Tensor] = []
        self.scores: dict[str, Any] = {}
        self.best: dict[str, Any] = {}

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(image.to(memory_format=torch.channels_last))

    def on_train_epoch_start(self) -> None:
        self._losses = []

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        image, mask = batch
        if self.colour:
            image = self.colour(image)
        loss: torch.Tensor = self.loss(self(image), mask)
        if not loss.isfinite():
            raise UnsuitableError(
                f"the loss became {loss.item()} in epoch {self.current_epoch + 1}, batch {batch_idx + 1}",
                "lower --lr, or take --precision fp32",
            )
        self._losses.append(loss.detach())
        return loss

    def mean_loss(self) -> float:
        """Mean loss over the steps of this epoch."""
        return round(float(torch.stack(self._losses).mean()), 5)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        image, mask = batch
        logits = self(image).float()
        predicted = (logits[:, 0] > 0).long() if self.model.channels == 1 else logits.argmax(1)
        self.confusion.update(predicted, mask.long())

    def on_validation_epoch_end(self) -> None:
        self.scores = scores(self.confusion.compute().cpu().numpy(), self.model.classes)
        self.log("val_iou", self.scores["iou"])
        self.confusion.reset()

    def configure_optimizers(self) -> Any:
        spec = self.spec
        optimizer = torch.optim.AdamW(self.network.parameters(), spec.lr, weight_decay=spec.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        if spec.schedule == "constant":
            return optimizer
        schedule = (
            torch.optim.lr_scheduler.OneCycleLR(optimizer, spec.lr, total_steps=steps)
            if spec.schedule == "onecycle"
            else torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["best"] = self.best

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.best = checkpoint["best"]
