"""The Lightning module: a network, its loss, its optimiser, its scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import MulticlassConfusionMatrix, MultilabelConfusionMatrix

from geoseg.core.encoding import VOID
from geoseg.errors import UnsuitableError
from geoseg.models.registry import Segmenter
from geoseg.specs import ModelSpec, TrainSpec
from geoseg.training.augment import PRESETS, Colour
from geoseg.training.average import moving_average
from geoseg.training.losses import build as build_loss
from geoseg.training.losses import item_losses
from geoseg.training.optim import optimizer, restart, schedule
from geoseg.training.pixels import as_unit
from geoseg.training.scores import ThresholdCounts, multilabel_scores, scores

Batch = Sequence[torch.Tensor]  # image, mask, and further columns of the data
CHECKED = 32  # losses are looked at so many at a time: each look makes a GPU wait


class SegmentationModule(L.LightningModule):
    """Trains ``network`` as ``spec`` says; after each validation ``scores`` holds what
    :func:`scores` returns.

    ``labelled`` is the ``model`` as far as the labels show it: where they have no boundary, it
    learns whole buildings from them.
    """

    def __init__(
        self,
        network: Segmenter,
        model: ModelSpec,
        spec: TrainSpec,
        class_weights: Sequence[float] | None = None,
        labelled: ModelSpec | None = None,
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.average = moving_average(network, spec.ema) if spec.ema else None
        self.model = model
        self.spec = spec
        self.labelled = labelled or model
        channels = self.labelled.channels
        self.loss = build_loss(spec.loss, channels, class_weights, model.multilabel)
        strength = PRESETS[spec.augment][2]
        self.colour = Colour(model.bands, strength) if strength else None
        self.counts = confusions(self.labelled)
        self.val_loss = MeanMetric(nan_strategy="ignore")
        self.scores: dict[str, Any] = {}
        self._losses: list[torch.Tensor] = []

    @property
    def best_network(self) -> nn.Module:
        """The network that is scored and kept: the averaged one, where there is one."""
        return self.average.module if self.average else self.network

    def batch_loss(self, batch: Batch) -> torch.Tensor:
        image, mask, *_ = batch
        image = as_unit(image)
        if self.colour:
            image = self.colour(image)
        logits = self._logits(self.network, image)
        if self.spec.hard:
            self.difficulty = item_losses(logits.detach(), mask)
        loss: torch.Tensor = self.loss(logits, mask)
        return loss

    def _logits(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """Those of the classes that the labels have."""
        logits: torch.Tensor = network(image.to(memory_format=torch.channels_last))
        return logits if self.labelled == self.model else building_logit(logits)

    def on_train_start(self) -> None:
        # of a run that is resumed the checkpoint brought the settings it was written with
        course = self.lr_schedulers()
        assert isinstance(course, LambdaLR)
        restart(self.trainer.optimizers[0], course)

    def on_train_epoch_start(self) -> None:
        self._losses = []

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        loss = self.batch_loss(batch)
        self._losses.append(loss.detach())
        if len(self._losses) % CHECKED == 0:
            self.check_losses()
        return loss

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        if self.average:
            self.average.update_parameters(self.network)

    def check_losses(self) -> float:
        """Mean of the epoch's losses so far. Raises UnsuitableError, naming the batch, where one is
        no number.
        """
        # one look at all of them: each `item` waits for the GPU
        losses = torch.stack(self._losses)
        mean = losses.mean().item()
        if not torch.isfinite(losses).all():
            batch = int((~losses.isfinite()).nonzero()[0])
            raise UnsuitableError(
                f"the loss became {losses[batch].item()} in epoch {self.current_epoch + 1}, "
                f"batch {batch + 1}",
                "lower `lr`, or take `precision` fp32",
            )
        return mean

    def last_loss(self) -> float | None:
        """Loss of the latest batch; None before the first."""
        return self._losses[-1].item() if self._losses else None

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        image, mask, *_ = batch
        logits = self._logits(self.best_network, as_unit(image)).float()
        # counts add up over batches and processes; ratios of batches would not
        self.counts.update(to_prediction(logits, mask, self.labelled), mask.long())
        self.val_loss.update(self.loss(logits, mask), len(image))

    def on_validation_epoch_end(self) -> None:
        score = multilabel_scores if self.model.multilabel else scores
        val_loss = {"val_loss": round(float(self.val_loss.compute()), 5)}
        self.scores = val_loss | score(self.counts.compute().cpu().numpy(), self.labelled.classes)
        self.log("val_iou", self.scores["iou"], logger=False)
        self.counts.reset()
        self.val_loss.reset()

    def configure_optimizers(self) -> Any:
        over = optimizer(self.spec, self.network.parameters())
        steps = int(self.trainer.estimated_stepping_batches)
        return {
            "optimizer": over,
            "lr_scheduler": {"scheduler": schedule(self.spec, over, steps), "interval": "step"},
        }


def to_prediction(logits: torch.Tensor, mask: torch.Tensor, model: ModelSpec) -> torch.Tensor:
    """What :func:`confusions` count: probabilities of the shape of ``mask``, or classes."""
    return logits.sigmoid().reshape(mask.shape) if model.sigmoid else logits.argmax(1)


def building_logit(logits: torch.Tensor) -> torch.Tensor:
    """The logit (batch, 1, row, col) of all classes but the background together, from the logits of
    each class (batch, class, row, col).
    """
    # With p_k = exp(l_k) / sum, the building's probability is p = (exp(l_1) + exp(l_2)) / sum, and
    # its logit log(p / (1 - p)) = log(exp(l_1) + exp(l_2)) - l_0. A network of background, building
    # and boundary so learns from masks that know no boundary, and keeps what it knows of it.
    return logits[:, 1:].logsumexp(1, keepdim=True) - logits[:, :1]


def confusions(model: ModelSpec) -> Metric:
    """The confusion matrices of a validation, as :func:`scores` or :func:`multilabel_scores` take
    them.
    """
    if model.multilabel:
        return MultilabelConfusionMatrix(len(model.classes), ignore_index=VOID, validate_args=False)
    return (
        ThresholdCounts()
        if model.channels == 1
        else MulticlassConfusionMatrix(len(model.classes), ignore_index=VOID)
    )
