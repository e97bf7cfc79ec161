"""Training on chips of a generated scene: it learns, resumes, refuses what cannot work, and its
model extracts.
"""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")

from scipy.ndimage import label

from geoseg.errors import InputError, OutputError, UnsuitableError, UsageError
from geoseg.evaluation.metrics import Counts, count
from geoseg.geometry.targets import distance
from geoseg.io.chip_index import read_index, write_index
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.models.modelfile import read_spec
from geoseg.specs import (
    ChipSpec,
    LabelledData,
    PolygonSpec,
    PredictSpec,
    RasterTarget,
    TrainSpec,
    TrainTarget,
    VectorTarget,
)
from geoseg.tools import evaluate_chips, export, extract, predict, tile, train, tune
from tests.scenes import buildings, grid, write_scene
from tests.tools.chips import QUICK, SMALL

MASK = buildings(256, 384, 61)
# The encoder pools over all of its window: a network that has learnt from crops of 64 pixels can
# fail at windows of 256. Chips, crops and windows are of one size here, and any seed will do.
SIDE = SMALL.crop
CUT = ChipSpec(size=SIDE, split=(0.7, 0.3, 0.0), split_by="random")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    write_scene(folder / "scene.tif", MASK)
    write_array(folder / "mask.tif", MASK.astype("uint8"), grid(*MASK.shape))
    tile.run([str(folder / "scene.tif")], folder / "chips", CUT, labels=folder / "mask.tif")
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> train.TrainReport:
    return train.run([str(folder / "chips")], folder / "model.safetensors", SMALL)


def test_it_learns_and_tells_so(trained: train.TrainReport, folder: Path) -> None:
    first, *_, last = trained.epochs
    assert [epoch["epoch"] for epoch in trained.epochs] == [1, 2, 3]
    assert last["loss"] < first["loss"] and last["iou"] > first["iou"] and trained.best["iou"] > 0.8
    assert trained.best["epoch"] == max(trained.epochs, key=lambda epoch: epoch["iou"])["epoch"]
    assert trained.images_per_second > 0 and trained.warnings == ()
    assert trained.start["iou"] < first["iou"] and trained.start["val_loss"] > last["val_loss"] > 0
    assert trained.test == {}
    run = folder / "model.safetensors.run"
    assert {
        "last.ckpt",
        "best.safetensors",
        "metrics.csv",
        "epochs.json",
        "start.json",
        "run.toml",
        "report.html",
    } == {path.name for path in run.iterdir()}
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert [float(row["iou_building"]) for row in rows] == [
        epoch["iou"] for epoch in trained.epochs
    ]


def test_the_best_epoch_is_told_by_class_and_threshold(trained: train.TrainReport) -> None:
    best = trained.best
    (background, missed), (wrong, found) = best["confusion"]
    assert best["precision"] == pytest.approx(found / (found + missed), abs=1e-5)
    assert best["recall"] == pytest.approx(found / (found + wrong), abs=1e-5)
    assert best["accuracy"] == pytest.approx(
        (background + found) / np.sum(best["confusion"]), abs=1e-5
    )
    assert best["iou"] == best["classes"]["building"]["iou"] == best["thresholds"]["0.5"]["iou"]
    recalls = [ratios["recall"] for ratios in best["thresholds"].values()]
    assert (
        len(recalls) == 9 and recalls == sorted(recalls, reverse=True) and recalls[0] > recalls[-1]
    )


def test_the_model_file_knows_what_it_was_trained_on(trained: train.TrainReport) -> None:
    spec = read_spec(trained.model)
    assert (spec.architecture, spec.encoder, spec.bands, spec.dtype) == (
        "unet",
        "tu-mobilenetv3_small_050",
        3,
        "uint8",
    )
    assert spec.gsd == pytest.approx(0.3, rel=1e-2) and spec.classes == ("background", "building")
    assert spec.global_context and spec.size == SIDE  # it has squeeze-and-excitation


def test_the_model_extracts_and_so_does_its_export(
    trained: train.TrainReport, folder: Path, tmp_path: Path
) -> None:
    # in windows of the crops that it learned from, for it looks at all of a window
    export.run(Path(trained.model), tmp_path / "model.onnx")
    masks = []
    for name in (trained.model, tmp_path / "model.onnx"):
        spec = PredictSpec(precision="fp32")
        predict.run(
            [str(folder / "scene.tif")],
            RasterTarget(tmp_path / "p.tif", overwrite=True),
            spec,
            model=Path(name),
        )
        masks.append(read_array(tmp_path / "p.tif")[0][0])
        assert count(masks[-1] >= 127, MASK).iou > 0.8
        extract.run(
            [str(folder / "scene.tif")],
            VectorTarget(tmp_path / "b.gpkg", overwrite=True),
            spec,
            PolygonSpec(),
            model=Path(name),
        )
        assert len(gpd.read_file(tmp_path / "b.gpkg")) > 5
    assert np.abs(masks[0].astype(int) - masks[1]).max() <= 3


