"""Train the bundled model on one GPU: python docs/recipes/default_model_gpu.py WORK OUTPUT
[--model default] [--seconds 75] [--without SET] [--seed 0]

WORK holds the chip folders and ``sets.txt`` of default_model_chips.py. All chips lie on the card,
where crops are cut and coloured: so a few minutes show the network as many crops as hours on a
CPU. The learning rate follows the clock, so a slower card trains for as long, on fewer crops.

After TRUNK of the time the training goes on as often as there are branches, each with other shares
of changed crops; the model is the mean of their weights (Rame et al., NeurIPS 2022). A branch is
as long as the rest of --seconds.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from geoseg.chips.scene_windows import chips_of
from geoseg.core.encoding import VOID
from geoseg.io.chip_index import read_index
from geoseg.models import modelfile, pretrained
from geoseg.specs import ModelSpec
from geoseg.training import losses
from geoseg.training.augment import LUMA, Colour
from geoseg.training.average import moving_average


@dataclass(frozen=True)
class Shares:
    """Of the crops that are changed, by how."""

    coarse: float = 0.35
    transfer: float = 0.35
    panchromatic: float = 0.2


BRANCHES = Shares(), Shares(0.5, 0.35, 0.4), Shares(0.25, 0.5, 0.1)
NETWORKS = {  # encoder, channels of the decoder, branches
    "default": ("efficientnet_lite2", [128, 64, 32, 16, 8], BRANCHES),
    "fast": ("efficientnet_lite0", [96, 48, 24, 16, 8], BRANCHES[:1]),
}
CLASSES = "background", "building", "boundary"
CROP, BATCH = 320, 48
SCALE = 0.45, 2.0  # of the model's GSD: 0.135 to 0.6 m
RATE, WARM_UP, DECAY, AVERAGE = 1.5e-3, 0.06, 0.05, 0.999
TRUNK = 0.28
GREY, PASTE = 0.12, 0.5  # shares of the crops, in all branches
EMPTY = "dubai", "bare"  # sets that hold no building
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def uniform(count: int) -> torch.Tensor:
    return torch.rand(count, device=DEVICE)


@dataclass
class Atlas:
    """All chips one after the other: ``pixels`` uint8 (n, 3), ``labels`` uint8 (n,); of each chip
    its first pixel, height and width in ``place`` (chip, 3), its GSD, its share of the crops, and
    whether it is of a set without buildings.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    place: torch.Tensor
    gsd: torch.Tensor
    share: torch.Tensor
    empty: torch.Tensor

    @classmethod
    def read(cls, work: Path, without: list[str]) -> Atlas:
        pixels, labels, rows, first = [], [], [], 0
        for line in (work / "sets.txt").read_text().splitlines():
            folder, share = line.rsplit(" ", 1)
            if Path(folder).name in without:
                continue
            examples = chips_of(read_index(folder))
            train = examples.splits["train"]
            for chip in train:
                image, mask = chip.read()
                pixels.append(torch.from_numpy(image.reshape(3, -1).T.copy()))
                labels.append(torch.from_numpy(mask.reshape(-1).copy()))
                place = (first, *mask.shape[-2:])
                empty = Path(folder).name in EMPTY
                rows.append((place, examples.info.gsd, float(share) / len(train), empty))
                first += mask.size
        place, gsd, shares, empty = (
            torch.tensor(column, device=DEVICE) for column in zip(*rows, strict=True)
        )
        return cls(
            torch.cat(pixels).to(DEVICE), torch.cat(labels).to(DEVICE), place, gsd, shares, empty
        )

    def crops(
        self, count: int = BATCH, side: int = CROP
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Image float32 (count, 3, side, side) in [0, 1], mask uint8 (count, side, side), and which
        are of sets without buildings; scaled, turned and mirrored at random.
        """
        chosen = torch.multinomial(self.share, count, replacement=True)
        first, height, width = self.place[chosen].unbind(1)
        low, high = map(math.log, SCALE)
        zoom = 0.3 * torch.exp(low + (high - low) * uniform(count)) / self.gsd[chosen]
        quarter = (uniform(count) * 4).floor() * math.pi / 2
        angle = quarter + (uniform(count) < 0.5) * (uniform(count) - 0.5) * math.pi / 2
        mirror = torch.where(uniform(count) < 0.5, -1.0, 1.0)
        centre = [_centre(extent, side * zoom) for extent in (height, width)]
        where = (first, height, width)
        fine = _coordinates(side, 2, zoom, angle, mirror, centre)
        image = F.avg_pool2d(self._bilinear(*where, *fine), 2)  # twice as fine: no aliasing
        y, x = (at.round().long() for at in _coordinates(side, 1, zoom, angle, mirror, centre))
        limits = [extent[:, None, None] for extent in (height, width)]
        inside = (y >= 0) & (x >= 0) & (y < limits[0]) & (x < limits[1])
        found = self.labels[_index(*where, y, x)]
        mask = torch.where(inside, found, torch.full_like(found, VOID))
        return image * inside[:, None], mask, self.empty[chosen]

    def _bilinear(
        self,
        first: torch.Tensor,
        height: torch.Tensor,
        width: torch.Tensor,
        y: torch.Tensor,
        x: torch.Tensor,
    ) -> torch.Tensor:
        top, left = y.floor().long(), x.floor().long()
        down, right = (y - top).clamp(0, 1)[..., None], (x - left).clamp(0, 1)[..., None]

        def tap(row: torch.Tensor, col: torch.Tensor) -> torch.Tensor:
            return self.pixels[_index(first, height, width, row, col)].float()

        upper = tap(top, left) * (1 - right) + tap(top, left + 1) * right
        lower = tap(top + 1, left) * (1 - right) + tap(top + 1, left + 1) * right
        return (upper * (1 - down) + lower * down).permute(0, 3, 1, 2) / 255


def _index(
    first: torch.Tensor,
    height: torch.Tensor,
    width: torch.Tensor,
    row: torch.Tensor,
    col: torch.Tensor,
) -> torch.Tensor:
    """Place in the atlas of a chip's pixels; what lies beyond the chip is its nearest pixel."""
    zero = torch.zeros_like(height)[:, None, None]
    row = row.clamp(zero, (height - 1)[:, None, None])
    col = col.clamp(zero, (width - 1)[:, None, None])
    return first[:, None, None] + row * width[:, None, None] + col


def _centre(side: torch.Tensor, extent: torch.Tensor) -> torch.Tensor:
    """Middle of a crop that leaves the chip no further than it must."""
    free = extent / 2 + uniform(len(side)) * (side - extent)
    return torch.where(side > extent, free, side / 2)


def _coordinates(
    side: int,
    times: int,
    zoom: torch.Tensor,
    angle: torch.Tensor,
    mirror: torch.Tensor,
    centre: list[torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Row and column in the chip of each pixel of crops of ``side`` pixels, ``times`` as fine."""
    steps = (torch.arange(side * times, device=DEVICE) + 0.5) / times - side / 2
    cos, sin, zoom, mirror, row, col = (
        v[:, None, None] for v in (angle.cos(), angle.sin(), zoom, mirror, *centre)
    )
    y, x = steps[None, :, None], steps[None, None, :] * mirror
    return row + zoom * (sin * x + cos * y) - 0.5, col + zoom * (cos * x - sin * y) - 0.5


# Changes of the crops, beside the product's own


def paste(
    image: torch.Tensor, mask: torch.Tensor, empty: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Roofs of other crops on ground without buildings (Ghiasi et al. 2021)."""
    other = torch.randperm(len(image), device=DEVICE)
    source = mask[other]
    roofs = ((source == 1) | (source == 2)).float()[:, None]
    around = F.max_pool2d(roofs, 7, 1, 3)[:, 0] > 0
    chosen = (uniform(len(image)) < PASTE) & empty & ~empty[other]
    use = chosen[:, None, None] & around & (source != VOID) & (mask != VOID)
    return torch.where(use[:, None], image[other], image), torch.where(use, source, mask)


def coarse_or_grey(image: torch.Tensor, coarse: float) -> torch.Tensor:
    """As satellites see it: shrunk to up to a fifth and enlarged again; some without colour."""
    image = image.clone()
    size = image.shape[-2:]
    for part in (uniform(len(image)) < coarse).nonzero()[:, 0].chunk(4):
        factor = math.exp(np.random.uniform(math.log(1.4), math.log(5)))
        less = [round(side / factor) for side in size]
        small = F.interpolate(image[part], less, mode="bilinear", antialias=True)
        image[part] = F.interpolate(small, size, mode="bicubic").clamp(0, 1)
    luma = (image * torch.tensor(LUMA, device=DEVICE).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return torch.where((uniform(len(image)) < GREY)[:, None, None, None], luma, image)


def colours_of_another(image: torch.Tensor, share: float) -> torch.Tensor:
    """Some with mean and deviation of each band of another crop, mixed in."""
    other = torch.randperm(len(image), device=DEVICE)
    mean, deviation = image.mean((2, 3), keepdim=True), image.std((2, 3), keepdim=True) + 0.02
    like = (image - mean) / deviation * deviation[other] + mean[other]
    mixed = torch.lerp(image, like, uniform(len(image)).view(-1, 1, 1, 1)).clamp(0, 1)
    return torch.where((uniform(len(image)) < share)[:, None, None, None], mixed, image)


def panchromatic(image: torch.Tensor, share: float) -> torch.Tensor:
    """Some as one wide band of a satellite: the colours in random shares, vegetation bright as in
    the near infrared, stretched between low and high percentiles as 16 bits are.
    """
    red, green, blue = image.unbind(1)
    weight = uniform(3 * len(image)).view(3, -1, 1, 1) + 0.1
    grey = (weight[0] * red + weight[1] * green + weight[2] * blue) / weight.sum(0)
    grey += 1.5 * uniform(len(image)).view(-1, 1, 1) * (2 * green - red - blue).clamp(min=0)
    ends = torch.tensor([0.02, 0.98], device=DEVICE)
    low, high = grey[:, ::4, ::4].flatten(1).quantile(ends, dim=1).view(2, -1, 1, 1)
    stretched = ((grey - low) / (high - low + 0.02)).clamp(0, 1)[:, None]
    chosen = uniform(len(image)) < share
    return torch.where(chosen[:, None, None, None], stretched, image)


def rate(done: float) -> float:
    """Learning rate at a share of the time: up along a line, down along half a cosine."""
    if done < WARM_UP:
        return RATE * done / WARM_UP
    return RATE * (0.5 + 0.5 * math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)) + 1e-3)


def shares_of_time(seconds: float, begin: float, end: float) -> Iterator[float]:
    """What is done of ``seconds``, while it is between ``begin`` and ``end``."""
    start = time.monotonic()
    while (done := begin + (time.monotonic() - start) / seconds) < end:
        yield done


class Training:
    """A network, its moving average, its optimiser: what a branch starts from a copy of."""

    def __init__(self, spec: ModelSpec) -> None:
        network = pretrained.create_network(spec, "imagenet")[0]
        self.network = network.to(DEVICE).to(memory_format=torch.channels_last).train()
        self.average = moving_average(self.network, AVERAGE)
        self.loss_of = losses.build("auto", len(spec.classes)).to(DEVICE)
        self.colour = Colour(3, 1.0)
        matrices = [p for p in network.parameters() if p.ndim > 1]
        vectors = [p for p in network.parameters() if p.ndim < 2]
        decay = {"params": matrices, "weight_decay": DECAY}
        self.optimizer = torch.optim.AdamW([decay, {"params": vectors, "weight_decay": 0.0}])

    def go_on(self, atlas: Atlas, shares: Shares, times: Iterator[float]) -> None:
        for step, done in enumerate(times):
            for group in self.optimizer.param_groups:
                group["lr"] = rate(done)
            loss = self.step(atlas, shares)
            if step % 100 == 0:
                print(f"{done:4.0%}  step {step}  loss {loss.item():.3f}", flush=True)

    def step(self, atlas: Atlas, shares: Shares) -> torch.Tensor:
        image, mask = paste(*atlas.crops())
        image = colours_of_another(coarse_or_grey(image, shares.coarse), shares.transfer)
        image = panchromatic(self.colour(image), shares.panchromatic)
        with torch.autocast(DEVICE.type, torch.bfloat16):
            logits = self.network(image.to(memory_format=torch.channels_last))
        loss: torch.Tensor = self.loss_of(logits, mask)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        return loss


def train(
    atlas: Atlas, spec: ModelSpec, branches: Sequence[Shares], seconds: float
) -> dict[str, torch.Tensor]:
    """The mean of the branches' averages."""
    trunk = Training(spec)
    trunk.go_on(atlas, branches[0], shares_of_time(seconds, 0, TRUNK))
    states = []
    for shares in branches:
        branch = copy.deepcopy(trunk)
        branch.go_on(atlas, shares, shares_of_time(seconds, TRUNK, 1))
        states.append(branch.average.module.cpu().state_dict())
    return {name: _mean([state[name] for state in states]) for name in states[0]}


def _mean(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Counters, which are integers, are alike."""
    return torch.stack(tuple(tensors)).mean(0) if tensors[0].is_floating_point() else tensors[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--model", choices=NETWORKS, default="default")
    parser.add_argument("--seconds", type=float, default=75)
    parser.add_argument("--without", action="append", default=[], help="a set to leave out")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    np.random.seed(arguments.seed)
    torch.backends.cudnn.benchmark = True
    encoder, channels, branches = NETWORKS[arguments.model]
    spec = ModelSpec(
        architecture="unet",
        encoder=encoder,
        options=(("decoder_channels", channels),),
        classes=CLASSES,
        gsd=0.3,
        size=256,
        min_area=10.0,
    )
    atlas = Atlas.read(arguments.work, arguments.without)
    state = train(atlas, spec, branches, arguments.seconds)
    modelfile.save(arguments.output, spec, state, True)


if __name__ == "__main__":
    main()
