"""The small CNN of the WHU building study: 1,403,233 parameters for three bands and one class.

Valid 3x3 convolutions, each with ReLU and then batch normalisation; two max-poolings and one
strided convolution down, two transposed convolutions up, a 1x1 transposed convolution to the
logits.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def _conv(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3), nn.ReLU(inplace=True), nn.BatchNorm2d(outputs)]


class CNN(nn.Module):
    """Logits (batch, channels, row, col) at the size of the input (batch, bands, row, col), at
    least 32 pixels a side.

    The features lie every second pixel: feature k is centred between the pixels 2k + 14 and 2k + 15
    of the input. The study resizes them to the input's size, which would shift outlines by up to 14
    pixels at a window's border; here they are doubled where they lie and the outermost ones
    repeated to the border. At 512 pixels both give sizes 510, 508, 254, 252, 250, 125, 62, 124,
    122, 244, 242, 242, 512.
    """

    OFFSET = 14
    STRIDE = 8

    def __init__(self, bands: int = 3, channels: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_conv(bands, 64),
            *_conv(64, 96),
            nn.MaxPool2d(2),
            *_conv(96, 128),
            *_conv(128, 256),
            nn.MaxPool2d(2),
            nn.Conv2d(256, 256, 3, stride=2),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(256, 128, 2, stride=2),
            *_conv(128, 128),
            nn.ConvTranspose2d(128, 64, 2, stride=2),
            *_conv(64, 64),
            nn.ConvTranspose2d(64, channels, 1),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.layers(image)
        # feature k covers the pixels 2k + 14 and 2k + 15, so that pixel 14 is the first with one of
        # its own
        doubled = F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)
        below = image.shape[-2] - doubled.shape[-2] - self.OFFSET
        right = image.shape[-1] - doubled.shape[-1] - self.OFFSET
        return F.pad(doubled, (self.OFFSET, right, self.OFFSET, below), mode="replicate")
