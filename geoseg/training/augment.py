"""Augmentation: geometry chip by chip while cropping, colour on the batch, on the device that
trains.

Both cost a small part of a training step on a CPU: pixels are moved before they become floats, and
interpolated only where they are turned freely or scaled; what is linear in a pixel's bands is one
product of matrices; the rest is done to few images.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from geoseg.core.bands import to_unit
from geoseg.core.encoding import VOID
from geoseg.training.jpeg import recompressed
from geoseg.training.pixels import beside, compact

SAME = 0.01  # a zoom this near to 1 is none
TILT = math.pi / 9  # radians between the outermost tilts of a photo
BLUR = 2  # pixels that a blur reaches on each side
LUMA = (0.299, 0.587, 0.114)
JPEG_QUALITY = (35, 90)


@dataclass(frozen=True)
class Geometry:
    """How a crop is laid into a chip: ``size`` pixels a side, ground extent times ``scale``, flips
    and quarter turns.

    ``rotation`` is the share of crops that are turned freely, ``foreground`` that of those around a
    pixel that is not background, where the chip has any. Pictures that are ``upright``, as photos
    are and the ground is not, are mirrored but not turned by quarters, and tilted a little where
    others are turned freely.
    """

    size: int
    scale: tuple[float, float] = (1.0, 1.0)
    flips: bool = True
    rotation: float = 0.0
    foreground: float = 0.0
    upright: bool = False


PRESETS = {
    # flips and quarter turns, share of free rotations, strength of the colour changes
    "none": (False, 0.0, 0.0),
    "light": (True, 0.0, 0.3),
    "standard": (True, 0.25, 0.6),
    "strong": (True, 0.5, 1.0),
}


# Geometry


def crop(
    image: np.ndarray, mask: np.ndarray, geometry: Geometry
) -> tuple[torch.Tensor, torch.Tensor]:
    """A random crop of a chip: (band, size, size) as :func:`~geoseg.training.pixels.compact` has
    it, and uint8 (size, size), 255 where it leaves the chip.

    ``image`` is (band, row, col) of any dtype, ``mask`` uint8 (row, col) or (class, row, col), as
    its crop is. It is never interpolated.
    """
    # logarithms, so that half and double are as likely
    low, high = (math.log(s) for s in geometry.scale)
    zoom = math.exp(low + (high - low) * _uniform())
    flip = geometry.flips and _uniform() < 0.5
    turns = int(_uniform() * 4) if geometry.flips and not geometry.upright else 0
    free = _uniform() < geometry.rotation
    centre = _centre(mask, geometry.size * zoom, geometry.foreground)
    if not free and abs(zoom - 1) < SAME:
        pixels, labels = _cut(image, mask, centre, geometry.size)
    else:
        angle = (_uniform() - 0.5) * (TILT if geometry.upright else math.pi / 2) if free else 0.0
        pixels, labels = _turned(image, mask, centre, geometry.size, zoom, angle)
    pixels = np.rot90(pixels, turns, (1, 2))
    labels = np.rot90(labels, turns, (-2, -1))
    if flip:
        pixels = pixels[..., ::-1]
        labels = labels[..., ::-1]
    return compact(pixels), torch.from_numpy(np.ascontiguousarray(labels))


def _centre(mask: np.ndarray, extent: float, foreground: float) -> tuple[float, float]:
    """Row and column, in pixels from the corner, of the middle of a crop that leaves the chip no
    further than it must.
    """
    near = _uniform() < foreground
    chance = _uniform(), _uniform()
    found = np.flatnonzero(_foreground(mask)) if near else np.empty(0)
    if len(found):
        chosen = divmod(int(found[int(chance[0] * len(found))]), mask.shape[-1])
        # anywhere within the crop's inner half
        wanted = [
            at + (share - 0.5) * extent / 2
            for at, share in zip(chosen, (_uniform(), _uniform()), strict=True)
        ]
    else:
        wanted = [
            extent / 2 + share * (side - extent)
            for share, side in zip(chance, mask.shape[-2:], strict=True)
        ]
    row, col = (
        min(max(at, extent / 2), side - extent / 2) if side > extent else side / 2
        for at, side in zip(wanted, mask.shape[-2:], strict=True)
    )
    return row, col


def _foreground(mask: np.ndarray) -> np.ndarray:
    """Pixels of any class but background, bool (row, col)."""
    foreground = (mask != 0) & (mask != VOID)
    return foreground if foreground.ndim == 2 else foreground.any(axis=0)


def _cut(
    image: np.ndarray, mask: np.ndarray, centre: tuple[float, float], size: int
) -> tuple[np.ndarray, np.ndarray]:
    """The square of ``size`` pixels around ``centre``; 0 and ignored beyond the chip."""
    # rows and columns of the square, of which some may lie beyond the chip
    first = [round(at - size / 2) for at in centre]
    rows, cols = (
        slice(max(0, at), max(0, min(side, at + size)))
        for at, side in zip(first, mask.shape[-2:], strict=True)
    )
    pixels = image[:, rows, cols]
    labels = mask[..., rows, cols]
    if labels.shape[-2:] == (size, size):
        return pixels, labels
    before = [max(0, -at) for at in first]
    margins = [
        (lead, size - lead - length) for lead, length in zip(before, labels.shape[-2:], strict=True)
    ]
    around = [(0, 0)] * (labels.ndim - 2) + margins
    return np.pad(pixels, [(0, 0), *margins]), np.pad(labels, around, constant_values=VOID)


def _turned(
    image: np.ndarray,
    mask: np.ndarray,
    centre: tuple[float, float],
    size: int,
    zoom: float,
    angle: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The square of ``size`` pixels of ``zoom`` chip pixels each around ``centre``, turned by
    ``angle``: one interpolation.
    """
    cos = math.cos(angle)
    sin = math.sin(angle)
    # the part of the chip that is needed, so that no more of it becomes floats
    side = math.ceil(size * zoom * (abs(cos) + abs(sin))) + 4
    pixels, labels = _cut(image, mask, centre, side)
    as_bytes = image.dtype == np.uint8
    source = torch.from_numpy(pixels.astype("float32") if as_bytes else to_unit(pixels))[None]
    # averaging first keeps a crop that shrinks the ground from aliasing
    source = F.avg_pool2d(source, 2) if zoom > 1.5 else source
    # `grid_sample` counts from -1 to 1 across the cut: `extent` of it is shown, turned by the
    # angle, and moved by what rounding the cut to whole pixels left.
    extent = size * zoom / side
    down, right = (2 * (at - side / 2 - round(at - side / 2)) / side for at in centre)
    along = (torch.arange(size) + 0.5) * (2 * extent / size) - extent
    x = cos * along + (right - sin * along)[:, None]
    y = sin * along + (down + cos * along)[:, None]
    turned = F.grid_sample(
        source,
        torch.stack([x, y], -1)[None],
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )[0]
    # nearest by index: as floats, labels would be gathered four at a time
    rows, cols = (
        ((at + 1) * (side / 2)).to(torch.int32).clamp_(0, side - 1).numpy() for at in (y, x)
    )
    taken = labels.reshape(-1, side * side).take(rows * side + cols, axis=1)
    turned = turned.round_().to(torch.uint8) if as_bytes else turned
    return turned.numpy(), taken.reshape(*labels.shape[:-2], size, size)