def test_the_same_seed_gives_the_same_weights(folder: Path, tmp_path: Path) -> None:
    reports = [
        train.run([str(folder / "chips")], tmp_path / f"{name}.safetensors", QUICK)
        for name in ("one", "two")
    ]
    assert [epoch["loss"] for epoch in reports[0].epochs] == [
        epoch["loss"] for epoch in reports[1].epochs
    ]
    assert (tmp_path / "one.safetensors").read_bytes() == (
        tmp_path / "two.safetensors"
    ).read_bytes()


def test_a_run_goes_on_from_its_last_epoch(folder: Path, tmp_path: Path) -> None:
    data, out = [str(folder / "chips")], tmp_path / "model.safetensors"
    short = TrainSpec(**{**vars(QUICK), "epochs": 1, "schedule": "constant"})
    train.run(data, out, short)
    with pytest.raises(OutputError, match="holds another run"):
        train.run(
            data,
            TrainTarget(tmp_path / "other.safetensors", run_dir=tmp_path / "model.safetensors.run"),
            short,
        )
    longer = TrainSpec(**{**vars(short), "epochs": 2})
    report = train.run(data, TrainTarget(out, resume=True, overwrite=True), longer)
    assert [epoch["epoch"] for epoch in report.epochs] == [1, 2]


def test_fine_tuning_starts_from_the_other_models_weights(
    trained: train.TrainReport, folder: Path, tmp_path: Path
) -> None:
    gentle = TrainSpec(**{**vars(SMALL), "epochs": 1, "lr": 1e-6, "samples": 8})
    report = train.run(
        [str(folder / "chips")], tmp_path / "fine.safetensors", gentle, init=Path(trained.model)
    )
    assert report.best["iou"] > 0.8


def test_a_model_that_knows_boundaries_learns_from_whole_buildings_and_keeps_them(
    folder: Path, tmp_path: Path
) -> None:
    """Chips of two classes tell it no boundary: it is trained, scored and tuned by whole buildings,
    and parts them still.
    """
    edges = distance(label(MASK)[0].astype("uint32"), (0.3, 0.3), 0.6) <= np.float32(0.6)
    labels = np.where(MASK, 1 + edges, 0).astype("uint8")
    write_array(
        tmp_path / "edges.tif",
        labels,
        grid(*MASK.shape),
        tags={"GEOSEG_CLASSES": "background,building,boundary"},
    )
    tile.run([str(folder / "scene.tif")], tmp_path / "chips", CUT, labels=tmp_path / "edges.tif")
    knows = tmp_path / "knows.safetensors"
    best = train.run([str(tmp_path / "chips")], knows, replace(SMALL, epochs=8)).best
    assert best["classes"]["boundary"]["iou"] > 0.6
    gentle = replace(SMALL, epochs=1, lr=1e-5, samples=16)
    report = train.run([str(folder / "chips")], tmp_path / "more.safetensors", gentle, init=knows)
    assert (
        report.best["iou"] == report.best["classes"]["building"]["iou"] > 0.8
        and "boundary" not in report.best["classes"]
    )
    assert read_spec(report.model).classes == ("background", "building", "boundary")
    agree = []
    for model in (knows, report.model):
        predict.run(
            [str(folder / "scene.tif")],
            RasterTarget(tmp_path / "p.tif", overwrite=True),
            PredictSpec(tile_size=SIDE),
            model=Path(model),
        )
        agree.append(count(read_array(tmp_path / "p.tif")[0].argmax(0) == 2, labels == 2).iou)
    assert agree[1] > agree[0] - 0.05 > 0.6
    scores = evaluate_chips.run(LabelledData.of(folder / "chips", "val"), Path(report.model))
    assert (
        scores.pixel["iou"] == pytest.approx(report.best["iou"], abs=0.05)
        and scores.object["tp"] > 0
    )
    tuned = tune.run(folder / "chips", tmp_path / "tuned.safetensors", model=Path(report.model))
    assert (
        tuned.after["f1"] >= tuned.before["f1"]
        and len(read_spec(tmp_path / "tuned.safetensors").classes) == 3
    )


@pytest.mark.parametrize("arch", ["cnn", "fcn8s"])
def test_the_seed_architectures_train(arch: str, folder: Path, tmp_path: Path) -> None:
    options = (("hidden", 32),) if arch == "fcn8s" else ()
    spec = TrainSpec(
        arch=arch, options=options, epochs=1, batch_size=2, samples=4, crop=64, precision="bf16"
    )
    report = train.run([str(folder / "chips")], tmp_path / f"{arch}.safetensors", spec)
    assert np.isfinite(report.epochs[0]["loss"]) and read_spec(report.model).architecture == arch


