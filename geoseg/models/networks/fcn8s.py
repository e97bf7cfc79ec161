"""FCN-8s on VGG16 (Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic
Segmentation", CVPR 2015).
"""

from __future__ import annotations

import re

import torch
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

ENCODERS = ("vgg16", "vgg16_bn")


class FCN8s(nn.Module):
    """Logits (batch, channels, row, col) of an image whose sides are multiples of 32.

    ``encoder`` is vgg16 or vgg16_bn, the one with batch normalisation, which learns from scratch
    what the other hardly does. VGG16's classifier stands as convolutions of ``hidden`` channels, of
    which training drops the share ``dropout``; skips from pool3 and pool4; transposed convolutions
    that start as bilinear interpolation. The authors scale the skips down because their encoder
    takes values up to 255: here images are normalised, and the skips stand as they are.
    """

    STRIDE = 32

    def __init__(
        self,
        bands: int = 3,
        channels: int = 1,
        encoder: str = "vgg16",
        hidden: int = 4096,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if encoder not in ENCODERS:
            raise ValueError(f"its encoder is {' or '.join(ENCODERS)}")
        features = make_layers(cfgs["D"], batch_norm=encoder == "vgg16_bn")
        features[0] = nn.Conv2d(bands, 64, 3, padding=1)
        for layer in features:
            if isinstance(layer, nn.Conv2d):  # as torchvision starts VGG16
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        ends = [i + 1 for i, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d)]
        self.pool3 = features[: ends[2]]
        self.pool4 = features[ends[2] : ends[3]]
        self.pool5 = features[ends[3] :]
        self.classifier = nn.Sequential(
            nn.Conv2d(512, hidden, 7, padding=3),
            nn.ReLU(inplace=True),
            nn.Dropout2d(dropout),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Dropout2d(dropout),
            nn.Conv2d(hidden, channels, 1),
        )
        self.score4 = nn.Conv2d(512, channels, 1)
        self.score3 = nn.Conv2d(256, channels, 1)
        self.up2 = _bilinear(channels, 2)
        self.up4 = _bilinear(channels, 2)
        self.up8 = _bilinear(channels, 8)
        for score in (self.score3, self.score4):
            # skips say nothing at first: training starts from the coarse scores alone
            nn.init.zeros_(score.weight)
            nn.init.zeros_(score.bias)  # type: ignore[arg-type]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pool3 = self.pool3(image)
        pool4 = self.pool4(pool3)
        coarse = self.classify(self.pool5(pool4))
        middle = self.up2(coarse) + self.score4(pool4)
        fine = self.up4(middle) + self.score3(pool3)
        return self.up8(fine)

    @staticmethod
    def source(name: str) -> str:
        """What torchvision's VGG16 calls the tensor ``name``."""
        return re.sub(r"^pool\d\.", "features.", name)

    def classify(self, pool5: torch.Tensor) -> torch.Tensor:
        """Scores of the coarsest features ``pool5`` (batch, channel, row, col)."""
        if min(pool5.shape[-2:]) > 2:
            return self.classifier(pool5)
        # oneDNN's bfloat16 gradient of a 7x7 kernel on a map of 2x2 reads memory that nobody wrote
        # (torch 2.15): NaN at times
        with torch.autocast(pool5.device.type, enabled=False):
            return self.classifier(pool5.float())


def _bilinear(channels: int, factor: int) -> nn.ConvTranspose2d:
    """Transposed convolution that enlarges by ``factor`` and starts as bilinear interpolation of
    each channel.
    """
    size = 2 * factor
    layer = nn.ConvTranspose2d(
        channels, channels, size, stride=factor, padding=factor // 2, bias=False
    )
    # of a factor of 2: 1/4 3/4 3/4 1/4, which sum to 1 where two windows overlap
    ramp = 1 - (torch.arange(size) - (size - 1) / 2).abs() / factor
    with torch.no_grad():
        layer.weight.zero_()
        for channel in range(channels):
            layer.weight[channel, channel] = ramp[:, None] * ramp[None, :]
    return layer
