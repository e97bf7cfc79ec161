"""A model is scored and tuned on scenes with labels, window by window, as footprints are made of
them.
"""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

pytest.importorskip("onnx")

from geoseg.cli.main import run as geoseg
from geoseg.errors import SettingError, UnsuitableError, UsageError
from geoseg.evaluation.metrics import count
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.models.metadata import rewrite
from geoseg.models.store import read_spec
from geoseg.specs import ComparedGround, ExtractSpec, LabelledData, PredictSpec
from geoseg.specs.vectors import VectorFiles
from geoseg.tools import evaluate, evaluate_chips, extract, predict, tune
from tests.scenes import grid, picture

HEIGHT, WIDTH = 230, 350
ON = grid(HEIGHT, WIDTH)
SPEC = PredictSpec(precision="fp32")
SIZE = 64  # half of a window's side


def houses() -> list[tuple[int, int, int, int]]:
    """Rectangles of 3 to 6 m a side in pixels, every third of them with another at its wall."""
    found = []
    for number in range(54):
        row, col = divmod(number, 9)
        left, top = 6 + 38 * col, 5 + 37 * row
        wide, high = 14 + number % 7, 20 - number % 8
        found.append((left, top, left + wide, top + high))
        if number % 3 == 0:
            found.append((left + wide, top + 8, left + wide + 12, top + 8 + high))
    return found


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """A scene, its true footprints, and a model whose windows are small."""
    folder = tmp_path_factory.mktemp("town")
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for x0, y0, x1, y1 in houses():
        mask[y0:y1, x0:x1] = True
    write_array(folder / "scene.tif", picture(mask), ON)
    write_array(folder / "mask.tif", mask[None].astype("uint8"), ON)
    outlines = [
        shapely.box(*(ON.transform * (x0, y1)), *(ON.transform * (x1, y0)))
        for x0, y0, x1, y1 in houses()
    ]
    gpd.GeoDataFrame(geometry=outlines, crs=ON.crs).to_crs(4326).to_file(folder / "t.gpkg")
    rewrite(model, folder / "m.onnx", replace(read_spec(model), size=SIZE, threshold=0.5))
    return folder


def of(town: Path, labels: str = "t.gpkg", **more) -> LabelledData:
    files = VectorFiles.of(town / labels)
    return LabelledData((str(town / "scene.tif"),), labels=files, **{"split": "all"} | more)


def test_all_of_a_scene_is_scored_as_extract_makes_it(town: Path, tmp_path: Path) -> None:
    """Every pixel once; footprints differ from those of the whole scene by what windows cut."""
    report = evaluate_chips.run(of(town), town / "m.onnx", predict_spec=SPEC)
    assert report.chips == 6 and report.inputs == (str(town / "scene.tif"),)
    predict.run([str(town / "scene.tif")], tmp_path / "p.tif", SPEC, model=town / "m.onnx")
    found = read_array(tmp_path / "p.tif")[0][0] >= 127
    expected = count(found, read_array(town / "mask.tif")[0][0] == 1)
    assert report.pixel["tp"] + report.pixel["fn"] == expected.tp + expected.fn
    uncleaned = next(row for row in report.thresholds if row["threshold"] == 0.5)
    assert uncleaned["f1"] == pytest.approx(expected.f1)
    extract.run([str(town / "scene.tif")], tmp_path / "f.gpkg", SPEC, model=town / "m.onnx")
    whole = evaluate.run(tmp_path / "f.gpkg", town / "t.gpkg", ground=ComparedGround())
    assert report.object["f1"] == pytest.approx(whole.object["f1"], abs=0.06)
    assert abs(report.object["tp"] - whole.object["tp"]) <= 8


