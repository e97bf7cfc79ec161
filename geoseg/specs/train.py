"""A training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from geoseg.specs.quantity import check


@dataclass(frozen=True)
class TrainSpec:
    """A training run."""

    arch: str = "unet"
    encoder: str | None = None
    weights: str = "none"
    epochs: int = 20
    batch_size: int = 8
    lr: float = 1e-3
    weight_decay: float = 1e-4
    schedule: str = "onecycle"
    loss: str = "auto"
    augment: str = "standard"
    crop: int | None = None
    gsd: float | None = None
    scale: tuple[float, float] = (1.0, 1.0)
    samples: int | None = None
    precision: str = "auto"
    devices: int = 1
    workers: int = 0
    seed: int = 0
    early_stop: int | None = None
    options: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        check(self.epochs >= 1, "--epochs must be at least 1")
        check(self.batch_size >= 1, "--batch-size must be at least 1")
        check(self.lr > 0, "--lr must be positive")
        check(self.schedule in ("onecycle", "cosine", "constant"), f"unknown schedule {self.schedule!r}")
        check(self.augment in ("none", "light", "standard", "strong"), f"unknown augmentation {self.augment!r}")
        check(0 < self.scale[0] <= self.scale[1], "--scale takes two rising positive factors")
