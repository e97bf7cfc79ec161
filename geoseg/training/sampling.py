"""Which chip comes next and how it is cropped, from the seed and the epoch alone.

So nothing has to be stored: a resumed run sees what it would have seen, and the numbers of workers
and of processes change nothing but the speed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

Draw = tuple[int, int]


class _Indices(Sized, Protocol):
    def __iter__(self) -> Iterator[int]: ...


def derive_seed(*parts: int) -> int:
    """A seed of 32 bits made of others: of the run, the epoch, the process."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


class SeededSampler(Sampler[Draw]):
    """The indices of ``base_sampler``, each with a seed for its crop.

    Each of ``processes`` that train together takes every n-th index from its ``rank`` on, the same
    number each.
    """

    def __init__(
        self, base_sampler: _Indices, seed: int, rank: int = 0, processes: int = 1
    ) -> None:
        self.base_sampler = base_sampler
        self.seed = seed
        self.rank = rank
        self.processes = processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.base_sampler) // self.processes

    def __iter__(self) -> Iterator[Draw]:
        with torch.random.fork_rng([]):
            torch.manual_seed(derive_seed(self.seed, self.epoch))
            indices = list(self.base_sampler)
            seeds = torch.randint(1 << 31, (len(indices),)).tolist()
        draws = list(zip(indices, seeds, strict=True))
        # Of draws 0 .. 7, three processes take 0 3, 1 4 and 2 5: as many each, since they wait for
        # each other at every step. What is left over, 6 and 7, is left out.
        yield from draws[self.rank : len(self) * self.processes : self.processes]


@dataclass
class SeededDataset(Dataset[Any]):
    """``dataset`` whose items are asked for by a :data:`Draw`, whose seed is torch's while an item
    is made.
    """

    dataset: Any

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, draw: Draw) -> Any:
        index, seed = draw
        before = torch.get_rng_state()
        # the CPU's generator alone: `torch.manual_seed` prepares seeds for GPUs too, which takes
        # longer than to cut a crop
        torch.default_generator.manual_seed(seed)
        try:
            return self.dataset[index]
        finally:
            torch.set_rng_state(before)
