"""Probability mosaics, read back with rasterio."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geoseg.errors import InputError, OutputError, UsageError
from geoseg.io.raster.write import write_array
from geoseg.specs import JobSpec, PredictSpec, RasterTarget
from geoseg.tools import predict
from tests.scenes import buildings, grid, picture, write_scene

pytest.importorskip("onnx")
MASK = buildings(300, 415)
SPEC = PredictSpec(tile_size=128, precision="fp32")


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "scene.tif", MASK)


def test_probabilities_are_a_cog_on_the_scenes_grid(
    model: Path, scene: Path, tmp_path: Path
) -> None:
    out = tmp_path / "prob.tif"
    report = predict.run([str(scene)], out, SPEC, model=model)
    with rasterio.open(out) as file, rasterio.open(scene) as source:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (file.shape, file.transform, file.crs) == (
            source.shape,
            source.transform,
            source.crs,
        )
        assert (file.dtypes, file.nodata, file.count) == (("uint8",), 255, 1)
        assert file.scales == pytest.approx((1 / 254,)) and file.descriptions == ("building",)
        assert file.tags()["GEOSEG_CLASSES"] == "background,building"
        assert file.tags()["GEOSEG_MODEL"].startswith("red.onnx ")
        assert ((file.read(1) * file.scales[0] >= 0.5) == MASK).all()
    assert report.pixels == MASK.size and report.windows > 6 and report.outputs == (str(out),)
    assert set(report.stages) == {"read", "forward", "blend", "write"}


def test_floats_and_classes(model: Path, scene: Path, tmp_path: Path) -> None:
    predict.run([str(scene)], RasterTarget(tmp_path / "float.tif", "float32"), SPEC, model=model)
    predict.run([str(scene)], RasterTarget(tmp_path / "class.tif", classes=True), SPEC, model=model)
    with rasterio.open(tmp_path / "float.tif") as file:
        assert file.dtypes == ("float32",) and np.isnan(file.nodata)
        assert ((file.read(1) >= 0.5) == MASK).all()
    with rasterio.open(tmp_path / "class.tif") as file:
        assert (file.read(1) == MASK).all() and file.nodata == 255


def test_nodata_stays_nodata(model: Path, tmp_path: Path) -> None:
    image = picture(MASK)
    image[:, :40, 90:] = 0
    write_array(tmp_path / "holed.tif", image, grid(*MASK.shape), nodata=0)
    predict.run([str(tmp_path / "holed.tif")], tmp_path / "prob.tif", SPEC, model=model)
    with rasterio.open(tmp_path / "prob.tif") as file:
        data = file.read(1)
    assert (data[:40, 90:] == 255).all() and (data[40:] < 255).all() and (data[:, :90] < 255).all()


def test_a_finer_scene_is_read_at_the_models_gsd_and_written_at_its_own(
    model: Path, tmp_path: Path
) -> None:
    fine = np.kron(MASK, np.ones((3, 3), bool))
    scene = write_scene(tmp_path / "fine.tif", fine, grid(*fine.shape, gsd=0.1))
    report = predict.run([str(scene)], tmp_path / "prob.tif", SPEC, model=model)
    assert report.gsd == pytest.approx(0.3, rel=1e-2)
    with rasterio.open(tmp_path / "prob.tif") as file:
        assert file.shape == fine.shape
        found = file.read(1) >= 127
    assert (found == fine).mean() > 0.97


def test_photos_without_a_crs_become_pngs(model: Path, tmp_path: Path) -> None:
    write_array(tmp_path / "photo.png", picture(MASK))
    predict.run([str(tmp_path / "photo.png")], tmp_path / "prob.png", SPEC, model=model)
    with rasterio.open(tmp_path / "prob.png") as file:
        assert file.driver == "PNG" and file.crs is None
        assert ((file.read(1) >= 127) == MASK).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png", "prob.png"]


def test_several_scenes_go_into_a_folder(model: Path, tmp_path: Path) -> None:
    scenes = [str(write_scene(tmp_path / f"{name}.tif", MASK)) for name in ("one", "two")]
    with pytest.raises(UsageError, match="folder"):
        predict.run(scenes, tmp_path / "prob.tif", SPEC, model=model)
    (tmp_path / "out").mkdir()
    predict.run(scenes, tmp_path / "out", SPEC, model=model)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one.tif", "two.tif"]


def test_an_existing_output_is_kept(model: Path, scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "prob.tif"
    out.write_text("mine")
    with pytest.raises(OutputError):
        predict.run([str(scene)], out, SPEC, model=model)
    assert out.read_text() == "mine"
    predict.run([str(scene)], RasterTarget(out, overwrite=True), SPEC, model=model)
    with rasterio.open(out) as file:
        assert file.shape == MASK.shape


def test_a_scene_damaged_half_way_leaves_nothing(model: Path, scene: Path, tmp_path: Path) -> None:
    content = scene.read_bytes()
    scene.write_bytes(content[: len(content) // 2])
    with pytest.raises(Exception, match=r"scene\.tif"):
        predict.run([str(scene)], tmp_path / "prob.tif", SPEC, model=model)
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def test_a_scene_that_fails_is_skipped(model: Path, scene: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes(scene.read_bytes()[: scene.stat().st_size * 2 // 3])
    scenes, out = [str(bad), str(scene)], RasterTarget(tmp_path / "out", is_folder=True)
    report = predict.run(scenes, out, SPEC, model=model, job=JobSpec(on_error="skip"))
    assert list(report.failed) == [str(bad)] and report.pixels == MASK.size
    assert report.outputs == (str(tmp_path / "out/scene.tif"),)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["scene.tif"]
    stopped = RasterTarget(tmp_path / "stopped", is_folder=True)
    with pytest.raises(InputError, match=r"bad\.tif"):
        predict.run(scenes, stopped, SPEC, model=model)
    words = ["predict", *scenes, "-o", f"{tmp_path}/again/", "-m", str(model)]
    done = subprocess.run(
        [sys.executable, "-m", "geoseg", *words, "--on-error", "skip", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 9 and list(json.loads(done.stdout)["failed"]) == [str(bad)]
    assert done.stderr.splitlines()[-1].startswith("Error: 1 of 2 scenes failed: ")


def test_of_scenes_that_all_fail_nothing_is_written(model: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"no raster at all")
    out = RasterTarget(tmp_path / "out", is_folder=True)
    report = predict.run([str(bad)], out, SPEC, model=model, job=JobSpec(on_error="skip"))
    assert list(report.failed) == [str(bad)] and not report.outputs and not report.windows
