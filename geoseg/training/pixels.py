"""Pixels on their way to the network: as bytes as long as they can be, in [0, 1] where it is.

A batch of bytes is a quarter of one of floats: what is cut, handed from process to process and
copied to a GPU.
"""

from __future__ import annotations

import numpy as np
import torch

from geoseg.core.bands import to_unit


def compact(image: np.ndarray) -> torch.Tensor:
    """``image`` (band, row, col) as it is if it is uint8, else float32 in [0, 1]."""
    return torch.from_numpy(
        np.ascontiguousarray(image if image.dtype == np.uint8 else to_unit(image))
    )


def as_unit(image: torch.Tensor) -> torch.Tensor:
    """float32 in [0, 1] of what :func:`compact` returns, of any shape, on its device."""
    return image * (1 / 255) if image.dtype == torch.uint8 else image


def beside(image: torch.Tensor, small: torch.Tensor) -> torch.Tensor:
    """A ``small`` tensor of the CPU, where random numbers are drawn, on the device of ``image``."""
    # A GPU that still computes is not waited for: CUDA takes small tensors away at once. Other
    # devices may read them later.
    return small.to(image.device, non_blocking=image.is_cuda)
