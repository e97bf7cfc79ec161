"""Examples as batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import (
    DataLoader,
    Dataset,
    RandomSampler,
    WeightedRandomSampler,
    default_collate,
)

from geoseg.chips.examples import Example
from geoseg.core.encoding import VOID
from geoseg.errors import GeosegError
from geoseg.parallel.processes import leave_interrupts_to_parent
from geoseg.specs import ModelSpec, TrainSpec
from geoseg.training.augment import PRESETS, Geometry, crop
from geoseg.training.launch import processes, rank
from geoseg.training.pixels import as_unit, compact
from geoseg.training.sampling import SeededDataset, SeededSampler

CACHE_BYTES = 2 << 30
READERS = 4
WORKERS = 12  # as many as keep a large GPU busy with crops
# Image, mask, number of the chip
Item = tuple[torch.Tensor, torch.Tensor, int]
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def readable(
    chips: Sequence[Example], advance: Callable[[int], None]
) -> tuple[list[Example], list[str]]:
    """The chips that can be read, and what is wrong with the others."""

    def problem(chip: Example) -> str | None:
        try:
            chip.read()
        except GeosegError as error:
            return str(error)
        finally:
            advance(1)
        return None

    with ThreadPoolExecutor(READERS) as threads:
        problems = list(threads.map(problem, chips))
    return [chip for chip, why in zip(chips, problems, strict=True) if why is None], [
        why for why in problems if why
    ]


@dataclass
class ChipDataset(Dataset[Item]):
    """Image (band, row, col) as :func:`~geoseg.training.pixels.compact` has it and mask uint8 (row,
    col) or (class, row, col), 255 ignored, of each chip.

    With ``geometry`` an item is a random crop, without it the whole chip resized by ``zoom`` (its
    GSD over the model's). Decoded chips stay in memory until they fill ``room`` bytes.
    """

    chips: Sequence[Example]
    zoom: float = 1.0
    geometry: Geometry | None = None
    room: int = CACHE_BYTES
    _cache: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)
    _bytes: int = 0

    def __len__(self) -> int:
        return len(self.chips)

    def __getitem__(self, i: int) -> Item:
        pixels, labels = self._cache.get(i) or self._read(i)
        if self.geometry:
            return *crop(pixels, labels, self.geometry), i
        image = compact(pixels)
        mask = torch.from_numpy(labels)
        if abs(self.zoom - 1) > 0.01:
            size = [max(32, round(side * self.zoom)) for side in mask.shape[-2:]]
            image = F.interpolate(as_unit(image)[None], size, mode="bilinear", antialias=True)[0]
            # as bands, for torch interpolates no other arrays; nearest, so that no class lies
            # between two
            planes = mask.reshape(1, -1, *mask.shape[-2:]).float()
            resized = F.interpolate(planes, size, mode="nearest-exact").to(torch.uint8)
            mask = resized.reshape(*mask.shape[:-2], *size)
        return image, mask, i

    def _read(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        pixels, labels = self.chips[i].read()
        # kept until the room is full, and then no more: throwing out would read all again each
        # epoch
        if self._bytes + pixels.nbytes + labels.nbytes < self.room:
            self._cache[i] = pixels, labels
            self._bytes += pixels.nbytes + labels.nbytes
        return pixels, labels


def collate(items: Sequence[Item]) -> Batch:
    """Batch of crops; of chips of different dtypes it has floats."""
    image, mask, numbers = default_collate(_alike(items))
    return image, mask, numbers


def pad_collate(items: Sequence[Item]) -> Batch:
    """Batch of chips of different sizes: padded at the bottom and on the right, where the mask is
    ignored.
    """
    items = _alike(items)
    height, width = (max(mask.shape[axis] for _, mask, _ in items) for axis in (-2, -1))
    images = []
    masks = []
    for image, mask, _ in items:
        padding = (0, width - mask.shape[-1], 0, height - mask.shape[-2])
        images.append(F.pad(image, padding))
        masks.append(F.pad(mask, padding, value=VOID))
    return torch.stack(images), torch.stack(masks), torch.tensor([number for _, _, number in items])


def _alike(items: Sequence[Item]) -> list[Item]:
    """``items`` whose images have one dtype, for bytes among floats would pass for numbers up to
    255.
    """
    if len({image.dtype for image, _, _ in items}) == 1:
        return list(items)
    return [(as_unit(image), mask, number) for image, mask, number in items]


def loaders(
    train: Sequence[Example], val: Sequence[Example], spec: TrainSpec, model: ModelSpec, zoom: float
) -> tuple[DataLoader[Item], DataLoader[Item]]:
    """Batches of random crops of the ``model``'s size from ``train``, and of whole chips from
    ``val``.

    Workers are spawned: forked after torch or GDAL have started threads, they can hang. Each keeps
    chips of its own.
    """
    gpu = torch.cuda.is_available()
    workers = workers_of(spec)
    flips, rotation, _ = PRESETS[spec.augment]
    # crops are laid in chip pixels, and the network is to see its own GSD
    scale = (spec.scale[0] / zoom, spec.scale[1] / zoom)
    geometry = Geometry(
        model.size, scale, flips, rotation, spec.foreground, upright=model.gsd is None
    )
    cropped = ChipDataset(train, geometry=geometry, room=CACHE_BYTES // max(1, workers))
    more: dict[str, Any] = (
        {
            "num_workers": workers,
            "persistent_workers": True,
            "multiprocessing_context": "spawn",
            "worker_init_fn": leave_interrupts_to_parent,
        }
        if workers
        else {}
    )
    sampler = SeededSampler(base_sampler(train, spec), spec.seed, rank(), processes())
    # each process scores every n-th chip, beginning at its own number
    val_indices = range(rank() % max(1, len(val)), len(val), processes())
    return (
        DataLoader(
            SeededDataset(cropped),
            spec.batch_size,
            sampler=sampler,
            collate_fn=collate,
            # an incomplete batch has noisy statistics; a run of few crops has none else
            drop_last=len(sampler) >= spec.batch_size,
            pin_memory=gpu,
            **more,
        ),
        DataLoader(
            ChipDataset(val, zoom=zoom),
            max(1, spec.batch_size // 4),
            sampler=val_indices,
            collate_fn=pad_collate,
        ),
    )


def workers_of(spec: TrainSpec) -> int:
    """How many processes read chips for each that trains."""
    if spec.workers is not None:
        return spec.workers
    if not torch.cuda.is_available():
        return 0
    # one processor is left for the process that trains
    share = (os.cpu_count() or 1) // max(spec.devices, processes()) - 1
    return min(WORKERS, max(1, share))


def base_sampler(
    chips: Sequence[Example], spec: TrainSpec
) -> RandomSampler | WeightedRandomSampler:
    """Each chip once an epoch, or ``spec.samples`` random ones; by weight where weights or
    difficulty differ.
    """
    count = spec.samples or len(chips)
    weights = [chip.weight for chip in chips]
    if spec.hard or max(weights) > 1.001 * min(weights):
        return WeightedRandomSampler(weights, count)
    return RandomSampler(range(len(chips)), replacement=count > len(chips), num_samples=count)
