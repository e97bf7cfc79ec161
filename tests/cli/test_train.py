"""`geoseg train` as typed: every setting, configurations that repeat a run, exit codes,
torchrun.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")

from geoseg.cli.main import run
from geoseg.io.run_folder import read_epochs
from tests.tools.chips import cut_chips

QUICK = [
    "--arch",
    "cnn",
    "--epochs",
    "1",
    "--batch-size",
    "2",
    "--samples",
    "4",
    "--crop",
    "32",
    "--precision",
    "fp32",
]


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut_chips(tmp_path_factory.mktemp("train"))


@pytest.fixture
def here(tmp_path: Path, chips: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in which ``chips`` is the chips."""
    (tmp_path / "chips").symlink_to(chips)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_settings_of_a_run_repeat_it_bit_by_bit(here: Path) -> None:
    for name in ("none", "auto"):
        Path(name).touch()  # no weights, whatever it is called
    assert run(["train", "chips", "-o", "first.safetensors", *QUICK]) == 0
    settings = (
        "--ema 0.6 --schedule poly --warmup 0.5 --class-weights auto --loss "
        "bce+0.5*boundary --scale 0.8,1.25 --seed 7"
    )
    args = [*QUICK, *settings.split(), "--init", "first.safetensors"]
    assert run(["train", "chips", "-o", "one.safetensors", *args]) == 0
    assert run(["train", "--config", "one.safetensors.run/run.toml", "-o", "two.safetensors"]) == 0
    assert Path("one.safetensors").read_bytes() == Path("two.safetensors").read_bytes()
    assert Path("one.safetensors").read_bytes() != Path("first.safetensors").read_bytes()
    one, two = (
        tomllib.loads(Path(f"{name}.safetensors.run/run.toml").read_text())
        for name in ("one", "two")
    )
    assert one == two and one["train"]["data"] == [str(here / "chips")]
    assert (
        one["train"]["init"] == str(here / "first.safetensors")
        and one["train"]["weights"] == "auto"
    )


def test_what_is_printed_is_what_is_noted(here: Path, capsys) -> None:
    args = [
        "chips",
        *QUICK,
        "--lr",
        "auto",
        "--option",
        "hidden=64",
        "--option",
        "widths=8,4",
        "--momentum",
        "0.5",
        "--log",
        "tensorboard",
    ]
    assert run(["train", *args, "--print-config"]) == 0
    text = capsys.readouterr().out
    printed = tomllib.loads(text)["train"]
    assert (
        printed["option"] == ["hidden=64", "widths=8,4"]
        and printed["log"] == ["tensorboard"]
        and printed["lr"] == "auto"
    )
    Path("run.toml").write_text(text)
    assert run(["train", "--config", "run.toml", "--print-config"]) == 0
    assert tomllib.loads(capsys.readouterr().out)["train"] == printed


def test_auto_is_found_and_reported(here: Path, capsys) -> None:
    args = [*QUICK, "--batch-size", "auto", "--lr", "auto", "--samples", "16", "--json"]
    assert run(["train", "chips", "-o", "m.safetensors", *args]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["batch_size"] == 2 and 1e-6 < report["lr"] < 1
    noted = tomllib.loads(Path("m.safetensors.run/run.toml").read_text())["train"]
    assert (noted["batch-size"], noted["lr"]) == (2, report["lr"])


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ("--log paper", 2, "--log: must be one of csv, tensorboard, mlflow, not 'paper'"),
        ("--class-weights 1,2,3", 2, "--class-weights: must be 2 numbers"),
        ("-o m.pt", 2, "--output: must end in .safetensors"),
        ("--batch-size none", 2, "none"),
        ("--loss bce+nonesuch", 2, "'nonesuch' is unknown"),
        ("--lr 1e30 --schedule constant --epochs 3", 4, "the loss became"),
        ("--resume", 3, "holds no last.ckpt"),
        ("--init missing.safetensors", 3, "missing.safetensors: does not exist"),
    ],
)
def test_what_cannot_be_is_one_line_and_a_code(
    args: str, code: int, message: str, here: Path, capsys
) -> None:
    assert run(["train", "chips", "-o", "m.safetensors", *QUICK, *args.split()]) == code
    *before, error = capsys.readouterr().err.splitlines()
    assert error.startswith("Error: ") and message in error
    assert not before or "lr" in args  # an error that shows in training has lines of it before
    assert not Path("m.safetensors").exists()


@pytest.mark.slow
def test_torchrun_starts_the_processes_and_one_of_them_speaks(here: Path) -> None:
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "-m",
        "geoseg",
    ]
    done = subprocess.run(
        [*launcher, "train", "chips", "-o", "m.safetensors", *QUICK, "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["outputs"] == ["m.safetensors"]
    (epoch,) = read_epochs(Path("m.safetensors.run"))
    assert sum(map(sum, epoch["confusion"])) == 12 * 40 * 40  # square: the chips are


def test_an_interrupted_run_names_resume(here: Path, capsys) -> None:
    """A real Ctrl-C, sent when the first epoch has been written."""
    command = [sys.executable, "-m", "geoseg", "train", "chips", "-o", "i.safetensors", *QUICK]
    process = subprocess.Popen(
        [*command, "--epochs", "400"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # a shell may have started pytest with Ctrl-C ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not Path("i.safetensors.run/last.ckpt").is_file():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Error: interrupted\n" in error
    assert re.search(r"\d+ epochs are finished: the same command with --resume continues\n$", error)