# Colour


class Colour(nn.Module):
    """Changes the colours of a batch float32 (batch, band, row, col) in [0, 1]; the result is
    clipped to [0, 1].

    Gain of each band, brightness, contrast, gamma, shadows, blur and noise on any number of bands;
    hue, saturation and JPEG where there are three.
    """

    def __init__(self, bands: int, strength: float) -> None:
        super().__init__()
        self.strength = strength
        self.three = bands == 3
        self.rare: list[tuple[float, Callable[[torch.Tensor], torch.Tensor]]] = [
            (0.3, self.gamma),
            (0.3 * strength, self.shadow),
            (0.2, self.blur),
            (0.25, self.noise),
        ]
        if self.three:
            self.rare.append((0.15 * strength, self.jpeg))

    @torch.no_grad()
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        # products of 8 bits of precision would show as steps
        with torch.autocast(image.device.type, enabled=False):
            out = self.mix_bands(image.float()).clamp_(0, 1)
            for share, change in self.rare:
                chosen = (torch.rand(len(out)) < share).nonzero()[:, 0]
                if len(chosen):
                    chosen = beside(out, chosen)
                    out[chosen] = change(out[chosen]).clamp_(0, 1)
        return out

    def mix_bands(self, image: torch.Tensor) -> torch.Tensor:
        """Everything that is linear in a pixel's bands, as one matrix and one offset an image."""
        count, bands = image.shape[:2]
        strength = self.strength
        gain = 1 + 0.3 * strength * _symmetric_uniform(count, bands)
        gain = gain * _at_times(0.7, 1 + 0.35 * strength * _symmetric_uniform(count, 1))
        # gain, brightness, saturation and hue of a pixel's bands are matrices, contrast a factor
        # about the mean; their product is made once an image and applied once a pixel
        matrix = torch.diag_embed(gain)
        if self.three:
            saturation = _at_times(0.5, 1 + 0.65 * strength * _symmetric_uniform(count, 1))[
                :, :, None
            ]
            grey = torch.tensor(LUMA).expand(3, 3)
            hue = (
                _at_times(0.5, 1 + 0.16 * math.pi * strength * _symmetric_uniform(count, 1))[:, 0]
                - 1
            )
            matrix = _hue(hue) @ (saturation * torch.eye(3) + (1 - saturation) * grey) @ matrix
        contrast = _at_times(0.7, 1 + 0.45 * strength * _symmetric_uniform(count, 1))[:, :, None]
        means = image.mean((2, 3))[:, :, None]
        matrix = beside(image, matrix)
        contrast = beside(image, contrast)
        # contrast c about the mean m of the changed image: c (x - m) + m
        offset = (1 - contrast) * (matrix @ means).mean(1, keepdim=True)
        mixed = torch.baddbmm(offset.expand(count, bands, 1), contrast * matrix, image.flatten(2))
        return mixed.view(image.shape)

    def gamma(self, image: torch.Tensor) -> torch.Tensor:
        powers = torch.exp(0.5 * self.strength * _symmetric_uniform(len(image), 1))
        powers = beside(image, powers)
        return image.clamp_(min=1e-4).pow_(powers[:, :, None, None])

    def shadow(self, image: torch.Tensor) -> torch.Tensor:
        """A dark band of soft edges across each image, as a taller building or a cloud throws
        it.
        """
        count, _, height, width = image.shape
        x = torch.linspace(-1, 1, width, device=image.device)
        y = torch.linspace(-1, 1, height, device=image.device)[:, None]
        drawn = beside(image, torch.rand(5, count))
        angle, start, breadth, depth, softness = drawn[:, :, None, None]
        # distance across the band of shadow, whose edges are sigmoids
        along = (
            x * torch.cos(2 * math.pi * angle)
            + y * torch.sin(2 * math.pi * angle)
            - (2 * start - 1)
        )
        soft = 0.01 + 0.04 * softness
        inside = torch.sigmoid(along / soft) * torch.sigmoid((0.2 + breadth - along) / soft)
        return image * (1 - (0.2 + 0.4 * depth) * inside)[:, None]

    def blur(self, image: torch.Tensor) -> torch.Tensor:
        count, bands = image.shape[:2]
        sigma = 0.3 + 1.2 * self.strength * torch.rand(count, 1)
        kernel = torch.exp(-0.5 * (torch.arange(-BLUR, BLUR + 1) / sigma) ** 2)
        kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(bands, 0)
        kernel = beside(image, kernel)
        # each band of each image is a group of its own, so one convolution blurs all
        planes = F.pad(image.flatten(0, 1)[None], [BLUR] * 4, mode="replicate")
        planes = F.conv2d(planes, kernel[:, None, None, :], groups=count * bands)
        return F.conv2d(planes, kernel[:, None, :, None], groups=count * bands).view(image.shape)

    def noise(self, image: torch.Tensor) -> torch.Tensor:
        deviation = 0.06 * self.strength * beside(image, torch.rand(len(image), 1, 1, 1))
        return image.add_(torch.randn_like(image).mul_(deviation))

    def jpeg(self, image: torch.Tensor) -> torch.Tensor:
        low, high = JPEG_QUALITY
        return recompressed(image, (low + (high - low) * torch.rand(len(image))).floor())


def _hue(angle: torch.Tensor) -> torch.Tensor:
    """Matrices (n, 3, 3) that turn colours around the axis of greys."""
    cos = torch.cos(angle)[:, None, None]
    sin = torch.sin(angle)[:, None, None]
    # Rodrigues' rotation about the axis (1, 1, 1) / √3: greys stay grey
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    return cos * torch.eye(3) + (1 - cos) / 3 + sin * cross


def _symmetric_uniform(*shape: int) -> torch.Tensor:
    """Uniform in [-1, 1]."""
    return 2 * torch.rand(*shape) - 1


def _at_times(share: float, factors: torch.Tensor) -> torch.Tensor:
    """``factors`` (n, 1) in that share of cases, else 1."""
    return torch.where(torch.rand(len(factors), 1) < share, factors, 1.0)


def _uniform() -> float:
    return float(torch.rand(()))
