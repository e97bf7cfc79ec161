"""The average follows the weights, slower the longer it has followed."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from geoseg.training.average import Average  # noqa: E402


def network(value: float) -> torch.nn.Module:
    made = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2))
    for tensor in made.state_dict().values():
        tensor.fill_(value)
    return made


def test_it_keeps_little_of_the_start_and_then_its_decay() -> None:
    average = Average(network(0.0), 0.6)
    average.update(network(1.0), 1)
    kept = 2 / 11
    assert average.network[0].weight.flatten().tolist() == pytest.approx([1 - kept] * 6)
    average.update(network(0.0), 100)
    assert average.network[1].running_var.tolist() == pytest.approx([(1 - kept) * 0.6] * 2)


def test_counters_are_copied_and_nothing_of_it_is_trained() -> None:
    average = Average(network(0.0), 0.9)
    average.update(network(7.0), 50)
    assert average.network[1].num_batches_tracked == 7
    assert not any(weight.requires_grad for weight in average.parameters())
