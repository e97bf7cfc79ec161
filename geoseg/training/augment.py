"""Augmentation: geometry chip by chip while cropping, colour on the batch (kornia, on the device that trains)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from geoseg.io.chips import IGNORE


@dataclass(frozen=True)
class Geometry:
    """How a crop is laid into a chip: ``size`` pixels a side, ground extent times ``scale``, flips, turns."""

    size: int
    scale: tuple[float, float] = (1.0, 1.0)
    flips: bool = True
    rotation: bool = False


PRESETS = {
    # flips and quarter turns, free rotation, strength of the colour changes
    "none": (False, False, 0.0),
    "light": (True, False, 0.3),
    "standard": (True, True, 0.6),
    "strong": (True, True, 1.0),
}


def crop(image: torch.Tensor, mask: torch.Tensor, geometry: Geometry) -> tuple[torch.Tensor, torch.Tensor]:
    """A random crop of a chip: float32 (band, size, size) and uint8 (size, size), 255 where it leaves the chip.

    ``image`` is float32 (band, row, col), ``mask`` uint8 (row, col). Scale, rotation and flips are one affine map, so that
    pixels are interpolated once: bilinear for the image, nearest for the mask.
    """
    height, width = mask.shape
    low, high = (math.log(s) for s in geometry.scale)
    zoom = math.exp(low + (high - low) * _uniform())
    extent_x, extent_y = geometry.size * zoom / width, geometry.size * zoom / height
    angle = _uniform() * 2 * math.pi if geometry.rotation else 0.0
    if geometry.flips and not geometry.rotation:
        angle = math.pi / 2 * int(_uniform() * 4)
    flip = -1.0 if geometry.flips and _uniform() < 0.5 else 1.0
    centre_x = (2 * _uniform() - 1) * max(0.0, 1 - extent_x)
    centre_y = (2 * _uniform() - 1) * max(0.0, 1 - extent_y)
    cos, sin = math.cos(angle), math.sin(angle)
    theta = torch.tensor(
        [[flip * cos * extent_x, -sin * extent_x, centre_x], [flip * sin * extent_y, cos * extent_y, centre_y]]
    )
    grid = F.affine_grid(theta[None], [1, 1, geometry.size, geometry.size], align_corners=False)
    # 0 is what grid_sample puts outside of the chip
    labels = F.grid_sample(mask[None, None].float() + 1, grid, mode="nearest", align_corners=False)[0, 0]
    labels = torch.where(labels == 0, IGNORE, labels - 1).to(torch.uint8)
    # averaging first keeps a crop that shrinks the ground from aliasing
    smooth = F.avg_pool2d(image[None], 2) if zoom > 1.5 else image[None]
    return F.grid_sample(smooth, grid, mode="bilinear", align_corners=False)[0], labels


class Colour(nn.Module):
    """Colour, gamma, blur and noise on a batch float32 (batch, band, row, col) in [0, 1]; result clipped to [0, 1].

    Hue and saturation only where there are three bands; everything else on any number.
    """

    def __init__(self, bands: int, strength: float) -> None:
        super().__init__()
        import kornia.augmentation as K

        self.gain = 0.3 * strength
        steps: list[nn.Module] = [
            K.RandomBrightness((1 - 0.35 * strength, 1 + 0.35 * strength), clip_output=False, p=0.7),
            K.RandomContrast((1 - 0.4 * strength, 1 + 0.5 * strength), clip_output=True, p=0.7),
            K.RandomGamma((1 - 0.4 * strength, 1 + 0.6 * strength), p=0.5),
            K.RandomGaussianBlur((5, 5), (0.3, 0.3 + 1.2 * strength), p=0.25),
            K.RandomGaussianNoise(std=0.03 * strength, p=0.3),
        ]
        if bands == 3:
            steps.insert(2, K.RandomSaturation((1 - 0.7 * strength, 1 + 0.6 * strength), p=0.5))
            steps.insert(3, K.RandomHue((-0.08 * strength, 0.08 * strength), p=0.5))
        self.steps = nn.Sequential(*steps)

    @torch.no_grad()
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        gains = 1 + self.gain * (2 * torch.rand(*image.shape[:2], 1, 1, device=image.device) - 1)
        return self.steps((image.float() * gains).clamp(0, 1)).clamp(0, 1)


def _uniform() -> float:
    return float(torch.rand(()))
