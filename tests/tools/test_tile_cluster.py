"""Chips that the workers of a Dask cluster cut are those of one machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from geoseg.errors import SettingError
from geoseg.specs import ChipSpec, FolderTarget
from geoseg.tools import tile
from tests.clusters import PROCESSES, killer
from tests.scenes import buildings, write_scene

distributed = pytest.importorskip("distributed")


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("format", ["tif", "png"])
def test_a_cluster_cuts_the_same(
    format: str, scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scenes = ["b.tif", "a.tif"]
    for name, height in zip(scenes, (200, 300), strict=True):
        mask = buildings(height, 415)
        write_scene(tmp_path / name, mask)
    spec = ChipSpec(size=64, overlap=16, rescale="percentile:2,98", format=format, split_by="scene")
    reports = [
        tile.run(scenes, name, spec, scheduler=address)
        for name, address in (("here", None), ("there", scheduler))
    ]
    assert reports[0].chips == reports[1].chips > 40
    assert content(tmp_path / "here") == content(tmp_path / "there")


def test_masks_and_a_resumed_run(
    scheduler: str, sample_scene: Path, sample_footprints: Path, tmp_path: Path
) -> None:
    spec = ChipSpec(size=256, max_nodata=0.5)
    labels = {"labels": sample_footprints}
    tile.run([str(sample_scene)], tmp_path / "here", spec, **labels)
    target = FolderTarget(tmp_path / "there", resume=True)
    steps: list[int] = []

    def stopped(count: int) -> None:
        steps.append(count)
        if len(steps) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tile.run(
            [str(sample_scene)],
            target,
            spec,
            **labels,
            scheduler=scheduler,
            progress=lambda stage, total: stopped,
        )
    tile.run([str(sample_scene)], target, spec, **labels, scheduler=scheduler)
    assert content(tmp_path / "here") == content(tmp_path / "there")
    assert any(name.startswith("masks/") for name in content(tmp_path / "there"))


def test_processes_and_a_cluster_do_not_go_together(tmp_path: Path) -> None:
    scene = str(write_scene(tmp_path / "scene.tif", buildings(70, 95)))
    with pytest.raises(SettingError, match="does not go with `scheduler`"):
        tile.run([scene], tmp_path / "chips", ChipSpec(size=32), jobs=2, scheduler="tcp://here:1")


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_nothing(tmp_path: Path) -> None:
    scene = str(write_scene(tmp_path / "scene.tif", buildings(700, 915)))
    spec = ChipSpec(size=32, overlap=16)
    tile.run([scene], tmp_path / "here", spec)
    with distributed.LocalCluster(**PROCESSES) as cluster:
        tile.run(
            [scene],
            tmp_path / "there",
            spec,
            scheduler=cluster.scheduler_address,
            progress=killer(cluster),
        )
    assert content(tmp_path / "here") == content(tmp_path / "there")
