"""Which chip comes next, and with which random crop: by the seed and the epoch alone.

Nothing has to be remembered for that, so a run that is resumed sees what it would have seen, and
the numbers of workers and of processes change nothing but the speed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

Draw = tuple[int, int]


class _Order(Sized, Protocol):
    def __iter__(self) -> Iterator[int]: ...


def derive_seed(*parts: int) -> int:
    """A seed of 32 bits made of others: of the run, the epoch, the process."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


class SeededSampler(Sampler[Draw]):
    """The indices that ``order`` gives, each with a seed for its crop.

    Of ``processes`` that train together, process ``rank`` gets every so manieth, all of them
    equally many.
    """

    def __init__(self, order: _Order, seed: int, rank: int = 0, processes: int = 1) -> None:
        self.order, self.seed, self.rank, self.processes = order, seed, rank, processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.order) // self.processes

    def __iter__(self) -> Iterator[Draw]:
        with torch.random.fork_rng([]):
            torch.manual_seed(derive_seed(self.seed, self.epoch))
            indices = list(self.order)
            seeds = torch.randint(1 << 31, (len(indices),)).tolist()
        draws = list(zip(indices, seeds, strict=True))
        yield from draws[self.rank : len(self) * self.processes : self.processes]


@dataclass
class SeededDataset(Dataset[Any]):
    """``dataset`` whose items are asked for by a :data:`Draw`: torch is seeded with the draw's
    seed.
    """

    dataset: Any

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, draw: Draw) -> Any:
        index, seed = draw
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            return self.dataset[index]
