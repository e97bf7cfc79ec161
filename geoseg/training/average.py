"""A moving average of a network's weights, which scores better than the weights of any one step."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """``network`` as the average of its past, in ``module``: at each ``update_parameters`` it keeps
    ``decay`` of itself (Polyak & Juditsky 1992).

    At first it keeps less, (1 + n) / (10 + n) after n updates, so that the weights of the start do
    not weigh for long. The statistics of batch normalisation are averaged too.
    """
    average = AveragedModel(network, multi_avg_fn=partial(_mix, decay), use_buffers=True)
    return average.requires_grad_(False)


@torch.no_grad()
def _mix(
    decay: float, averages: list[torch.Tensor], weights: list[torch.Tensor], updates: torch.Tensor
) -> None:
    """Mix tensors of one dtype; counters, which are integers, are copied."""
    # after 0, 1, 10 and 100 updates 0.1, 0.18, 0.55 and 0.92 of itself, if `decay` allows
    kept = min(decay, (1 + int(updates)) / (10 + int(updates)))
    for average, weight in zip(averages, weights, strict=True):
        if average.is_floating_point():
            average.lerp_(weight, 1 - kept)
        else:
            average.copy_(weight)
