"""What JPEG makes of images, as products of matrices: on the device where they lie, all at once.

Only rounding loses anything in JPEG: of the colours to every second pixel, and of the frequencies
of blocks of 8 x 8 pixels to multiples of a table's entries. Writing them down, which takes an
encoder its time, changes nothing, and so is left out.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional as F

from geoseg.training.pixels import beside

BLOCK = 8
# brightness and the two colour differences of red, green and blue (JFIF 1.02)
YCC = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)
# steps of the frequencies at quality 50 (ITU T.81, K.1), of brightness and of colour
BRIGHTNESS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
COLOUR = np.full((BLOCK, BLOCK), 99)
COLOUR[:4, :4] = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))


def recompressed(image: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
    """``image`` float32 (batch, 3, row, col) in [0, 1] as it comes back from JPEGs of ``quality``
    (batch) from 1 to 100, colours halved in both directions.
    """
    height, width = image.shape[-2:]
    # whole blocks of the halved colours
    margins = (0, -width % (2 * BLOCK), 0, -height % (2 * BLOCK))
    pixels = F.pad((image * 255).round_(), margins, mode="replicate")
    to_ycc = torch.tensor(YCC)
    constants = [to_ycc, to_ycc.inverse(), _cosines(), *quantisation(quality)]
    to_ycc, to_rgb, cosines, fine, coarse = (beside(image, part) for part in constants)
    planes = (to_ycc @ pixels.flatten(2)).view(pixels.shape).round_()
    brightness = _rounded(planes[:, :1] - 128, cosines, fine) + 128
    colour = _rounded(F.avg_pool2d(planes[:, 1:], 2), cosines, coarse)
    colour = F.interpolate(colour, scale_factor=2, mode="bilinear")
    again = (to_rgb @ torch.cat([brightness, colour], 1).flatten(2)).view(pixels.shape)
    return again[..., :height, :width].round().clamp_(0, 255) / 255


def quantisation(quality: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Steps of the frequencies of a block, float32 (batch, 64), of brightness and of colour."""
    scale = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)[:, None]
    fine, coarse = (
        ((scale * torch.as_tensor(np.array(table).ravel()) + 50) / 100).floor().clamp(1, 255)
        for table in (BRIGHTNESS, COLOUR)
    )
    return fine.float(), coarse.float()


def _rounded(planes: torch.Tensor, cosines: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """``planes`` (batch, plane, row, col) with the frequencies of their blocks in whole ``steps``
    (batch, 64).
    """
    count, number, height, width = planes.shape
    blocks = planes.view(count, number, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    flat = blocks.transpose(3, 4).reshape(count, -1, BLOCK * BLOCK)
    whole = (flat @ cosines.T).div_(steps[:, None]).round_().mul_(steps[:, None]) @ cosines
    laid = whole.view(count, number, height // BLOCK, width // BLOCK, BLOCK, BLOCK)
    return laid.transpose(3, 4).reshape(planes.shape)


def _cosines() -> torch.Tensor:
    """The cosine transform (64, 64) of a flattened block; its transpose is its inverse."""
    at = torch.arange(BLOCK)
    wave = torch.cos((2 * at + 1) * at[:, None] * math.pi / (2 * BLOCK)) / 2
    wave[0] = math.sqrt(1 / BLOCK)
    return torch.kron(wave, wave)
