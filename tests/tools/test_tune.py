"""The threshold, area and confidence found are those that an exhaustive look finds, and the file
keeps its weights.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

pytest.importorskip("onnx")

from geoseg.errors import UnsuitableError, UsageError
from geoseg.io.raster.write import write_array
from geoseg.models.metadata import rewrite
from geoseg.models.store import read_spec
from geoseg.specs import (
    Area,
    ChipSpec,
    ExtractSpec,
    LabelledData,
    Length,
    PolygonSpec,
    PredictSpec,
)
from geoseg.specs.vectors import VectorFiles
from geoseg.tools import evaluate, evaluate_chips, extract, tile, tune
from tests.scenes import buildings, grid, picture

HEIGHT, WIDTH = 160, 230
SPEC = PredictSpec(precision="fp32")


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene whose roofs are half as red as the model knows them, with specks that look alike."""
    folder = tmp_path_factory.mktemp("tune")
    mask = buildings(HEIGHT, WIDTH, 43)
    specks = np.zeros_like(mask)
    specks[2::17, 3::19] = specks[3::17, 3::19] = True
    faint = picture(mask | specks).astype(float) * 0.42 + picture(np.zeros_like(mask)) * 0.58
    write_array(folder / "scene.tif", faint.astype("uint8"), grid(HEIGHT, WIDTH))
    write_array(folder / "mask.tif", mask.astype("uint8"), grid(HEIGHT, WIDTH))
    spec = ChipSpec(size=512, split=(0, 1, 0))
    tile.run([str(folder / "scene.tif")], folder / "chips", spec, labels=folder / "mask.tif")
    return folder


def test_what_is_found_is_the_best_and_extract_uses_it(
    chips: Path, model: Path, tmp_path: Path
) -> None:
    start = tmp_path / "start.onnx"
    rewrite(model, start, replace(read_spec(model), threshold=0.9, min_area=0.0))
    out = tmp_path / "tuned.onnx"
    report = tune.run(chips / "chips", out, model=start, predict_spec=SPEC)
    assert report.chips == 1 and report.gain > 0.3
    assert report.after["f1"] > 0.9 and report.after["f1"] - report.before["f1"] == pytest.approx(
        report.gain, abs=1e-5
    )
    spec = read_spec(out)
    found = tune.own_setting(spec)
    assert found == (report.threshold, report.min_area, report.min_confidence)
    assert replace(spec, threshold=0.9, min_area=0.0, min_confidence=0.0) == read_spec(start)
    truth = tmp_path / "truth.gpkg"
    from geoseg.tools import polygonize

    polygonize.run(chips / "mask.tif", truth, PolygonSpec(min_hole=Area(0.0)))
    for threshold, min_area in ((None, None), (0.3, 0.0), (0.5, 5.0)):
        polygons = ExtractSpec(
            threshold=threshold, min_area=None if min_area is None else Area(min_area)
        )
        found = tmp_path / f"{threshold}.gpkg"
        extract.run([str(chips / "scene.tif")], found, SPEC, polygons, model=out)
        scores = evaluate.run(found, truth).object
        if threshold is None:
            assert (
                scores["f1"] == pytest.approx(report.after["f1"]) and len(gpd.read_file(found)) > 5
            )
        else:
            assert scores["f1"] <= report.after["f1"]


def test_least_areas_leave_out_what_extract_leaves_out(
    chips: Path, model: Path, tmp_path: Path
) -> None:
    """By their traced pixels, not by what straightening makes of them."""
    shaping = ExtractSpec(open=Length.parse("1px"), min_hole=Area(0.0))
    straight, counted = [], []
    for least in (1.0, 2.0, 2.5, 3.0, 5.0, 8.0, 12.0, 16.0, 20.0, 25.0):
        sized = tmp_path / f"{least}.onnx"
        rewrite(model, sized, replace(read_spec(model), threshold=0.9, min_area=least))
        found = tmp_path / f"{least}.gpkg"
        extract.run([str(chips / "scene.tif")], found, SPEC, shaping, model=sized)
        straight.append(gpd.read_file(found, layer="footprints")["area_m2"])
        scores = evaluate_chips.run(
            LabelledData.of(chips / "chips", "val"),
            sized,
            predict_spec=SPEC,
            polygon_spec=shaping,
            thresholds=(),
        ).object
        counted.append((least, scores["tp"] + scores["fp"], len(straight[-1])))
    assert [n for _, n, _ in counted] == [n for *_, n in counted]
    assert any((sizes < least).any() for (least, *_), sizes in zip(counted, straight, strict=True))


def test_a_model_that_cannot_be_better_stays(chips: Path, model: Path, tmp_path: Path) -> None:
    first, again = tmp_path / "first.onnx", tmp_path / "again.onnx"
    tune.run(chips / "chips", first, model=model, predict_spec=SPEC)
    report = tune.run(chips / "chips", again, model=first, predict_spec=SPEC)
    assert report.gain == 0 and again.read_bytes() == first.read_bytes()
    sure = tmp_path / "sure.onnx"
    rewrite(first, sure, replace(read_spec(first), min_confidence=1.0))
    before = tune.run(chips / "chips", tmp_path / "x.onnx", model=sure, predict_spec=SPEC).before
    data = LabelledData.of(chips / "chips", "val")
    scored = evaluate_chips.run(data, sure, predict_spec=SPEC)
    assert scored.object["f1"] == before["f1"] < report.after["f1"]


def test_what_cannot_be_tuned_is_refused(chips: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsuitableError, match="train split is empty"):
        tune.run(LabelledData.of(chips / "chips", "train"), tmp_path / "m.onnx", model=model)
    write_array(tmp_path / "none.tif", np.zeros((HEIGHT, WIDTH), "uint8"), grid(HEIGHT, WIDTH))
    spec = ChipSpec(size=512, split=(0, 1, 0))
    tile.run([str(chips / "scene.tif")], tmp_path / "chips", spec, labels=tmp_path / "none.tif")
    with pytest.raises(UnsuitableError, match="no building"):
        tune.run(tmp_path / "chips", tmp_path / "m.onnx", model=model, predict_spec=SPEC)
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("own", ["model.onnx", "labels.gpkg"])
def test_no_input_is_replaced(chips: Path, model: Path, tmp_path: Path, own: str) -> None:
    paths = {name: tmp_path / name for name in ("model.onnx", "labels.gpkg")}
    for path in paths.values():
        path.write_bytes(model.read_bytes())
    data = LabelledData((str(chips / "scene.tif"),), "all", VectorFiles.of(paths["labels.gpkg"]))
    for command in (
        partial(tune.run, data, paths[own]),
        partial(evaluate_chips.run, data, page=paths[own]),
    ):
        with pytest.raises(UsageError, match=rf"{own}: is an input"):
            command(model=paths["model.onnx"], overwrite=True)
    assert paths[own].read_bytes() == model.read_bytes()
