"""What a shell sees: completion, JSON of failures, closed streams, interrupts."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import click
import jsonschema
import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from geoseg import __version__
from geoseg.cli.main import cli, run
from geoseg.cli.options import COMMON_ENCODERS
from geoseg.core.grid import Grid
from geoseg.io.provenance import provenance, recorded_as
from geoseg.io.raster.write import write_array

GEOSEG = [sys.executable, "-m", "geoseg"]


def completions(*words: str) -> list[str]:
    """What bash is offered for the last of ``words``, as ``type,value``."""
    environment = os.environ | {
        "_GEOSEG_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["geoseg", *words]),
        "COMP_CWORD": str(len(words)),
    }
    shown = subprocess.run(GEOSEG, env=environment, capture_output=True, text=True, check=True)
    return shown.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("doc",), ["plain,doctor"]),
        (("extract", "sce"), ["file,sce"]),
        (("extract", "a.tif", "-o", "out"), ["file,out"]),
        (("extract", "a.tif", "-m", "bu"), ["file,bu", "plain,bundled"]),
        (("extract", "a.tif", "-m", ""), ["file,"]),
        (("train", "chips", "--encoder", "efficientnet_lite1"), ["plain,efficientnet_lite1"]),
        (("train", "chips", "--arch", "unetp"), ["plain,unetplusplus"]),
        (("train", "chips", "--encoder", "mit_b1"), ["plain,mit_b1"]),
        (("polygonize", "p.tif", "--outline", "s"), ["plain,subpixel"]),
        (("preview", "a.tif", "--truth", "foo"), ["file,foo"]),
    ],
)
def test_completion_of_commands_files_and_names(words, expected) -> None:
    assert completions(*words) == expected


def test_encoders_that_are_completed_exist() -> None:
    pytest.importorskip("segmentation_models_pytorch")
    from geoseg.models.registry import encoders

    assert set(COMMON_ENCODERS) <= set(encoders())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell(shell: str, capsys) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "_GEOSEG_COMPLETE" in script and f"{shell}_complete" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    assert run(["completion", shell, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["script"].strip() == script.strip()


@pytest.mark.parametrize(
    ("args", "code", "file", "message", "hint"),
    [
        (["info", "gone.tif"], 3, "gone.tif", "gone.tif: does not exist", None),
        (["tile", "a.tif", "-o", "b", "--overlap", "512"], 2, None, "--overlap: 512 is not below the tile size, 512", None),
        (["tile", "-o", "b"], 2, None, "Missing argument 'SCENE...'", "see geoseg tile --help"),
        (["tiel"], 2, None, "unknown command 'tiel'", "did you mean 'tile'?"),
    ],
)  # fmt: skip
def test_a_failure_is_an_object_too(
    args, code, file, message, hint, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([*args, "--json"]) == code
    out, err = capsys.readouterr()
    command = None if args[0] == "tiel" else args[0]
    error = {"exit": code, "file": file, "message": message, "hint": hint}
    assert json.loads(out) == {"command": command, "version": __version__, "error": error}
    schemas = Path(__file__).resolve().parents[2] / "docs" / "schemas"
    jsonschema.validate(json.loads(out), json.loads((schemas / "error.json").read_text("utf-8")))
    assert err == f"Error: {message}" + (f" ({hint})\n" if hint else "\n")


def test_a_missed_limit_stands_in_the_report(tmp_path: Path, monkeypatch, capsys) -> None:
    """One object, not two: the report with its error."""
    monkeypatch.chdir(tmp_path)
    grid = Grid(CRS(32637), Affine(0.5, 0, 500_000, 0, -0.5, 3_000_000), 40, 60)
    mask = np.zeros((1, 40, 60), "uint8")
    write_array("empty.tif", mask, grid)
    mask[0, 5:20, 8:40] = 1
    write_array("mask.tif", mask, grid)
    assert run(["evaluate", "empty.tif", "mask.tif", "--fail-under", "f1=0.9", "--json"]) == 4
    out, err = capsys.readouterr()
    content = json.loads(out)
    assert content["failed"] == ["f1 is 0.0000, below 0.9"] and content["pixel"]["f1"] == 0
    assert content["error"]["file"] == "empty.tif" and content["error"]["exit"] == 4
    assert err == "Error: empty.tif: f1 is 0.0000, below 0.9\n"


def test_verbose_names_model_gsd_and_windows(tmp_path: Path) -> None:
    grid = Grid(CRS(32637), Affine(0.3, 0, 500_000, 0, -0.3, 3_000_000), 96, 160)
    scene = tmp_path / "scene.tif"
    write_array(scene, np.full((3, *grid.shape), 90, "uint8"), grid)
    command = [*GEOSEG, "extract", str(scene), "-o", str(tmp_path / "a.gpkg"), "-v"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    for word in (" bundled, openvino", "device auto", "0.3 m", "window"):
        assert word in shown.stderr, shown.stderr
    quiet = subprocess.run(
        [*command[:-1], "--overwrite"], capture_output=True, text=True, check=True
    )
    assert quiet.stderr == ""


def test_closed_streams_are_no_bug(tmp_path: Path) -> None:
    for line in ("info gone.tif 2>&-", "info gone.tif 2>&- >&-", "info gone.tif --json >&-"):
        shown = subprocess.run(
            f"{sys.executable} -m geoseg {line}", shell=True, capture_output=True, cwd=tmp_path
        )
        assert shown.returncode == 3, (line, shown)
        assert b"bug" not in shown.stderr and b"Traceback" not in shown.stderr


def test_ctrl_c_is_answered_at_once_and_stops_within_a_second(tmp_path: Path) -> None:
    grid = Grid(CRS(32637), Affine(0.3, 0, 500_000, 0, -0.3, 3_000_000), 7000, 5000)
    scene = tmp_path / "scene.tif"
    noise = np.random.default_rng(7).integers(1, 255, (3, *grid.shape), "uint8")
    write_array(scene, noise, grid, options={"compress": "none"})
    process = subprocess.Popen(
        [*GEOSEG, "extract", str(scene), "-o", str(tmp_path / "a.gpkg")],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    time.sleep(5)  # it reads and predicts
    assert process.poll() is None
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    line = process.stderr.readline()
    word = time.monotonic() - start
    assert (line, process.wait(timeout=30)) == ("Error: interrupted\n", 130)
    assert word < 1 and time.monotonic() - start < LATE
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


# A second where nothing else runs: it is the time of one window
LATE = 5


def test_outputs_name_the_command(tmp_path: Path, capsys) -> None:
    assert provenance("a.tif")["GEOSEG_COMMAND"] == "geoseg (Python)"
    with recorded_as("geoseg.extract('a.tif')"):
        assert provenance("a.tif")["GEOSEG_COMMAND"] == "geoseg.extract('a.tif')"
    write_array(
        tmp_path / "m.tif", np.ones((1, 9, 14), "uint8"), Grid(None, Affine.identity(), 9, 14)
    )
    args = ["polygonize", str(tmp_path / "m.tif"), "-o", str(tmp_path / "m.gpkg"), "--pixel-coords"]
    assert run(args) == 0
    text = "".join(sqlite3.connect(tmp_path / "m.gpkg").iterdump())
    assert " ".join(["geoseg", *args]) in text
    assert run([*args, "--json"]) == 6
    failure = json.loads(capsys.readouterr().out.splitlines()[-1])["error"]
    assert failure["file"] == args[3] and failure["hint"] == "use --overwrite to replace it"


def test_every_command_groups_its_options(capsys) -> None:
    assert run(["extract", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    heads = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert heads == ["Input:", "Model:", "Footprints:", "Output:", "Common:"]
    for name in cli.list_commands(click.Context(cli)):
        assert run([name, "--help"]) == 0
        text = capsys.readouterr().out
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert all(
            max(p.opts, key=len) in text for p in command.params if isinstance(p, click.Option)
        )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.parametrize("words", [["models"], ["models", "--json"], ["--help"]])
def test_a_full_disk_behind_stdout(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run([*GEOSEG, *words], stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 6
    (line,) = ended.stderr.splitlines()
    assert line.startswith("Error: standard output: No space left on device")
