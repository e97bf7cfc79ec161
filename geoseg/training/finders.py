"""Settings found by trying: the batch that fits, and the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import cycle, islice

import numpy as np
import torch

from geoseg.errors import ResourceError, SettingError, UnsuitableError
from geoseg.io.run_folder import read_settings
from geoseg.models.registry import is_too_large
from geoseg.training.balance import class_weights
from geoseg.training.data import loaders
from geoseg.training.fit import TrainingRun, build, precision
from geoseg.training.launch import by_torchrun
from geoseg.training.module import Batch, SegmentationModule
from geoseg.training.optim import optimizer

CPU_PIXELS = 8 * 256 * 256
LARGEST = 1024
LR_RANGE = (1e-6, 1.0)
LR_STEPS = 100
SMOOTHED = 5
DIVERGED = 2.0
DTYPES = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}


def resolve_auto(job: TrainingRun, resume: bool) -> TrainingRun:
    """``job`` with numbers where it has ``auto``: class weights, a batch size and a learning rate
    of 0.

    A run that is resumed keeps the batch size and the rate it has had.
    """
    if job.spec.class_weights == "auto":  # read all masks once, not in each process
        weights = class_weights("auto", job.train, job.labelled.classes) or []
        job = replace(job, spec=replace(job.spec, class_weights=",".join(map(str, weights))))
    spec = job.spec
    if spec.batch_size and spec.lr:
        return job
    if resume:
        had = read_settings(job.run_dir, "train")
        size, accumulate, lr = (had[name] for name in ("batch-size", "accumulate", "lr"))
        return replace(job, spec=replace(spec, batch_size=size, accumulate=accumulate, lr=lr))
    if by_torchrun():
        raise SettingError("batch_size", "auto needs a run without torchrun", "give numbers")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = DTYPES.get(precision(spec.precision))
    if not spec.batch_size:
        spec = replace(
            spec,
            batch_size=batch_size(
                replace(job, spec=replace(spec, lr=spec.lr or 1e-3)), device, dtype
            ),
        )
    if not spec.lr:
        trial = replace(job, spec=replace(spec, lr=1e-3))
        batches, _ = loaders(job.train, job.val, trial.spec, job.model, job.zoom)
        spec = replace(spec, lr=learning_rate(build(trial).to(device), batches, dtype))
    return replace(job, spec=spec)


def batch_size(job: TrainingRun, device: torch.device, dtype: torch.dtype | None) -> int:
    """On a GPU the largest power of two that fits; on a CPU, which gains nothing by more, 8 crops
    of 256 pixels or as much.

    Never more than an eighth of the crops of an epoch.
    """
    crops = (job.spec.samples or len(job.train)) // job.spec.devices
    limit = max(1, min(LARGEST, crops // 8))
    if device.type == "cpu":
        fits = max(1, CPU_PIXELS // job.model.size**2)
        # a power of two, as on a GPU
        return 1 << int(math.log2(min(limit, fits)))
    return largest_that_fits(batch_trial(job, device, dtype), limit)


def batch_trial(
    job: TrainingRun, device: torch.device, dtype: torch.dtype | None
) -> Callable[[int], None]:
    """A step of the training with a batch of any size."""
    module = build(job).to(device)
    over = optimizer(job.spec, module.network.parameters())

    def trial(size: int) -> None:
        image = torch.rand(size, job.model.bands, job.model.size, job.model.size, device=device)
        bands = (job.model.channels,) if job.model.multilabel else ()
        mask = torch.zeros(size, *bands, *image.shape[2:], dtype=torch.uint8, device=device)
        _step(module, over, [image, mask], dtype)

    return trial


def largest_that_fits(trial: Callable[[int], None], limit: int) -> int:
    """Largest power of two up to ``limit`` with which ``trial`` does not run out of memory, or of
    what its kernels can count. Raises ResourceError.
    """
    largest = 0
    size = 1
    while size <= limit:
        try:
            trial(size)
        except RuntimeError as error:
            if not is_too_large(error):
                raise
            break
        largest = size
        size = size * 2
    torch.cuda.empty_cache()
    if not largest:
        raise ResourceError(
            "not even a batch of one fits into the device's memory",
            "lower `crop`, or take a smaller network",
        )
    return largest


def learning_rate(
    module: SegmentationModule,
    batches: Iterable[Batch],
    dtype: torch.dtype | None,
    steps: int = LR_STEPS,
) -> float:
    """The range test of Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017.

    The rate rises from 1e-6 to 1 in ``steps`` steps, each by the same factor, until the loss, a
    mean over 5 steps, is twice its lowest. The result is a tenth of the rate at the lowest. The
    weights of ``module`` are changed: take another for the training. Raises UnsuitableError where
    the loss never falls.
    """
    over = optimizer(module.spec, module.network.parameters())
    losses: list[float] = []
    means: list[float] = []  # of the last losses at each step
    for step, batch in enumerate(islice(cycle(batches), steps)):
        for group in over.param_groups:
            group["lr"] = _rate(step, steps)
        losses.append(_step(module, over, batch, dtype))
        means.append(float(np.mean(losses[-SMOOTHED:])))
        if not math.isfinite(means[-1]) or means[-1] > DIVERGED * min(means):
            break
    # The loss over the rate falls, lies flat and shoots up. Where it is lowest the training is
    # about to break; a tenth of that is the customary distance from the cliff.
    lowest = int(np.nanargmin(means))
    if lowest < SMOOTHED:
        raise UnsuitableError(
            "the loss did not decrease for any learning rate in 1e-6..1",
            "set `lr`; check the labels",
        )
    return float(f"{_rate(lowest - SMOOTHED // 2, steps) / 10:.2g}")


def _rate(step: int, steps: int) -> float:
    low, high = LR_RANGE
    return low * (high / low) ** (step / (steps - 1))


def _step(
    module: SegmentationModule, over: torch.optim.Optimizer, batch: Batch, dtype: torch.dtype | None
) -> float:
    device = module.device
    with torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None):
        loss = module.batch_loss([part.to(device) for part in batch])
    over.zero_grad()
    loss.backward()
    if module.spec.clip:
        torch.nn.utils.clip_grad_norm_(module.network.parameters(), module.spec.clip)
    over.step()
    return loss.item()
