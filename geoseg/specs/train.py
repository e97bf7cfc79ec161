"""A training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from geoseg.specs.quantity import check

OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("onecycle", "cosine", "poly", "constant")
AUGMENTATIONS = ("none", "light", "standard", "strong")
LOGS = ("csv", "tensorboard", "mlflow")


@dataclass(frozen=True)
class TrainSpec:
    """A training run.

    ``batch_size`` is a process's, ``accumulate`` the batches to a step of the optimiser.
    ``batch_size`` and ``lr`` of 0 are found by trying. ``warmup`` below 1 is a share of the steps,
    from 1 on their number; None is 0.3 of a one-cycle and none of the other schedules. ``ema`` is
    the share that the averaged weights keep of themselves at a step, 0 for no average. ``clip`` is
    the largest norm of the gradient, 0 for any. ``data_weights`` says how often each of the data
    sets is drawn from, ``foreground`` is the share of crops around something other than background,
    ``hard`` that of those drawn by their chip's loss. ``workers`` of None is as many processes as
    keep a GPU busy, and none without one.
    """

    arch: str = "unet"
    encoder: str | None = None
    weights: str = "none"
    epochs: int = 20
    batch_size: int = 8
    accumulate: int = 1
    lr: float = 1e-3
    optimizer: str = "adamw"
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    schedule: str = "onecycle"
    warmup: float | None = None
    clip: float = 1.0
    ema: float = 0.0
    loss: str = "auto"
    class_weights: str = "none"
    augment: str = "standard"
    crop: int | None = None
    gsd: float | None = None
    scale: tuple[float, float] = (1.0, 1.0)
    samples: int | None = None
    data_weights: tuple[float, ...] | None = None
    foreground: float = 0.0
    hard: float = 0.0
    on_error: str = "stop"
    precision: str = "auto"
    compile: bool = False
    devices: int = 1
    workers: int | None = None
    seed: int = 0
    early_stop: int | None = None
    log: tuple[str, ...] = ("csv",)
    options: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        check(self.epochs >= 1, "--epochs must be at least 1")
        check(self.batch_size >= 0, "--batch-size must be at least 1, or auto")
        check(self.accumulate >= 1, "--accumulate must be at least 1")
        check(self.devices >= 1, "--devices must be at least 1")
        check(self.lr >= 0, "--lr must be positive, or auto")
        check(self.optimizer in OPTIMIZERS, f"unknown optimizer {self.optimizer!r}")
        check(0 <= self.momentum < 1, "--momentum must be at least 0 and below 1")
        check(
            not self.nesterov or (self.optimizer == "sgd" and self.momentum > 0),
            "--nesterov needs sgd with momentum",
        )
        check(self.schedule in SCHEDULES, f"unknown schedule {self.schedule!r}")
        check(
            self.warmup is None or self.warmup >= 0,
            "--warmup must be a share below 1 or a number of steps",
        )
        check(self.clip >= 0, "--clip must be at least 0")
        check(0 <= self.ema < 1, "--ema must be at least 0 and below 1")
        check(self.augment in AUGMENTATIONS, f"unknown augmentation {self.augment!r}")
        check(0 < self.scale[0] <= self.scale[1], "--scale takes two rising positive factors")
        check(
            not self.data_weights or min(self.data_weights) > 0, "--data-weights must be positive"
        )
        check(0 <= self.foreground <= 1, "--foreground is a share between 0 and 1")
        check(0 <= self.hard < 1, "--hard is a share below 1")
        check(self.workers is None or self.workers >= 0, "--workers must be at least 0")
        check(self.on_error in ("stop", "skip"), "--on-error is stop or skip")
        check(set(self.log) <= set(LOGS), f"--log takes {', '.join(LOGS)}")
