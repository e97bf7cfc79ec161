"""A training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from geoseg.specs.polygons import Precision
from geoseg.specs.settings import Range, check, check_settings

DEFAULT_ARCH = "unet"
Augmentation = Literal["none", "light", "standard", "strong"]
Positive = Annotated[float, Range(0, low_open=True)]


@dataclass(frozen=True)
class TrainSpec:
    """A training run.

    Without any of ``arch``, ``encoder``, ``weights`` and ``options`` a run starts from the bundled
    model where the data have its bands; else ``arch`` is :data:`DEFAULT_ARCH`. ``weights`` of
    ``auto`` are ImageNet's for encoders whose weights are installed with geoseg,
    else none. ``batch_size`` is that of one process, ``accumulate`` the number of batches per
    optimizer step. ``batch_size`` and ``lr`` of 0 are found by trying. ``warmup`` below 1 is a
    fraction of all steps, from 1 on a number of steps; None is 0.3 for a one-cycle schedule and 0
    for the others. ``ema`` is the decay of the averaged weights, 0 for no average. ``clip`` is the
    maximum norm of the gradient, 0 for no clipping. ``data_weights`` are the relative sampling
    weights of the data sets, ``foreground`` is the fraction of crops centred near a foreground
    pixel, ``hard`` the fraction drawn from chips with a high loss. ``workers`` of None is up to 8
    processes with a GPU, 0 without.
    """

    arch: str | None = None
    encoder: str | None = None
    weights: str = "auto"
    epochs: Annotated[int, Range(1)] = 20
    batch_size: Annotated[int, Range(0)] = 8
    accumulate: Annotated[int, Range(1)] = 1
    lr: Annotated[float, Range(0)] = 1e-3
    optimizer: Literal["adamw", "sgd"] = "adamw"
    momentum: Annotated[float, Range(0, 1, high_open=True)] = 0.9
    nesterov: bool = False
    weight_decay: Annotated[float, Range(0)] = 1e-4
    schedule: Literal["onecycle", "cosine", "poly", "constant"] = "onecycle"
    warmup: Annotated[float, Range(0)] | None = None
    clip: Annotated[float, Range(0)] = 1.0
    ema: Annotated[float, Range(0, 1, high_open=True)] = 0.0
    loss: str = "auto"
    class_weights: str = "none"
    augment: Augmentation = "standard"
    crop: Annotated[int, Range(1)] | None = None
    gsd: Positive | None = None
    scale: tuple[Positive, Positive] = (1.0, 1.0)
    samples: Annotated[int, Range(1)] | None = None
    data_weights: tuple[Positive, ...] | None = None
    foreground: Annotated[float, Range(0, 1)] = 0.0
    hard: Annotated[float, Range(0, 1, high_open=True)] = 0.0
    on_error: Literal["stop", "skip"] = "stop"
    precision: Precision = "auto"
    compile: bool = False
    devices: Annotated[int, Range(1)] = 1
    workers: Annotated[int, Range(0)] | None = None
    seed: int = 0
    early_stop: Annotated[int, Range(1)] | None = None
    log: tuple[Literal["csv", "tensorboard", "mlflow"], ...] = ("csv",)
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def any_network(self) -> bool:
        """Whether nothing says which network is to be trained, and from which weights."""
        return not (self.arch or self.encoder or self.options) and self.weights == "auto"

    def __post_init__(self) -> None:
        check_settings(self)
        check(
            not self.nesterov or (self.optimizer == "sgd" and self.momentum > 0),
            "nesterov",
            "needs sgd with momentum",
        )
        check(
            len(self.scale) == 2 and self.scale[0] <= self.scale[1],
            "scale",
            "must be two numbers, the lower one first",
        )
