"""A scene computed by a Dask cluster is the scene computed here, to the bit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from geoseg.errors import ResourceError
from geoseg.report import Label
from geoseg.specs import JobSpec, PredictSpec, RasterTarget
from geoseg.tools import extract, predict
from tests.scenes import buildings, write_scene

pytest.importorskip("onnx")
distributed = pytest.importorskip("distributed")
SPEC = PredictSpec(tile_size=64, overlap=16, precision="fp32")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A scheduler with two workers in this process."""
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(processes=False, protocol="tcp", **settings) as cluster:
        yield cluster.scheduler_address


@pytest.mark.parametrize("overlap", [0, 16, 40])
def test_a_cluster_gives_the_same(
    overlap: int, address: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OGR_CURRENT_DATE", "2026-01-02T03:04:05.000Z")
    scene = str(write_scene(tmp_path / "scene.tif", buildings(300, 415)))
    spec = replace(SPEC, overlap=overlap)
    cluster = JobSpec(scheduler=address)
    for name, job in (("here", JobSpec()), ("there", cluster)):
        target = RasterTarget(tmp_path / f"{name}.tif", "float32")
        predict.run([scene], target, spec, model=model, job=job)
        extract.run([scene], tmp_path / f"{name}.gpkg", spec, model=model, job=job)
    for suffix in ("tif", "gpkg"):
        here, there = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("here", "there"))
        assert here == there


def test_nobody_answers(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geoseg.inference.cluster._PATIENCE", 0.5)
    scene = str(write_scene(tmp_path / "scene.tif", buildings(70, 95)))
    nobody = JobSpec(scheduler="tcp://127.0.0.1:9")
    with pytest.raises(ResourceError, match="no Dask scheduler answers"):
        extract.run([scene], tmp_path / "b.gpkg", SPEC, model=model, job=nobody)


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OGR_CURRENT_DATE", "2026-01-02T03:04:05.000Z")
    scene = str(write_scene(tmp_path / "scene.tif", buildings(900, 1215)))
    extract.run([scene], tmp_path / "here.gpkg", SPEC, model=model)
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(processes=True, **settings) as cluster:
        victim = cluster.workers[0].process.pid

        def killing(stage: Label, total: int) -> Callable[[int], None]:
            def step(count: int) -> None:
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)

            return step

        job = JobSpec(scheduler=cluster.scheduler_address)
        target = tmp_path / "there.gpkg"
        extract.run([scene], target, SPEC, model=model, job=job, progress=killing)
    assert target.read_bytes() == (tmp_path / "here.gpkg").read_bytes()
