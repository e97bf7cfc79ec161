"""Errors become one line and an exit code; interrupted runs leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from geoseg import __version__, errors
from geoseg.cli import main
from geoseg.core.grid import Grid
from geoseg.io.packages import how_to_install
from geoseg.io.raster.write import write_array

GEOSEG = [sys.executable, "-m", "geoseg"]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """A function that makes `geoseg doctor` raise an error."""

    def plant(error: BaseException) -> None:
        def run(**_: object) -> None:
            raise error

        monkeypatch.setattr("geoseg.tools.doctor.run", run)

    return plant


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("Error: ") and shown.err.count("\n") == 1, shown.err
    return shown.err[len("Error: ") : -1]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.UsageError, 2),
        (errors.InputError, 3),
        (errors.UnsuitableError, 4),
        (errors.ModelError, 5),
        (errors.OutputError, 6),
        (errors.ResourceError, 7),
        (errors.SafetyError, 8),
        (errors.PartialError, 9),
    ],
)
def test_each_error_has_its_exit_code(kind, code, failing, capsys) -> None:
    failing(kind("a.tif: is odd", "try b.tif"))
    assert main.run(["doctor"]) == code
    assert one_line(capsys) == "a.tif: is odd (try b.tif)"


def test_a_bug_asks_to_be_reported(failing, capsys) -> None:
    failing(ZeroDivisionError("by zero\nin two lines"))
    assert main.run(["doctor"]) == 1
    line = one_line(capsys)
    assert line.startswith("ZeroDivisionError: by zero in two lines") and "--debug" in line


def test_debug_shows_the_traceback(failing, capsys) -> None:
    failing(errors.InputError("a.tif: is odd"))
    assert main.run(["doctor", "--debug"]) == 3
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback") and shown.endswith("Error: a.tif: is odd\n")


def test_memory_and_packages_are_resources(failing, capsys) -> None:
    failing(MemoryError())
    assert main.run(["doctor"]) == 7
    assert "out of memory" in one_line(capsys)
    failing(ModuleNotFoundError("No module named 'onnxscript.x'", name="onnxscript.x"))
    assert main.run(["doctor"]) == 7
    line = one_line(capsys)
    install = how_to_install("onnxscript")
    assert line == f"this needs onnxscript, which is not installed ({install})"
    failing(RuntimeError("operator torchvision::nms does not exist"))
    assert main.run(["doctor"]) == 7
    assert "torch and torchvision are of different builds (install both" in one_line(capsys)
    failing(ModuleNotFoundError("No module named 'geoseg.gone'", name="geoseg.gone"))
    assert main.run(["doctor"]) == 1


def test_an_interrupt_is_130(failing, capsys) -> None:
    failing(KeyboardInterrupt())
    assert main.run(["doctor"]) == 130
    assert one_line(capsys) == "interrupted"


def test_a_file_name_cannot_steer_the_terminal(failing, capsys) -> None:
    failing(errors.InputError("a\x1b[31m\n\udcff.tif: is odd"))
    assert main.run(["doctor"]) == 3
    assert one_line(capsys) == "a [31m .tif: is odd"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["docter"], "unknown command 'docter' (did you mean 'doctor'?)"),
        (["buildings"], "unknown command 'buildings' (see geoseg --help)"),
        (["doctor", "--jsn"], "No such option"),
        (["tile", "--size", "many", "a.tif", "-o", "b"], "Invalid value for '--size'"),
        (["tile", "a.tif"], "Missing option '-o'"),
        (["tile", "-o", "b"], "Missing argument 'SCENE...'"),
        (
            ["tile", "a.tif", "-o", "b", "--overlap", "700"],
            "--overlap: 700 is not below the tile size, 512",
        ),
        (["tile", "a.tif", "-o", "b", "-b", "0,1"], "no list of band numbers"),
        (
            ["tile", "a.tif", "-o", "b", "--overlap", "7", "--stride", "8"],
            "--stride: cannot be combined with --overlap",
        ),
    ],
)
def test_usage_errors_are_one_line(args, message, capsys) -> None:
    assert main.run(args) == 2
    assert message in one_line(capsys)


def test_no_command_shows_help(capsys) -> None:
    assert main.run([]) == 2
    assert "Commands:" in capsys.readouterr().err


def test_version(capsys) -> None:
    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out == f"geoseg {__version__}\n"


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_explains_itself(name, capsys) -> None:
    command = main.cli.get_command(click.Context(main.cli), name)
    assert command is not None and command.help is not None
    assert f"Example:\n        geoseg {name}" in command.help
    for option in command.params:
        assert getattr(option, "help", None) or isinstance(option, click.Argument), option.name
        assert all(
            len(flag.lstrip("-")) == 1 or flag.startswith("--")
            for flag in option.opts
            if flag.startswith("-")
        )
    for flag in ("-h", "--help"):
        assert main.run([name, flag]) == 0
        assert capsys.readouterr().out.startswith(f"Usage: geoseg {name} ")


def test_one_letter_means_one_thing() -> None:
    meant: dict[str, set[str]] = {}
    for name in main.COMMANDS:
        command = main.cli.get_command(click.Context(main.cli), name)
        assert command is not None
        for option in command.params:
            for flag in option.opts:
                if len(flag) == 2 and flag.startswith("-"):
                    meant.setdefault(flag, set()).add(max(option.opts, key=len))
    contract = {
        "-o": "output",
        "-f": "format",
        "-b": "bands",
        "-j": "jobs",
        "-m": "model",
        "-v": "verbose",
        "-q": "quiet",
    }
    assert meant == {flag: {f"--{name}"} for flag, name in contract.items() if flag in meant}


@pytest.mark.parametrize("args", ["info sample_data/scene.tif --json", "--help"])
def test_a_reader_that_leaves_is_no_error(args: str) -> None:
    shown = subprocess.run(
        f"(sleep 0.3; {sys.executable} -m geoseg {args}) | true; echo ${{PIPESTATUS[0]}}",
        shell=True,
        cwd=Path(__file__).resolve().parents[2],
        executable="/bin/bash",
        capture_output=True,
        text=True,
    )
    assert (shown.stdout, shown.stderr) == ("0\n", "")


def test_completion() -> None:
    environment = os.environ | {
        "_GEOSEG_COMPLETE": "bash_complete",
        "COMP_WORDS": "geoseg doc",
        "COMP_CWORD": "1",
    }
    shown = subprocess.run(GEOSEG, env=environment, capture_output=True, text=True)
    assert shown.stdout == "plain,doctor\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_leaves_nothing(number: int, code: int, tmp_path: Path) -> None:
    """A job that would take minutes: stopped as soon as its temporary folder is there."""
    scene = tmp_path / "scene.tif"
    grid = Grid(CRS(32637), Affine(0.5, 0, 500_000, 0, -0.5, 3_000_000), 1500, 1300)
    write_array(scene, np.full((1, *grid.shape), 7, "uint8"), grid)
    process = subprocess.Popen(
        [
            *GEOSEG,
            "tile",
            str(scene),
            "-o",
            str(tmp_path / "chips"),
            "--size",
            "64",
            "--overlap",
            "62",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a suite that runs in the background has its interrupts ignored, and so would what it
        # starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not any(tmp_path.glob(".chips.partial*/images/*")):
        time.sleep(0.02)
    os.kill(process.pid, number)
    try:
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == code, err
    assert out == "" and err.strip() in ("", "Error: interrupted")
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]
