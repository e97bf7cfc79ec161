"""A run that was stopped and goes on gives the weights, bit by bit, of one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")

from geoseg.errors import InputError, OutputError
from geoseg.io.run_folder import read_epochs
from geoseg.specs import TrainSpec, TrainTarget
from geoseg.tools import train
from tests.tools.chips import QUICK, cut_chips


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut_chips(tmp_path_factory.mktemp("resume"))


def stopping_at(epoch: int, step: int):
    """A progress at which Ctrl-C is pressed in step ``step`` of an epoch."""

    def progress(label, total: int):
        steps = iter(range(1, total + 1))

        def advance(count: int) -> None:
            if label().startswith(f"epoch {epoch}/") and next(steps) == step:
                raise KeyboardInterrupt

        return advance

    return progress


@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": "onecycle", "ema": 0.8},
        {
            "schedule": "cosine",
            "warmup": 0.3,
            "optimizer": "sgd",
            "nesterov": True,
            "early_stop": 3,
        },
        {"schedule": "poly", "warmup": 2.0, "accumulate": 2, "ema": 0.5, "class_weights": "auto"},
        {
            "schedule": "constant",
            "clip": 0.0,
            "augment": "strong",
            "loss": "boundary+lovasz",
            "hard": 0.7,
        },
    ],
    ids=lambda settings: settings["schedule"],
)
def test_a_stopped_run_goes_on_as_if_nothing_had_been(
    settings: dict[str, object], chips: Path, tmp_path: Path
) -> None:
    spec = replace(QUICK, epochs=2, **settings)
    whole = train.run([str(chips)], tmp_path / "whole.safetensors", spec)
    with pytest.raises(KeyboardInterrupt):
        train.run([str(chips)], tmp_path / "parts.safetensors", spec, progress=stopping_at(2, 2))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert not (tmp_path / "parts.safetensors").exists()
    assert len(read_epochs(tmp_path / "parts.safetensors.run")) == 1
    parts = train.run([str(chips)], TrainTarget(tmp_path / "parts.safetensors", resume=True), spec)
    assert [epoch["loss"] for epoch in parts.epochs] == [epoch["loss"] for epoch in whole.epochs]
    assert parts.best["confusion"] == whole.best["confusion"]
    assert (tmp_path / "parts.safetensors").read_bytes() == (
        tmp_path / "whole.safetensors"
    ).read_bytes()


def test_a_resumed_run_keeps_what_it_found(chips: Path, tmp_path: Path) -> None:
    spec = replace(QUICK, batch_size=0, lr=0.0, epochs=1, samples=24)
    first = train.run([str(chips)], tmp_path / "m.safetensors", spec)
    again = train.run(
        [str(chips)],
        TrainTarget(tmp_path / "m.safetensors", resume=True, overwrite=True),
        replace(spec, epochs=2),
    )
    assert (again.batch_size, again.lr) == (first.batch_size, first.lr) and first.lr > 0


def test_a_run_that_is_done_has_nothing_left_to_do(chips: Path, tmp_path: Path) -> None:
    first = train.run([str(chips)], tmp_path / "m.safetensors", replace(QUICK, epochs=1))
    before = (tmp_path / "m.safetensors").read_bytes()
    again = train.run(
        [str(chips)],
        TrainTarget(tmp_path / "m.safetensors", resume=True, overwrite=True),
        replace(QUICK, epochs=1),
    )
    assert again.epochs == first.epochs and (tmp_path / "m.safetensors").read_bytes() == before


def test_there_must_be_something_to_go_on_with(chips: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no last\.ckpt"):
        train.run([str(chips)], TrainTarget(tmp_path / "m.safetensors", resume=True), QUICK)


def test_overwriting_forgets_the_other_run(chips: Path, tmp_path: Path) -> None:
    for seed in (1, 2):
        report = train.run(
            [str(chips)],
            TrainTarget(tmp_path / "m.safetensors", overwrite=True),
            replace(QUICK, epochs=1, seed=seed),
        )
        assert len(report.epochs) == 1
        (tmp_path / "m.safetensors.run" / "epochs.json").write_text("[{")


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_in_which_a_run_is_at_work_is_not_taken(
    resume: bool, chips: Path, tmp_path: Path
) -> None:
    target = TrainTarget(tmp_path / "m.safetensors", resume=resume, overwrite=not resume)
    refused = []

    def progress(label, total: int):
        def advance(count: int) -> None:
            if callable(label) and not refused:  # in the first step
                with pytest.raises(OutputError, match=r"last\.ckpt: another run is writing it"):
                    train.run([str(chips)], target, replace(QUICK, epochs=1, seed=3))
                refused.append(True)

        return advance

    spec = replace(QUICK, epochs=1)
    report = train.run([str(chips)], tmp_path / "m.safetensors", spec, progress=progress)
    assert refused and len(report.epochs) == 1
    assert not list(tmp_path.rglob("*.partial-*"))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_killed_run_goes_on_as_if_nothing_had_been(
    workers: int, chips: Path, tmp_path: Path
) -> None:
    spec = replace(QUICK, epochs=4, samples=12, ema=0.7, workers=workers)
    command = [sys.executable, "-m", "geoseg", "train", str(chips), *options(spec)]
    subprocess.run([*command, "-o", str(tmp_path / "whole.safetensors")], check=True)
    parts = [*command, "-o", str(tmp_path / "parts.safetensors")]
    process = subprocess.Popen(parts, start_new_session=True)
    while process.poll() is None and len(read_epochs(tmp_path / "parts.safetensors.run")) < 2:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    subprocess.run([*parts, "--resume"], check=True)
    whole, gone_on = (
        read_epochs(tmp_path / f"{name}.safetensors.run") for name in ("whole", "parts")
    )
    assert [epoch["loss"] for epoch in gone_on] == [epoch["loss"] for epoch in whole]
    assert (tmp_path / "parts.safetensors").read_bytes() == (
        tmp_path / "whole.safetensors"
    ).read_bytes()


def options(spec: TrainSpec) -> list[str]:
    """What is typed for what differs from the defaults."""
    changed = {
        name: value for name, value in vars(spec).items() if value != getattr(TrainSpec(), name)
    }
    return [
        part
        for name, value in changed.items()
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]
