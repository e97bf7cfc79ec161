"""A scene computed by a Dask cluster is the scene computed here, to the bit."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from rasterio.windows import Window
from scipy import ndimage

from geoseg.errors import InputError, ResourceError
from geoseg.geometry.footprints import FootprintLabels, trace_footprints
from geoseg.geometry.morphology import MaskStrip
from geoseg.inference.session import LoadedModel
from geoseg.io.raster.write import write_array
from geoseg.parallel.cluster import connected
from geoseg.parallel.threads import Mapper, mapped
from geoseg.specs import Area, ExtractSpec, JobSpec, PredictSpec, RasterTarget
from geoseg.tools import extract, predict
from tests.clusters import PROCESSES, killer
from tests.scenes import buildings, grid, picture, write_scene

pytest.importorskip("onnx")
distributed = pytest.importorskip("distributed")
SPEC = PredictSpec(tile_size=64, overlap=16, precision="fp32")


@pytest.mark.parametrize("overlap", [0, 16, 40])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_cluster_gives_the_same(
    bits: int,
    overlap: int,
    scheduler: str,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OGR_CURRENT_DATE", "2026-01-02T03:04:05.000Z")
    mask = buildings(300, 415)
    pixels = picture(mask) if bits == 8 else picture(mask).astype(np.uint16) * 30 + 100
    scene = str(tmp_path / "scene.tif")
    write_array(Path(scene), pixels, grid(*mask.shape))
    spec = replace(SPEC, overlap=overlap)
    cluster = JobSpec(scheduler=scheduler)
    for name, job in (("here", JobSpec()), ("there", cluster)):
        target = RasterTarget(tmp_path / f"{name}.tif", "float32")
        predict.run([scene], target, spec, model=model, job=job)
        extract.run([scene], tmp_path / f"{name}.gpkg", spec, model=model, job=job)
    for suffix in ("tif", "gpkg"):
        here, there = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("here", "there"))
        assert here == there


@pytest.mark.parametrize("ridge", [True, False])
def test_workers_part_and_straighten_as_threads_do(ridge: bool, scheduler: str) -> None:
    field = ndimage.gaussian_filter(np.random.default_rng(5).standard_normal((330, 470)), 9)
    scores = (field / field.std()).astype(np.float32)
    margin = np.rint(100 * (0.8 - scores)).astype(np.int16) if ridge else None
    strips = [
        MaskStrip(part > 0.3, np.ones_like(part, bool), part, edge)
        for part, edge in (
            (scores[row : row + 40], None if margin is None else margin[row : row + 40])
            for row in range(0, 330, 40)
        )
    ]
    place = grid(*scores.shape)

    def found(mapper: Mapper) -> list[tuple[bytes, float]]:
        layers = trace_footprints(
            strips, place, FootprintLabels("a"), ExtractSpec(), Area(5.0), mapper=mapper
        )
        return [
            (shapely.to_wkb(geometry), iou)
            for layer in layers
            for geometry, iou in zip(
                layer.geometry, layer.columns["regularized_iou"].tolist(), strict=True
            )
        ]

    with connected(scheduler) as cluster:
        assert cluster is not None
        there = found(cluster.mapped)
    np.testing.assert_equal(there, found(mapped))
    assert len(there) > ndimage.label(scores > 0.3)[1] / 2


@pytest.fixture
def scenes(tmp_path: Path) -> list[str]:
    """Five scenes of different sizes, each of which shares ground with the next."""
    mask = buildings(620, 415)
    whole = grid(*mask.shape)
    found = []
    for number, top in enumerate(range(0, 500, 100)):
        window = Window(0, top, 415, 120 + 10 * number)
        rows = slice(top, top + window.height)
        path = write_scene(tmp_path / f"scene{number}.tif", mask[rows], whole.window(window))
        found.append(str(path))
    return found


@pytest.mark.parametrize("output", ["one.gpkg", "folder/"])
def test_many_scenes_are_shared_out_whole(
    output: str,
    scheduler: str,
    scenes: list[str],
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OGR_CURRENT_DATE", "2026-01-02T03:04:05.000Z")
    monkeypatch.setattr("geoseg.inference.cluster.cluster_strips", None)  # no blocks
    reports = []
    for name, job in (("here", JobSpec()), ("there", JobSpec(scheduler=scheduler))):
        (tmp_path / name).mkdir()
        target = f"{tmp_path / name}/{output}"
        reports.append(extract.run(scenes, target, SPEC, model=model, job=job))
    here, there = reports
    assert here.footprints == there.footprints > 50
    assert (here.pixels, here.runtime, here.warnings) == (
        there.pixels,
        there.runtime,
        there.warnings,
    )
    assert there.stages["forward"] > 0 and there.stages["trace"] > 0
    files = [sorted((tmp_path / name).rglob("*.gpkg")) for name in ("here", "there")]
    assert len(files[0]) == (1 if output == "one.gpkg" else 5)
    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]


def test_scenes_that_fail_are_left_out_or_end_the_job(
    scheduler: str, scenes: list[str], model: Path, tmp_path: Path
) -> None:
    Path(scenes[2]).write_bytes(b"no picture")
    target = tmp_path / "there.gpkg"
    with pytest.raises(InputError, match=r"scene2\.tif"):
        extract.run(scenes, target, SPEC, model=model, job=JobSpec(scheduler=scheduler))
    assert not target.exists()
    skip = JobSpec("skip", scheduler=scheduler)
    report = extract.run(scenes, target, SPEC, model=model, job=skip)
    assert list(report.failed) == [scenes[2]]
    extract.run(scenes, tmp_path / "here.gpkg", SPEC, model=model, job=JobSpec("skip"))
    assert gpd.read_file(target).equals(gpd.read_file(tmp_path / "here.gpkg"))


def test_a_model_goes_to_workers_by_its_name(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(model.read_bytes())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "area.gpkg").write_bytes(b"SQLite format 3\0")
    loaded = LoadedModel(Path("copy.onnx"), replace(SPEC, aoi=Path("area.gpkg")))
    content = pickle.dumps(loaded)
    monkeypatch.chdir("/")
    there = pickle.loads(content)
    assert there.path == copy and there.spec.aoi == tmp_path / "area.gpkg"
    assert pickle.loads(content) is there  # opened once
    monkeypatch.chdir(tmp_path)
    os.utime(copy, (1, 1))
    assert pickle.loads(pickle.dumps(loaded)) is not there  # another file by now


def test_nobody_answers(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geoseg.parallel.cluster._PATIENCE", 0.5)
    scene = str(write_scene(tmp_path / "scene.tif", buildings(70, 95)))
    nobody = JobSpec(scheduler="tcp://127.0.0.1:9")
    with pytest.raises(ResourceError, match="no Dask scheduler answers"):
        extract.run([scene], tmp_path / "b.gpkg", SPEC, model=model, job=nobody)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 6])
def test_a_worker_that_is_killed_changes_nothing(
    count: int, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OGR_CURRENT_DATE", "2026-01-02T03:04:05.000Z")
    shape = (900, 1215) if count == 1 else (150, 615)
    scenes = [
        str(write_scene(tmp_path / f"{number}.tif", buildings(*shape))) for number in range(count)
    ]
    extract.run(scenes, tmp_path / "here.gpkg", SPEC, model=model)
    with distributed.LocalCluster(**PROCESSES) as cluster:
        # who writes opens no model: it may have neither the memory nor the device for it
        monkeypatch.setattr("geoseg.inference.session.open_runtime", None)
        job = JobSpec(scheduler=cluster.scheduler_address)
        target = tmp_path / "there.gpkg"
        extract.run(scenes, target, SPEC, model=model, job=job, progress=killer(cluster))
    assert target.read_bytes() == (tmp_path / "here.gpkg").read_bytes()
