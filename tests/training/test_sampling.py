"""What is drawn depends on the seed and the epoch alone, and processes share it out."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader, Dataset, RandomSampler  # noqa: E402

from geoseg.training.sampling import SeededDataset, SeededSampler, derive_seed  # noqa: E402


class Noise(Dataset[torch.Tensor]):
    """Each item is its number and a number by chance."""

    def __len__(self) -> int:
        return 13

    def __getitem__(self, i: int) -> torch.Tensor:
        return torch.tensor([float(i), float(torch.rand(()))])


def order() -> RandomSampler:
    return RandomSampler(Noise(), num_samples=11)


def drawn(epoch: int, **how: int) -> list[tuple[int, int]]:
    draws = SeededSampler(order(), 5, **how)
    draws.set_epoch(epoch)
    return list(draws)


def test_an_epoch_is_drawn_alike_whatever_has_gone_before() -> None:
    torch.manual_seed(1)
    first = drawn(3)
    torch.rand(7)
    assert drawn(3) == first and drawn(4) != first
    assert len(first) == 11 and len(set(first)) == 11


def test_drawing_leaves_torchs_own_chance_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    drawn(2)
    SeededDataset(Noise())[4, 99]
    assert torch.equal(torch.rand(2), expected)


def test_processes_share_the_draws_without_overlap() -> None:
    parts = [drawn(1, rank=rank, processes=3) for rank in range(3)]
    assert [len(part) for part in parts] == [3, 3, 3]  # of 11, two are left over
    assert sorted(itertools.chain(*parts)) == sorted(drawn(1)[:9])


@pytest.mark.slow
def test_workers_change_nothing() -> None:
    def batches(workers: int) -> list[torch.Tensor]:
        context = "spawn" if workers else None
        loader = DataLoader(
            SeededDataset(Noise()),
            4,
            sampler=SeededSampler(order(), 2),
            num_workers=workers,
            multiprocessing_context=context,
        )
        return list(loader)

    assert all(torch.equal(a, b) for a, b in zip(batches(0), batches(2), strict=True))


def test_derived_seeds_differ() -> None:
    assert (
        len(
            {
                derive_seed(seed, epoch, rank)
                for seed in range(5)
                for epoch in range(5)
                for rank in range(5)
            }
        )
        == 125
    )
