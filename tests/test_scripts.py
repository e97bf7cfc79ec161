"""The benchmarks, the recipes and the scripts of docs/ start, and name options that exist."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import click
import pytest

from geoseg.cli.main import cli

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