def test_what_cannot_be_trained_on_is_refused(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    with pytest.raises(InputError, match="has no index"):
        train.run([str(tmp_path)], out, SMALL)
    scene, chips = str(folder / "scene.tif"), tmp_path / "bare"
    tile.run([scene], chips, ChipSpec(size=128))
    with pytest.raises(UnsuitableError, match="no mask"):
        train.run([str(chips)], out, SMALL)
    tile.run(
        [scene], tmp_path / "test", ChipSpec(size=128, split=(0, 0, 1)), labels=folder / "mask.tif"
    )
    with pytest.raises(UnsuitableError, match="train split is empty"):
        train.run([str(tmp_path / "test")], out, SMALL)
    with pytest.raises(UsageError, match="unknown architecture"):
        train.run([str(folder / "chips")], out, TrainSpec(arch="nonesuch"))
    write_array(tmp_path / "nothing.tif", np.zeros_like(MASK, "uint8"), grid(*MASK.shape))
    tile.run([scene], tmp_path / "plain", ChipSpec(size=128), labels=tmp_path / "nothing.tif")
    with pytest.raises(UnsuitableError, match="of a single class"):
        train.run([str(tmp_path / "plain")], out, SMALL)
    index = read_index(tmp_path / "plain")
    write_index(
        index.folder,
        index.table.to_dict("records"),
        replace(index.info, classes=("building",)),
        index.table.crs,
    )
    with pytest.raises(UnsuitableError, match="names a single class"):
        train.run([str(tmp_path / "plain")], out, SMALL)
    assert not out.exists()


def test_a_mask_that_is_missing_or_damaged_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "chips", tmp_path / "chips")
    index = read_index(tmp_path / "chips")
    *_, last = index.folder / index.split("train")["mask"]
    last.write_bytes(last.read_bytes()[:300])
    spec = replace(SMALL, arch="cnn", encoder=None, options=())
    with pytest.raises(InputError, match=last.name) as caught:
        train.run([str(tmp_path / "chips")], tmp_path / "m.safetensors", spec)
    assert "\n" not in str(caught.value)
    last.unlink()
    with pytest.raises(InputError, match=f"{last.name}: does not exist"):
        train.run([str(tmp_path / "chips")], tmp_path / "n.safetensors", spec)


def test_a_loss_that_is_no_number_stops_the_run(folder: Path, tmp_path: Path) -> None:
    wild = TrainSpec(**{**vars(SMALL), "lr": 1e30, "schedule": "constant"})
    with pytest.raises(UnsuitableError, match=r"the loss became nan in epoch 1, batch \d"):
        train.run([str(folder / "chips")], tmp_path / "m.safetensors", wild)
    assert not (tmp_path / "m.safetensors").exists()


def test_without_a_val_split_the_last_epoch_is_kept_and_said_so(
    folder: Path, tmp_path: Path
) -> None:
    chips = tmp_path / "chips"
    tile.run(
        [str(folder / "scene.tif")],
        chips,
        ChipSpec(size=128, split=(1, 0, 0)),
        labels=folder / "mask.tif",
    )
    spec = TrainSpec(**{**vars(SMALL), "epochs": 1, "samples": 8})
    report = train.run([str(chips)], tmp_path / "m.safetensors", spec)
    assert "val split is empty" in report.warnings[0] and "iou" not in report.best


def test_the_test_split_is_scored_by_the_model_that_is_kept(folder: Path, tmp_path: Path) -> None:
    chips = tmp_path / "chips"
    spec = ChipSpec(size=64, split=(0.4, 0.3, 0.3), split_by="random")
    tile.run([str(folder / "scene.tif")], chips, spec, labels=folder / "mask.tif")
    report = train.run([str(chips)], tmp_path / "m.safetensors", QUICK)
    index = read_index(chips)
    total = Counts()
    for image, mask in zip(*(index.split("test")[name] for name in ("image", "mask")), strict=True):
        predict.run(
            [str(index.folder / image)],
            RasterTarget(tmp_path / "p.tif", dtype="float32", overwrite=True),
            PredictSpec(tile_size=64, precision="fp32"),
            model=Path(report.model),
        )
        probability = read_array(tmp_path / "p.tif")[0][0]
        total += count(probability >= 0.5, read_array(index.folder / mask)[0][0] == 1)
    assert report.test["iou"] == pytest.approx(total.iou, abs=2e-3)
    assert report.test["accuracy"] == pytest.approx(total.accuracy, abs=2e-3)


def test_a_damaged_test_chip_costs_its_scores_alone(folder: Path, tmp_path: Path) -> None:
    chips = tmp_path / "chips"
    spec = ChipSpec(size=64, split=(0.4, 0.3, 0.3), split_by="random")
    tile.run([str(folder / "scene.tif")], chips, spec, labels=folder / "mask.tif")
    index = read_index(chips)
    (index.folder / index.split("test")["mask"].iloc[0]).write_bytes(b"nothing")
    report = train.run([str(chips)], tmp_path / "m.safetensors", QUICK)
    assert Path(report.model).is_file() and report.test == {}
    assert "the test split was not scored" in report.warnings[-1]
