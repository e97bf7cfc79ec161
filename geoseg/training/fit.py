"""The training run: one Lightning Trainer, its callbacks, its files in the run folder."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from geoseg.errors import ResourceError
from geoseg.models.modelfile import load, save
from geoseg.models.registry import Segmenter
from geoseg.specs import ModelSpec, TrainSpec
from geoseg.training.data import Item
from geoseg.training.module import SegmentationModule

LAST = "last.ckpt"
BEST = "best.safetensors"
Progress = Callable[[str, int], Callable[[int], None]]


@dataclass(frozen=True)
class Fitted:
    """Scores of each epoch, of the best one, and images trained on a second."""

    epochs: list[dict[str, Any]]
    best: dict[str, Any]
    images_per_second: float


class _Watch(Callback):
    """Tells the progress, keeps each epoch's scores, and the weights of the best epoch in the run folder."""

    def __init__(self, run_dir: Path, progress: Progress) -> None:
        self.run_dir = run_dir
        self.progress = progress
        self.epochs: list[dict[str, Any]] = []
        self.images = 0
        self.seconds = 0.0
        self._start = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, module: Any) -> None:
        said = f" (IoU {self.epochs[-1]['iou']:.3f})" if self.epochs and "iou" in self.epochs[-1] else ""
        self._advance = self.progress(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}{said}", int(trainer.num_training_batches)
        )
        self._start = time.perf_counter()

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, outputs: Any, batch: Item, batch_idx: int) -> None:
        self.images += len(batch[0])
        self._advance(1)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, SegmentationModule)
        self.seconds += time.perf_counter() - self._start
        epoch: dict[str, Any] = {"epoch": trainer.current_epoch + 1, "loss": module.mean_loss()}
        epoch |= module.scores
        self.epochs.append(epoch)
        if trainer.logger:
            trainer.logger.log_metrics({k: v for k, v in epoch.items() if isinstance(v, (int, float))}, trainer.current_epoch)
            trainer.logger.save()
        if not module.best or epoch.get("iou", 1.0) >= module.best.get("iou", 0.0):
            module.best = epoch
            save(self.run_dir / BEST, module.model, module.network.state_dict(), overwrite=True)


def fit(
    network: Segmenter,
    model: ModelSpec,
    spec: TrainSpec,
    train: DataLoader[Item],
    val: DataLoader[Item] | None,
    run_dir: Path,
    *,
    resume: bool,
    progress: Progress,
) -> tuple[Fitted, dict[str, torch.Tensor]]:
    """Train ``network``; returns the scores and the weights of the best epoch.

    ``run_dir`` receives ``last.ckpt`` (resumable), ``best.safetensors`` and ``metrics.csv``. The best epoch is the one of the
    highest validation IoU, or the last one without validation.
    """
    module = SegmentationModule(network, model, spec)
    watch = _Watch(run_dir, progress)
    # callbacks run in this order, checkpoints always last: the checkpoint knows the best epoch
    callbacks: list[Callback] = [watch, ModelCheckpoint(run_dir, "last", save_top_k=1, enable_version_counter=False)]
    if spec.early_stop and val:
        callbacks.append(EarlyStopping("val_iou", patience=spec.early_stop, mode="max"))
    _quiet()
    trainer = L.Trainer(
        accelerator="auto",
        devices=spec.devices,
        precision=_precision(spec.precision),  # type: ignore[arg-type]
        max_epochs=spec.epochs,
        callbacks=callbacks,
        logger=CSVLogger(run_dir, name=None, version="", flush_logs_every_n_steps=1_000_000),
        default_root_dir=run_dir,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        gradient_clip_val=1.0,
        log_every_n_steps=1_000_000,
    )
    try:
        trainer.fit(module, train, val, ckpt_path=str(run_dir / LAST) if resume else None, weights_only=True)
    except torch.OutOfMemoryError as error:
        raise ResourceError("the device ran out of memory", "lower --batch-size or --crop") from error
    if trainer.interrupted:
        raise KeyboardInterrupt
    _, state = load(run_dir / BEST)
    return Fitted(watch.epochs, module.best, watch.images / max(watch.seconds, 1e-9)), state


def _precision(name: str) -> str:
    """Lightning's name; ``auto`` is bf16 where the processor or the GPU computes in it, else fp32."""
    if name == "auto":
        gpu = torch.cuda.is_available()
        native = torch.cuda.is_bf16_supported() if gpu else getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
        name = "bf16" if native else "fp32"
    return {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[name]


def _quiet() -> None:
    """Lightning's notes on workers, logging intervals and the like are not the user's."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for category in (UserWarning, FutureWarning, DeprecationWarning):
        warnings.filterwarnings("ignore", category=category, module=r"(lightning|torch|torchmetrics|kornia)\.")
