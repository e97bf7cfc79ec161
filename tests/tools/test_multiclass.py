"""Several classes all the way: prepared, trained on, predicted, exported, traced, compared."""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnx")

from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.models.store import read_spec
from geoseg.specs import (
    ChipSpec,
    LabelledData,
    PixelReference,
    PolygonSpec,
    PredictSpec,
    PrepareSpec,
    RasterTarget,
    TrainSpec,
)
from geoseg.tools import evaluate, evaluate_chips, export, polygonize, predict, prepare, tile, train
from tests.scenes import GROUND, ROOF, buildings, grid
from tests.tools.chips import SMALL

NAMES = ("ground", "building", "water")
WATER = (40, 60, 160)


def follow(
    chips: Path, folder: Path, spec: TrainSpec
) -> tuple[evaluate_chips.DataReport, Path, Path]:
    """Train on ``chips``, then take the first chip to validate all the way; its classes and its
    mask.
    """
    index = read_index(chips)
    model = folder / "m.safetensors"
    train.run([str(chips)], model, spec)
    assert read_spec(model).classes == index.info.classes
    export.run(model, folder / "m.onnx", tile_size=128)
    row = index.split("val").iloc[0]
    image, mask = (str(index.folder / row[name]) for name in ("image", "mask"))
    window = PredictSpec(precision="fp32", tile_size=128)
    for name in ("m.safetensors", "m.onnx"):
        target = RasterTarget(folder / f"{name}.tif", "float32")
        predict.run([image], target, window, model=folder / name)
    ours, theirs = (read_array(folder / f"{name}.tif")[0] for name in ("m.safetensors", "m.onnx"))
    assert len(ours) == len(index.info.classes) and np.abs(ours.sum(axis=0) - 1).max() < 1e-4
    assert np.abs(ours - theirs).mean() < 0.01
    with rasterio.open(folder / "m.onnx.tif") as file:
        assert file.descriptions == index.info.classes
    target = RasterTarget(folder / "classes.tif", classes=True)
    predict.run([image], target, window, model=model)
    assert (read_array(folder / "classes.tif")[0][0] == ours.argmax(axis=0)).all()
    scores = evaluate.run(folder / "classes.tif", mask).pixel
    assert set(scores["classes"]) <= set(index.info.classes)
    return (
        evaluate_chips.run(LabelledData.of(chips, "val"), model, predict_spec=window),
        folder / "classes.tif",
        Path(mask),
    )


def test_a_scene_of_three_classes(tmp_path: Path) -> None:
    height, width = 192, 320
    classes = buildings(height, width, 61).astype("uint8")
    classes[80:110] = 2
    colours = np.array([GROUND, ROOF, WATER], "uint8")[classes].transpose(2, 0, 1)
    noise = np.random.default_rng(0).integers(0, 20, colours.shape, "uint8")
    write_array(tmp_path / "scene.tif", colours + noise, grid(height, width))
    tags = {"GEOSEG_KIND": "classes", "GEOSEG_CLASSES": ",".join(NAMES)}
    write_array(tmp_path / "mask.tif", classes, grid(height, width), tags=tags)
    cut = ChipSpec(size=96, split=(0.6, 0.4, 0.0), split_by="random", seed=2)
    tile.run([str(tmp_path / "scene.tif")], tmp_path / "chips", cut, labels=tmp_path / "mask.tif")
    report, found, _ = follow(tmp_path / "chips", tmp_path, SMALL)
    assert list(report.pixel["classes"]) == list(NAMES) and report.pixel["accuracy"] > 0.8
    assert report.object == {} and report.threshold is None
    polygonize.run(found, tmp_path / "out.gpkg", PolygonSpec())
    assert set(gpd.read_file(tmp_path / "out.gpkg", layer="footprints")["class"]) <= {
        "building",
        "water",
    }


@pytest.mark.slow
def test_camvid(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "camvid"
    if not source.is_dir():
        pytest.skip("no CamVid")
    for part, count in (("train", 9), ("val", 2)):
        for folder in (part, f"{part}annot"):
            (tmp_path / "camvid" / folder).mkdir(parents=True)
            for path in sorted((source / folder).iterdir())[:count]:
                shutil.copy(path, tmp_path / "camvid" / folder)
    prepare.run("camvid", tmp_path / "camvid", tmp_path / "chips", PrepareSpec())
    spec = TrainSpec(arch="cnn", epochs=1, samples=16, batch_size=4, crop=96, precision="fp32")
    report, found, mask = follow(tmp_path / "chips", tmp_path, spec)
    assert report.chips == 2 and len(report.pixel["classes"]) > 8
    assert read_array(found)[0].shape == read_array(mask)[0].shape == (1, 360, 480)
    polygonize.run(
        found, tmp_path / "out.gpkg", PolygonSpec(), reference=PixelReference(pixel_coords=True)
    )
    assert set(gpd.read_file(tmp_path / "out.gpkg", layer="footprints")["class"]) <= set(
        read_spec(tmp_path / "m.onnx").classes
    )
