"""A run that was interrupted goes on, and writes what an undisturbed one does, byte by byte."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from geoseg.errors import UsageError
from geoseg.report import Label
from geoseg.specs import (
    ExtractTarget,
    JobSpec,
    ModelSpec,
    PolygonSpec,
    PredictSpec,
    RasterTarget,
)
from geoseg.tools import extract, predict
from tests.scenes import buildings, red_model, write_scene

pytest.importorskip("onnx")
SPEC = PredictSpec(tile_size=64, overlap=16, precision="fp32")
RESUME = JobSpec(resume=True)
# background, building and boundary by the colours of the scenes
PARTS = ModelSpec("red", classes=("background", "building", "boundary"), margin=0)
# Runs a command and dies of SIGKILL after so many windows
DYING = """
import os, signal, sys
from geoseg.cli import show
from geoseg.cli.main import run

left = int(sys.argv[1])
def shown(stage, total):
    def step(count):
        global left
        left -= count
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return step
show.no_progress = shown
sys.exit(run(sys.argv[2:]))
"""


@pytest.fixture(autouse=True)
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGR_CURRENT_DATE", "2026-01-02T03:04:05.000Z")


@pytest.fixture
def scene(tmp_path: Path) -> str:
    return str(write_scene(tmp_path / "scene.tif", buildings(300, 415)))


class Stop(Exception):
    pass


def stopping(after: int) -> Callable[[Label, int], Callable[[int], None]]:
    """Progress that ends the work after so many windows."""

    def shown(stage: Label, total: int) -> Callable[[int], None]:
        done = 0

        def step(count: int) -> None:
            nonlocal done
            done += count
            if done > after:
                raise Stop

        return step

    return shown


def test_footprints_of_a_run_that_was_stopped(model: Path, scene: str, tmp_path: Path) -> None:
    spec = PolygonSpec(regularize="orthogonal", separate="watershed")
    seen: list[int] = []

    def counting(stage: Label, total: int) -> Callable[[int], None]:
        return seen.append

    def run(name: str, job: JobSpec, progress: object) -> None:
        extract.run(
            [scene],
            tmp_path / name,
            SPEC,
            spec,
            model=model,
            job=job,
            progress=progress,  # type: ignore[arg-type]
        )

    run("whole.gpkg", JobSpec(), counting)
    for after in (3, 10, 20, 30, 42):
        with pytest.raises(Stop):
            run("b.gpkg", RESUME, stopping(after))
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            ".b.gpkg.resume", "scene.tif", "whole.gpkg"
        ]  # fmt: skip
    windows, rows = sum(seen), 0
    seen.clear()
    run("b.gpkg", RESUME, counting)
    assert seen[0] > 30 and sum(seen) == windows and rows == 0
    assert (tmp_path / "b.gpkg").read_bytes() == (tmp_path / "whole.gpkg").read_bytes()
    assert not (tmp_path / ".b.gpkg.resume").exists()


def test_probabilities_of_a_run_that_was_stopped(scene: str, tmp_path: Path) -> None:
    weights = ((-20, 20, 0), (20, -20, 0), (3, 1, -6))
    model = red_model(tmp_path / "parts.onnx", PARTS, weights)
    whole = RasterTarget(tmp_path / "whole.tif", "float32")
    resumed = replace(whole, output=tmp_path / "p.tif")
    predict.run([scene], whole, SPEC, model=model)
    for after in (5, 25):
        with pytest.raises(Stop):
            predict.run([scene], resumed, SPEC, model=model, job=RESUME, progress=stopping(after))
    predict.run([scene], resumed, SPEC, model=model, job=RESUME)
    assert (tmp_path / "p.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


def test_other_settings_are_refused(model: Path, scene: str, tmp_path: Path) -> None:
    target = ExtractTarget(tmp_path / "b.gpkg")
    with pytest.raises(Stop):
        extract.run([scene], target, SPEC, model=model, job=RESUME, progress=stopping(20))
    for other in (replace(SPEC, overlap=8), replace(SPEC, tta="flips")):
        with pytest.raises(UsageError, match=r"different scenes or settings"):
            extract.run([scene], target, other, model=model, job=RESUME)
    write_scene(Path(scene), np.roll(buildings(300, 415), 3, axis=1), overwrite=True)
    with pytest.raises(UsageError, match=r"different scenes or settings"):
        extract.run([scene], target, SPEC, model=model, job=RESUME)


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "suffix"), [("extract", "gpkg"), ("predict", "tif")])
def test_killed_five_times(verb: str, suffix: str, model: Path, scene: str, tmp_path: Path) -> None:
    def command(output: str) -> list[str]:
        settings = ["--tile-size", "64", "--precision", "fp32", "--resume"]
        return [verb, scene, "-m", str(model), *settings, "-o", output]

    def run(*called: str) -> int:
        code = subprocess.run([sys.executable, *called], cwd=tmp_path, timeout=120).returncode
        return code

    (tmp_path / "once").mkdir()
    output = f"out.{suffix}"
    assert run("-m", "geoseg", *command(output)) == 0
    whole = (tmp_path / output).read_bytes()
    (tmp_path / output).unlink()
    for after in (0, 9, 17, 25, 40):
        assert run("-c", DYING, str(after), *command(output)) == -9
    assert run("-m", "geoseg", *command(output)) == 0
    assert (tmp_path / output).read_bytes() == whole
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
