"""Networks that learn multi-label classes, from chips and straight from a scene."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

pytest.importorskip("onnx")

from geoseg.errors import UnsuitableError
from geoseg.io.raster.scene import read_array
from geoseg.models.store import read_spec
from geoseg.specs import (
    LabelledData,
    PolygonSpec,
    RasterTarget,
    TrainSpec,
)
from geoseg.tools import (
    evaluate_chips,
    export,
    polygonize,
    predict,
    tile,
    train,
    tune,
)
from tests.tools.chips import SMALL
from tests.tools.multilabel_town import CUT, KINDS, make_town
from tests.tools.test_boundaries import GRID, SPEC, matched

LEARNT = replace(SMALL, epochs=4, samples=96, foreground=0.5, hard=0.2)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_town(tmp_path_factory.mktemp("town"))


def footprints(path: Path) -> gpd.GeoDataFrame:
    return gpd.read_file(path, layer="footprints")


def test_learnt_exported_and_parted(town: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("lightning")
    report = train.run([str(town / "chips")], tmp_path / "m.safetensors", LEARNT)
    assert read_spec(tmp_path / "m.safetensors").multilabel
    assert (
        list(report.best["classes"]) == list(KINDS)
        and report.best["classes"]["boundary"]["iou"] > 0.6
    )
    assert "boundary" in Path(report.page).read_text()
    assert export.run(tmp_path / "m.safetensors", tmp_path / "m.onnx", tile_size=96).bytes > 0
    for name in ("m.safetensors", "m.onnx"):
        predict.run(
            [str(town / "scene.tif")],
            RasterTarget(tmp_path / f"{name}.tif", dtype="float32"),
            SPEC,
            model=tmp_path / name,
        )
    ours, theirs = (read_array(tmp_path / f"{name}.tif")[0] for name in ("m.safetensors", "m.onnx"))
    assert ours.shape == (3, *GRID.shape) and np.abs(ours - theirs).mean() < 0.01
    polygonize.run(tmp_path / "m.onnx.tif", tmp_path / "b.gpkg", PolygonSpec())
    layer = footprints(tmp_path / "b.gpkg")
    assert len(layer) > 30 and np.mean(matched(layer) > 0.5) > 0.8
    scores = evaluate_chips.run(
        LabelledData.of(town / "chips", "val"),
        tmp_path / "m.onnx",
        thresholds=(0.3, 0.7),
        predict_spec=SPEC,
    )
    assert (
        scores.pixel["classes"]["footprint"]["iou"] > 0.8
        and scores.threshold == 0.5
        and scores.object == {}
    )
    assert [(row["threshold"], row["class"]) for row in scores.thresholds][:4] == [
        (0.3, "footprint"),
        (0.3, "boundary"),
        (0.3, "contact"),
        (0.5, "footprint"),
    ]
    with pytest.raises(UnsuitableError, match="a threshold is for two"):
        tune.run(town / "chips", tmp_path / "t.onnx", model=tmp_path / "m.onnx")


def test_straight_from_a_scene_and_from_a_model(town: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("lightning")
    quick = TrainSpec(
        arch="cnn",
        epochs=1,
        samples=8,
        batch_size=4,
        crop=32,
        precision="fp32",
        class_weights="auto",
    )
    scene, kinds = str(town / "scene.tif"), town / "kinds.tif"
    split = (0.5, 0.5, 0.0)
    train.run([scene], tmp_path / "m.safetensors", quick, labels=kinds, split=split)
    spec = read_spec(tmp_path / "m.safetensors")
    assert spec.classes == KINDS and spec.channels == 3
    again = tmp_path / "again.safetensors"
    train.run([str(town / "chips")], again, quick, init=tmp_path / "m.safetensors")
    assert read_spec(again) == replace(spec, size=32)
    tile.run([scene], tmp_path / "edges", CUT, labels=town / "truth.gpkg")
    fewer = train.run([str(tmp_path / "edges")], tmp_path / "two.safetensors", quick, init=again)
    assert "has 3 multi-label classes, the data 2 classes" in fewer.warnings[0]
    with pytest.raises(UnsuitableError, match="classes differ"):
        train.run(
            [str(town / "chips"), str(tmp_path / "edges")], tmp_path / "both.safetensors", quick
        )
    with pytest.raises(UnsuitableError, match="predicts the classes"):
        evaluate_chips.run(LabelledData.of(tmp_path / "edges", "val"), again)
