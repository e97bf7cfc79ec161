"""A batch that fits and a learning rate at which the loss falls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from geoseg.errors import ResourceError, UnsuitableError  # noqa: E402
from geoseg.models.registry import Segmenter  # noqa: E402
from geoseg.training.data import loaders  # noqa: E402
from geoseg.training.finders import (  # noqa: E402
    batch_size,
    batch_trial,
    largest_that_fits,
    learning_rate,
    resolve_auto,
)
from geoseg.training.fit import build  # noqa: E402
from tests.training.jobs import job  # noqa: E402

CPU = torch.device("cpu")


COUNTED = "upsample_nearest_nhwc only supports grad_output tensors with less than INT_MAX elements"


@pytest.mark.parametrize("error", [torch.OutOfMemoryError(), RuntimeError(COUNTED)])
@pytest.mark.parametrize(
    ("fits", "limit", "found"), [(1, 64, 1), (7, 64, 4), (8, 64, 8), (1000, 48, 32)]
)
def test_the_largest_power_of_two_that_fits(
    fits: int, limit: int, found: int, error: RuntimeError
) -> None:
    def trial(size: int) -> None:
        if size > fits:
            raise error

    assert largest_that_fits(trial, limit) == found


def test_another_error_of_a_trial_is_no_matter_of_size() -> None:
    def trial(size: int) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        largest_that_fits(trial, 8)


def test_a_network_that_needs_too_much_is_tried_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, most = Segmenter.forward, 2

    def limited(self: Segmenter, image: torch.Tensor) -> torch.Tensor:
        if len(image) > most:
            raise torch.OutOfMemoryError
        return forward(self, image)

    monkeypatch.setattr(Segmenter, "forward", limited)
    assert largest_that_fits(batch_trial(job(tmp_path), CPU, torch.bfloat16), 64) == 2
    most = 0
    with pytest.raises(ResourceError, match="not even a batch of one"):
        largest_that_fits(batch_trial(job(tmp_path), CPU, None), 64)


@pytest.mark.parametrize(
    ("crop", "samples", "found"),
    [(256, 1000, 8), (512, 1000, 2), (1024, 1000, 1), (32, 100, 8), (64, 3, 1)],
)
def test_a_cpu_takes_as_many_pixels_as_it_gains_by(
    crop: int, samples: int, found: int, tmp_path: Path
) -> None:
    assert batch_size(job(tmp_path, crop=crop, samples=samples), CPU, None) == found


def test_the_rate_found_is_one_at_which_the_loss_falls(tmp_path: Path) -> None:
    trial = job(tmp_path, samples=12, batch_size=4, augment="none")
    batches, _ = loaders(trial.train, trial.val, trial.spec, trial.model, 1.0)
    found = learning_rate(build(trial), batches, None, steps=40)
    assert 1e-5 < found < 0.5


def test_a_loss_that_never_falls_is_an_error(tmp_path: Path) -> None:
    trial = job(tmp_path)
    # square: crops are
    flat = [[torch.rand(2, 3, 32, 32), torch.full((2, 32, 32), 255, dtype=torch.uint8)]]
    with pytest.raises(UnsuitableError, match="did not decrease for any learning rate"):
        learning_rate(build(trial), flat, None, steps=10)


def test_what_is_given_is_not_looked_for(tmp_path: Path) -> None:
    given = job(tmp_path)
    assert resolve_auto(given, resume=False) is given
    weighted = resolve_auto(
        job(tmp_path, class_weights="auto"), resume=False
    ).spec.class_weights.split(",")
    assert len(weighted) == 2 and float(weighted[0]) < 1 < float(weighted[1])
    found = resolve_auto(replace(given, spec=replace(given.spec, batch_size=0)), resume=False).spec
    assert (found.batch_size, found.lr) == (1, given.spec.lr)
