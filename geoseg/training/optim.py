"""The optimiser, and the course of its learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial

import torch
from torch.optim.lr_scheduler import LambdaLR

from geoseg.specs import TrainSpec

ONE_CYCLE_WARMUP = 0.3
ONE_CYCLE_START = 1 / 25
ONE_CYCLE_END = 1e-4 / 25


def optimizer(spec: TrainSpec, weights: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019) or SGD with momentum over the ``weights``."""
    if spec.optimizer == "sgd":
        return torch.optim.SGD(
            weights, spec.lr, spec.momentum, weight_decay=spec.weight_decay, nesterov=spec.nesterov
        )
    return torch.optim.AdamW(weights, spec.lr, weight_decay=spec.weight_decay)


def schedule(spec: TrainSpec, over: torch.optim.Optimizer, steps: int) -> LambdaLR:
    """The learning rate of ``over`` through ``steps`` steps."""
    return LambdaLR(over, partial(rate_share, spec, steps))


def restart(over: torch.optim.Optimizer, course: LambdaLR) -> None:
    """Give ``over`` the settings that it was made with, and the learning rate that ``course`` has
    for the step it is at; the moments of the weights stay.
    """
    course.base_lrs = [over.defaults["lr"]] * len(over.param_groups)
    for group, share in zip(over.param_groups, course.lr_lambdas, strict=True):
        group.update(over.defaults, initial_lr=over.defaults["lr"])
        group["lr"] *= share(course.last_epoch)


def rate_share(spec: TrainSpec, steps: int, step: int) -> float:
    """Share of the highest learning rate at a ``step`` from 0 to ``steps`` - 1: it depends on the
    step alone, so that a run that is resumed with more epochs has no history to correct.

    ``onecycle`` rises and falls along half a cosine each (Smith & Topin 2018, with the ends of
    torch's OneCycleLR); ``cosine`` falls from the top (Loshchilov & Hutter 2017), ``poly`` with the
    power 0.9 (Chen et al., DeepLab, 2018). All but the first warm up along a line.
    """
    # Of 100 steps, onecycle rises from 1/25 to 1 until step 30 and falls to 4e-6 in step 99. The
    # others fall from 1 to 0 after their warm-up; `constant` stays.
    one_cycle = spec.schedule == "onecycle"
    warmup = _warmup_steps(spec, steps)
    if step < warmup:
        return (
            _half_cosine(ONE_CYCLE_START, 1, step / warmup)
            if one_cycle
            else (step + 1) / (warmup + 1)
        )
    # one cycle is at its end in the last step, the others would be in the one after it
    done = min(1.0, (step - warmup) / max(1, steps - warmup - one_cycle))
    if one_cycle:
        return _half_cosine(1, ONE_CYCLE_END, done)
    if spec.schedule == "cosine":
        return _half_cosine(1, 0, done)
    return (1 - done) ** 0.9 if spec.schedule == "poly" else 1.0


def _warmup_steps(spec: TrainSpec, steps: int) -> int:
    """Steps of the rising rate; the setting is a fraction of all if below 1."""
    if spec.warmup is None:
        return round(ONE_CYCLE_WARMUP * steps) if spec.schedule == "onecycle" else 0
    return round(spec.warmup * steps) if spec.warmup < 1 else min(int(spec.warmup), steps)


def _half_cosine(start: float, end: float, done: float) -> float:
    """From ``start`` to ``end`` along half a cosine, at the fraction ``done`` of the way."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2
