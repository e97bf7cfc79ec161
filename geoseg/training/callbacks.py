"""What happens beside the steps of a run: seeds, progress, the log of epochs, the best weights."""

from __future__ import annotations

import logging
import multiprocessing
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping

from geoseg.io.run_folder import BEST, flat, read_epochs, write_epochs, write_start
from geoseg.models.modelfile import save
from geoseg.report import ChangingStage
from geoseg.training.module import Batch, SegmentationModule
from geoseg.training.sampling import SeededSampler, derive_seed

Progress = Callable[[str | Callable[[], str], int], Callable[[int], None]]
log = logging.getLogger("geoseg.train")


def seed_everything(*parts: int) -> None:
    """Seed Python, NumPy and torch from a seed made of ``parts``."""
    seed = derive_seed(*parts)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class SeedEachEpoch(Callback):
    """Random state per epoch is derived from seed, epoch and process alone: a run may stop and
    resume between any two.
    """

    def __init__(self, draws: SeededSampler) -> None:
        self.draws = draws

    def on_load_checkpoint(
        self, trainer: L.Trainer, module: Any, checkpoint: dict[str, Any]
    ) -> None:
        # workers begin to draw before the trainer sets the sampler's epoch
        self.draws.set_epoch(
            checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
        )

    def on_train_batch_start(
        self, trainer: L.Trainer, module: Any, batch: Batch, batch_idx: int
    ) -> None:
        # the data loader, which draws a number too, starts before or after the epoch does
        if batch_idx == 0:
            seed_everything(module.spec.seed, trainer.current_epoch, trainer.global_rank)


class EndReaders(Callback):
    """Ends the processes that read chips when Ctrl-C comes: torch would wait seconds for each to
    finish its work, which nobody will use.
    """

    def __init__(self) -> None:
        # whoever embeds this may have processes of their own
        self.others = set(multiprocessing.active_children())

    def on_exception(self, trainer: L.Trainer, module: Any, exception: BaseException) -> None:
        if not isinstance(exception, KeyboardInterrupt):
            return
        readers = set(multiprocessing.active_children()) - self.others
        if readers and hasattr(signal, "SIGCHLD"):
            # torch's handler takes the end of a reader for a fault
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for reader in readers:
            reader.kill()


class EarlyStop(EarlyStopping):
    """Stops after so many epochs in which the validation's IoU did not rise; of a run that is
    resumed they count on.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__("val_iou", patience=epochs, mode="max")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict | {"patience": self.patience})

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # resumed after it had stopped, the run has nothing left to do
        trainer.should_stop = self.wait_count >= self.patience


class SyncBatchNorm(Callback):
    """Statistics of batch normalisation are those of the first process in all of them before they
    are scored and saved.
    """

    def on_validation_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.world_size > 1:
            for buffer in module.buffers():
                torch.distributed.broadcast(buffer, 0)


class EpochLog(Callback):
    """Reports the progress; keeps each epoch's scores and the weights of the best one in the run
    folder.
    """

    def __init__(self, run_dir: Path, progress: Progress) -> None:
        self.run_dir = run_dir
        self.progress = progress
        self.epochs: list[dict[str, Any]] = []

    def on_sanity_check_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, SegmentationModule)
        if trainer.is_global_zero:
            write_start(self.run_dir, module.scores)
            if "iou" in module.scores:
                log.info(f"before the first epoch, iou {module.scores['iou']:.4g}")

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        # a run that was killed may have noted an epoch that its checkpoint does not know
        self.epochs = read_epochs(self.run_dir)[: trainer.current_epoch]

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, SegmentationModule)
        name = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        best = best_of(self.epochs)
        best_so_far = f", best IoU {best['iou']:.3f}" if "iou" in best else ""

        def label() -> str:
            loss = module.last_loss()
            return name + ("" if loss is None else f" loss {loss:.3f}") + best_so_far

        stage = ChangingStage(label, "batches")
        self._advance = self.progress(stage, int(trainer.num_training_batches))
        self._images = 0
        self._start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: L.Trainer, module: Any, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        self._images += len(batch[0]) * trainer.world_size
        self._advance(1)

    def on_validation_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._seconds = time.perf_counter() - self._start

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, SegmentationModule)
        seconds = getattr(self, "_seconds", time.perf_counter() - self._start)
        loss = torch.tensor(module.check_losses(), device=module.device)
        epoch: dict[str, Any] = {
            "epoch": trainer.current_epoch + 1,
            "loss": round(float(trainer.strategy.reduce(loss, reduce_op="mean")), 5),
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "images_per_second": round(self._images / seconds, 2),
            "seconds": round(time.perf_counter() - self._start, 2),
        } | module.scores
        if not trainer.is_global_zero:
            return
        self.epochs.append(epoch)
        log.info(
            ", ".join(
                f"{name} {epoch[name]:.4g}" for name in ("epoch", "loss", "iou") if name in epoch
            )
        )
        for logger in trainer.loggers:
            logger.log_metrics(flat(epoch), trainer.current_epoch + 1)
            logger.save()
        if best_of(self.epochs) is epoch:
            save(
                self.run_dir / BEST, module.model, module.best_network.state_dict(), overwrite=True
            )
        write_epochs(self.run_dir, self.epochs)


def best_of(epochs: list[dict[str, Any]]) -> dict[str, Any]:
    """The latest epoch of the highest validation IoU; without validation the last one. Nothing
    before the first.
    """
    return max(reversed(epochs), key=lambda epoch: epoch.get("iou", 0.0), default={})
