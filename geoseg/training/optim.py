"""The optimiser, and the course of its learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch.optim.lr_scheduler import LambdaLR

from geoseg.specs import TrainSpec

ONE_CYCLE_WARMUP = 0.3
ONE_CYCLE_START, ONE_CYCLE_END = 1 / 25, 1e-4 / 25


def optimizer(spec: TrainSpec, weights: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019) or SGD with momentum over the ``weights``."""
    if spec.optimizer == "sgd":
        return torch.optim.SGD(
            weights, spec.lr, spec.momentum, weight_decay=spec.weight_decay, nesterov=spec.nesterov
        )
    return torch.optim.AdamW(weights, spec.lr, weight_decay=spec.weight_decay)


def schedule(spec: TrainSpec, over: torch.optim.Optimizer, steps: int) -> LambdaLR:
    """The learning rate of ``over`` through ``steps`` steps."""
    return LambdaLR(over, course(spec, steps))


def course(spec: TrainSpec, steps: int) -> Callable[[int], float]:
    """Share of the highest learning rate at each step from 0 to ``steps`` - 1: it depends on the
    step alone.

    ``onecycle`` rises and falls along half a cosine each (Smith & Topin 2018, with the ends of
    torch's OneCycleLR); ``cosine`` falls from the top (Loshchilov & Hutter 2017), ``poly`` with the
    power 0.9 (Chen et al., DeepLab, 2018). All but the first warm up along a line.
    """
    wanted = (
        spec.warmup
        if spec.warmup is not None
        else ONE_CYCLE_WARMUP
        if spec.schedule == "onecycle"
        else 0
    )
    warmup = round(wanted * steps) if wanted < 1 else min(int(wanted), steps)
    rest = max(1, steps - 1 - warmup) if spec.schedule == "onecycle" else max(1, steps - warmup)

    def share(step: int) -> float:
        if step < warmup:
            return (
                _between(ONE_CYCLE_START, 1, step / warmup)
                if spec.schedule == "onecycle"
                else (step + 1) / (warmup + 1)
            )
        return fall(min(1.0, (step - warmup) / rest))

    fall = {
        "onecycle": lambda done: _between(1, ONE_CYCLE_END, done),
        "cosine": lambda done: _between(1, 0, done),
        "poly": lambda done: (1 - done) ** 0.9,
        "constant": lambda done: 1.0,
    }[spec.schedule]
    return share


def _between(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2