def test_labels_that_fail_end_what_reads_the_scene(
    town: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise UnsuitableError("these labels")

    monkeypatch.setattr("geoseg.evaluation.labelled._labelled", failing)
    before = threading.active_count()
    spec = replace(SPEC, tile_size=64)
    with pytest.raises(UnsuitableError, match="these labels") as caught:
        evaluate_chips.run(of(town), town / "m.onnx", predict_spec=spec)
    assert threading.active_count() == before and caught.tb


def test_houses_wall_to_wall_are_apart_in_footprints_and_parted_in_the_prediction(
    town: Path,
) -> None:
    shaped = evaluate_chips.run(of(town), town / "m.onnx", predict_spec=SPEC)
    raw = ExtractSpec(raw=True)
    traced = evaluate_chips.run(of(town), town / "m.onnx", predict_spec=SPEC, polygon_spec=raw)
    assert shaped.object["tp"] == len(houses()) > traced.object["tp"] + 5
    masks = evaluate_chips.run(of(town, "mask.tif"), town / "m.onnx", polygon_spec=raw)
    uncleaned = next(row for row in masks.thresholds if row["threshold"] == 0.5)
    assert uncleaned["object_f1"] == 1 and masks.object["tp"] < len(houses())


def test_splits_are_those_of_training(town: Path) -> None:
    """Blocks of 4 x 4 windows of twice the crop; no pixel is in two splits."""
    small = town / "small.onnx"
    quick = {"predict_spec": SPEC, "polygon_spec": ExtractSpec(raw=True), "thresholds": ()}
    rewrite(town / "m.onnx", small, replace(read_spec(town / "m.onnx"), size=16))
    parts = [
        evaluate_chips.run(of(town, split=split, fractions=(0.4, 0.3, 0.3), seed=3), small, **quick)
        for split in ("train", "val", "test")
    ]
    pixels = [sum(part.pixel[name] for name in ("tp", "fp", "fn", "tn")) for part in parts]
    assert min(pixels) > 0 and sum(pixels) <= HEIGHT * WIDTH
    whole = evaluate_chips.run(of(town), small, **quick)
    assert sum(whole.pixel[name] for name in ("tp", "fp", "fn", "tn")) == HEIGHT * WIDTH
    with pytest.raises(UnsuitableError, match=r"test split is empty \(.*`split` all"):
        evaluate_chips.run(of(town, split="test"), town / "m.onnx")


def test_tune_on_a_scene(town: Path, tmp_path: Path) -> None:
    low = tmp_path / "low.onnx"
    rewrite(town / "m.onnx", low, replace(read_spec(town / "m.onnx"), threshold=0.9, min_area=90.0))
    report = tune.run(of(town), tmp_path / "tuned.onnx", model=low, predict_spec=SPEC)
    assert report.gain > 0.3 and report.after["f1"] > 0.9 and report.chips == 6
    spec = read_spec(tmp_path / "tuned.onnx")
    assert (spec.threshold, spec.min_area) == (report.threshold, report.min_area)


def test_the_command_line(town: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = [str(town / "scene.tif"), "--labels", str(town / "t.gpkg"), "-m", str(town / "m.onnx")]
    scored = ["evaluate", "--data", *data, "--split", "all", "--json"]
    assert geoseg([*scored, "--report", str(tmp_path / "page.html")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["object"]["f1"] > 0.8 and report["split"] == "all"
    assert "scene.tif r0000_c0001, mean IoU" in (tmp_path / "page.html").read_text()
    raw = [*scored, "--raw"]
    assert geoseg(raw) == 0
    assert json.loads(capsys.readouterr().out)["object"]["f1"] < report["object"]["f1"]
    tuned = str(tmp_path / "tuned.onnx")
    assert geoseg(["tune", *data, "--split", "all", "-o", tuned, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"] == [tuned]
    # without labels, and labels without data
    assert geoseg(["evaluate", "--data", str(town / "scene.tif")]) == 2
    assert geoseg(["evaluate", str(town / "mask.tif"), *data[:3]]) == 2


def test_what_does_not_go_together(town: Path) -> None:
    with pytest.raises(UsageError, match="a scene needs `labels`"):
        evaluate_chips.run(str(town / "scene.tif"), town / "m.onnx")
    with pytest.raises(SettingError, match="split"):
        LabelledData.of("chips", "most")
    with pytest.raises(SettingError, match="three fractions"):
        LabelledData(("chips",), fractions=(0.5, 0.2))
