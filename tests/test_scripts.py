"""The benchmarks, the recipes and the scripts of docs/ start, and name options that exist."""

from __future__ import annotations

import json
import math
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import click
import pytest

from geoseg.cli.main import cli
from tests.scenes import red_model

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = [ROOT / "benchmarks", ROOT / "docs", ROOT / "docs" / "recipes"]
SCRIPTS = [path for folder in FOLDERS for path in sorted(folder.glob("*.py"))]
RECIPES = sorted((ROOT / "docs" / "recipes").glob("*.sh"))
# Packages that no extra of geoseg brings
NEEDED = {"default_model_int8": "nncf"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_script_starts(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if package := NEEDED.get(path.stem):
        pytest.importorskip(package)
    monkeypatch.syspath_prepend(path.parent)  # as python PATH does
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    if "ArgumentParser" in path.read_text("utf-8"):
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(path), run_name="__main__")
        assert end.value.code == 0
        assert f"usage: {path.name}" in capsys.readouterr().out
    else:
        assert runpy.run_path(str(path), run_name="imported")["__doc__"]


def unknown_options(script: str) -> list[str]:
    """Options after ``geoseg COMMAND`` in a shell script that the command does not have."""
    found = []
    joined = script.replace("\\\n", " ")
    for name, words in re.findall(r"\bgeoseg ([a-z]+)\b([^|;)\n]*)", re.sub("#.*", "", joined)):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, name
        known = {word for option in command.params for word in option.opts + option.secondary_opts}
        used = re.findall(r"(?<=\s)--?[a-z][a-z-]*", words)
        found += [f"{name} {word}" for word in used if word not in known]
    return found


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_a_shell_script_of_options_that_exist(path: Path) -> None:
    done = subprocess.run(["bash", "-n", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    script = path.read_text("utf-8")
    assert "geoseg " in script
    assert unknown_options(script) == []


def test_an_option_that_does_not_exist_is_seen() -> None:
    script = (
        "[ -d a ] || geoseg tile a \\\n    --size 3 --sise 4 -o b | cut -z\n# geoseg tile --no\n"
    )
    assert unknown_options(script) == ["tile --sise"]


def test_what_a_gpu_is_needed_for_starts_without_one() -> None:
    pytest.importorskip("lightning")
    done = subprocess.run(
        ["bash", "benchmarks/gpu.sh", "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHON": sys.executable},
    )
    assert done.returncode == 0, done.stderr
    assert "usage: gpu.py" in done.stdout


def test_operations_of_convolutions_are_counted(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    convolution = runpy.run_path(str(ROOT / "benchmarks" / "convolution.py"))
    image = onnx.TensorProto.FLOAT
    weights = {"one": (6, 1, 3, 5), "two": (6, 4, 2, 2), "three": (6, 4, 1, 1)}
    make = onnx.helper
    nodes = [
        make.make_node("Conv", ["image", "one"], ["a"], group=3, strides=[2, 2], pads=[1, 2, 1, 2]),
        make.make_node("ConvTranspose", ["a", "two"], ["b"], strides=[2, 2]),
        make.make_node("Conv", ["b", "three"], ["c"]),
    ]
    graph = make.make_graph(
        nodes,
        "three layers",
        [make.make_tensor_value_info("image", image, ["batch", 3, "height", "width"])],
        [make.make_tensor_value_info("c", image, None)],
        [make.make_tensor(n, image, s, [0.5] * math.prod(s)) for n, s in weights.items()],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "model.onnx")
    # of 40 x 40 pixels the first layer makes 20 x 20, of which the second uses each 2 x 2 times
    by_hand = 20**2 * 6 * 3 * 5 + 20**2 * 6 * 4 * 2 * 2 + 40**2 * 4 * 6
    assert convolution["operations"](tmp_path / "model.onnx", 3, 40) == 2 * by_hand


@pytest.mark.slow
def test_extract_is_set_against_its_forward_passes(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    model = red_model(tmp_path / "red.onnx")
    words = ["--size", "600", "--rounds", "1", "--precision", "fp32", "--seconds", "0.01"]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/extract.py", model, *words, "--json", "found.json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert [goal["name"] for goal in found["goals"]] == ["G1", "G2", "G1", "G2", "G3"]
    assert {len(runs) for runs in found["runs"].values()} == {1}
    passes = found["notes"]["forward passes, fp32"]
    assert [len(one["seconds"]) for one in passes] == [1]  # a window as large as the scene
    assert all(f"| {goal['measured']} |" in done.stdout for goal in found["goals"])
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
