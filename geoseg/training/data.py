"""Chips as batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, RandomSampler

from geoseg.core.bands import to_unit
from geoseg.errors import UnsuitableError
from geoseg.io.chips import IGNORE, ChipIndex
from geoseg.io.raster import read_array
from geoseg.specs import TrainSpec
from geoseg.training.augment import PRESETS, Geometry, crop
from geoseg.training.launch import processes, rank
from geoseg.training.sampling import Draws, Seeded

CACHE_BYTES = 2 << 30
Item = tuple[torch.Tensor, torch.Tensor]


@dataclass
class ChipDataset(Dataset[Item]):
    """Image float32 (band, row, col) in [0, 1] and mask uint8 (row, col), 255 ignored, of each chip.

    With ``geometry`` an item is a random crop, without it the whole chip resized by ``zoom`` (its GSD over the model's).
    Decoded chips stay in memory while all of them fit into 2 GiB.
    """

    chips: list[tuple[Path, Path]]
    zoom: float = 1.0
    geometry: Geometry | None = None
    _cache: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)
    _bytes: int = 0

    def __len__(self) -> int:
        return len(self.chips)

    def __getitem__(self, i: int) -> Item:
        pixels, labels = self._cache.get(i) or self._read(i)
        image, mask = torch.from_numpy(to_unit(pixels)), torch.from_numpy(labels)
        if self.geometry:
            return crop(image, mask, self.geometry)
        if abs(self.zoom - 1) > 0.01:
            size = [max(32, round(side * self.zoom)) for side in mask.shape]
            image = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
            mask = F.interpolate(mask[None, None].float(), size, mode="nearest-exact")[0, 0].to(torch.uint8)
        return image, mask

    def _read(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        image, mask = self.chips[i]
        pixels, valid, _ = read_array(image)
        labels, _, _ = read_array(mask)
        if labels.shape[1:] != valid.shape:
            raise UnsuitableError(f"{mask}: is not of the size of its image")
        item = pixels, np.where(valid, labels[0], IGNORE).astype("uint8")
        if self._bytes + pixels.nbytes + labels.nbytes < CACHE_BYTES:
            self._cache[i] = item
            self._bytes += pixels.nbytes + labels.nbytes
        return item


def pad_collate(items: Sequence[Item]) -> Item:
    """Batch of chips of different sizes: padded at the bottom and on the right, where the mask is ignored."""
    height, width = (max(mask.shape[axis] for _, mask in items) for axis in (0, 1))
    images, masks = [], []
    for image, mask in items:
        padding = (0, width - mask.shape[1], 0, height - mask.shape[0])
        images.append(F.pad(image, padding))
        masks.append(F.pad(mask, padding, value=IGNORE))
    return torch.stack(images), torch.stack(masks)


def chips_of(index: ChipIndex, split: str) -> list[tuple[Path, Path]]:
    """Paths of image and mask of a split. Raises UnsuitableError where the index has no masks."""
    table = index.split(split)
    if table["mask"].isna().any():
        raise UnsuitableError(f"{index.folder}: some chips have no mask", "cut them with `geoseg tile --labels`")
    return [(index.folder / image, index.folder / mask) for image, mask in zip(table["image"], table["mask"], strict=True)]


def loaders(
    train: list[tuple[Path, Path]], val: list[tuple[Path, Path]], spec: TrainSpec, size: int, zoom: float
) -> tuple[DataLoader[Item], DataLoader[Item]]:
    """Batches of random crops of ``size`` from ``train``, and of whole chips from ``val``.

    Workers are spawned: forked after torch or GDAL have started threads, they can hang.
    """
    flips, rotation, _ = PRESETS[spec.augment]
    scale = (spec.scale[0] / zoom, spec.scale[1] / zoom)
    cropped = ChipDataset(train, geometry=Geometry(size, scale, flips, rotation))
    count = spec.samples or len(train)
    more = {"num_workers": spec.workers, "persistent_workers": True, "multiprocessing_context": "spawn"} if spec.workers else {}
    order = RandomSampler(cropped, replacement=count > len(train), num_samples=count)
    draws = Draws(order, spec.seed, rank(), processes())
    mine = range(rank() % max(1, len(val)), len(val), processes())
    return (
        DataLoader(
            Seeded(cropped),
            spec.batch_size,
            sampler=draws,
            drop_last=len(draws) >= spec.batch_size,
            **more,  # type: ignore[arg-type]
        ),
        DataLoader(ChipDataset(val, zoom=zoom), max(1, spec.batch_size // 4), sampler=mine, collate_fn=pad_collate),
    )
