"""A moving average of a network's weights, which scores better than the weights of any one step."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average(nn.Module):
    """``network`` as the average of its past: at each step it keeps ``decay`` of itself (Polyak &
    Juditsky 1992).

    At first it keeps less, (1 + step) / (10 + step), so that the first weights do not count
    for long. The statistics of batch normalisation are averaged too.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights of ``network`` after ``step`` steps."""
        kept = min(self.decay, (1 + step) / (10 + step))
        for own, other in zip(
            self.network.state_dict().values(), network.state_dict().values(), strict=True
        ):
            if own.is_floating_point():
                own.lerp_(other, 1 - kept)
            else:
                own.copy_(other)
