"""The average follows the weights, slower the longer it has followed."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from geoseg.training.average import moving_average  # noqa: E402


def network(value: float) -> torch.nn.Module:
    made = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2))
    for tensor in made.state_dict().values():
        tensor.fill_(value)
    return made


def test_it_starts_as_the_first_weights_and_then_keeps_more_and_more() -> None:
    average = moving_average(network(0.0), 0.6)
    average.update_parameters(network(1.0))
    assert average.module[0].weight.flatten().tolist() == [1.0] * 6
    average.update_parameters(network(0.0))
    kept = 2 / 11
    assert average.module[0].weight.flatten().tolist() == pytest.approx([kept] * 6)
    for _ in range(40):
        average.update_parameters(network(0.0))
    average.module[1].running_var.fill_(1.0)
    average.update_parameters(network(0.0))
    assert average.module[1].running_var.tolist() == pytest.approx([0.6] * 2)


def test_counters_are_copied_and_nothing_of_it_is_trained() -> None:
    average = moving_average(network(0.0), 0.9)
    for value in (3.0, 7.0):
        average.update_parameters(network(value))
    assert average.module[1].num_batches_tracked == 7
    assert not any(weight.requires_grad for weight in average.parameters())


def test_its_state_holds_all_that_the_next_update_needs() -> None:
    whole, parts = (moving_average(network(0.0), 0.9) for _ in range(2))
    for value in (1.0, 2.0, 5.0):
        whole.update_parameters(network(value))
    for value in (1.0, 2.0):
        parts.update_parameters(network(value))
    resumed = moving_average(network(9.0), 0.9)
    resumed.load_state_dict(parts.state_dict())
    resumed.update_parameters(network(5.0))
    assert all(map(torch.equal, resumed.state_dict().values(), whole.state_dict().values()))
