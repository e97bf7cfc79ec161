"""A model over a split: the sums are those of the single chips, at every threshold, cleaned and
not.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from geoseg.cli.main import run as geoseg
from geoseg.errors import OutputError, UnsuitableError
from geoseg.evaluation.chip_scores import ClassScores, without_small
from geoseg.evaluation.chips import ChipPrediction
from geoseg.evaluation.gallery import Gallery
from geoseg.evaluation.metrics import Counts, count
from geoseg.evaluation.reports import ChipsReport
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.reports import chips_page
from geoseg.specs import ChipSpec, ExtractSpec, ModelSpec, PredictSpec, RasterTarget
from geoseg.tools import evaluate_chips, predict, tile
from tests.scenes import buildings, grid, picture, write_scene
from tests.tools.pages import pictures

MASK = buildings(210, 330, 47)
SPEC = PredictSpec(precision="fp32")


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    seen = MASK.copy()
    seen[60:75, 20:60] ^= True  # what is seen there is not what is true
    seen[5::31, 7::29] = True
    write_scene(folder / "scene.tif", seen)
    write_array(folder / "mask.tif", MASK.astype("uint8"), grid(*MASK.shape))
    spec = ChipSpec(size=110, split=(0.3, 0, 0.7), split_by="random", seed=3)
    tile.run([str(folder / "scene.tif")], folder / "chips", spec, labels=folder / "mask.tif")
    return folder


def test_counts_are_summed_over_the_chips(chips: Path, model: Path, tmp_path: Path) -> None:
    report = evaluate_chips.run(chips / "chips", model, predict_spec=SPEC, thresholds=(0.2, 0.8))
    index = read_index(chips / "chips")
    table = index.split("test")
    assert report.chips == len(table) > 2 and report.split == "test"
    assert [(row["threshold"], row["cleaned"]) for row in report.thresholds] == [
        (level, cleaned) for level in (0.2, 0.5, 0.8) for cleaned in (False, True)
    ]
    total = Counts()
    for image, mask in zip(table["image"], table["mask"], strict=True):
        predict.run(
            [str(index.folder / image)],
            RasterTarget(tmp_path / "p.tif", dtype="float32", overwrite=True),
            SPEC,
            model=model,
        )
        total += count(
            read_array(tmp_path / "p.tif")[0][0] >= 0.2, read_array(index.folder / mask)[0][0] == 1
        )
    row = report.thresholds[0]
    assert row["f1"] == pytest.approx(total.f1) and row["accuracy"] == pytest.approx(total.accuracy)


def test_cleaning_leaves_out_what_is_small(chips: Path, model: Path) -> None:
    report = evaluate_chips.run(
        chips / "chips", model, predict_spec=SPEC, polygon_spec=ExtractSpec(raw=True)
    )
    plain, cleaned = (row for row in report.thresholds if row["threshold"] == 0.5)
    assert cleaned["object_precision"] > plain["object_precision"] + 0.2
    assert cleaned["precision"] > plain["precision"]
    assert report.pixel["f1"] == cleaned["f1"] and report.object["f1"] == cleaned["object_f1"]
    mask = np.zeros((7, 12), bool)
    mask[1:3, 1:5] = mask[3, 5] = mask[5, 8:11] = True
    assert (
        without_small(mask, 4).sum() == 8
        and without_small(mask, 3).sum() == 11
        and (without_small(mask, 0) == mask).all()
    )


def test_pictures_without_a_crs_have_footprints_too(model: Path, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    write_array(tmp_path / "s" / "a.png", picture(MASK))
    write_array(tmp_path / "mask.png", MASK.astype("uint8"))
    spec = ChipSpec(size=120, split=(0, 0, 1), format="png")
    tile.run(
        [str(tmp_path / "s" / "a.png")], tmp_path / "chips", spec, labels=tmp_path / "mask.png"
    )
    raw = ExtractSpec(raw=True)
    report = evaluate_chips.run(tmp_path / "chips", model, predict_spec=SPEC, polygon_spec=raw)
    assert report.pixel["f1"] > 0.99 and report.object["f1"] > 0.95 and report.object["tp"] > 20


def test_the_command_line(chips: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(chips / "chips"), "-m", str(model), "--precision", "fp32"]
    assert geoseg(["evaluate", *data, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (
        report["command"] == "evaluate"
        and 0.5 < report["pixel"]["f1"] < 1
        and 0 < report["object"]["f1"] <= 1
    )
    assert geoseg(["evaluate", *data, "--fail-under", "object.f1=0.9999"]) == 4
    assert "object.f1 is" in capsys.readouterr().err
    assert geoseg(["evaluate", *data, "--split", "val"]) == 4
    assert geoseg(["evaluate", str(chips / "mask.tif"), *data]) == 2
    assert geoseg(["evaluate", str(chips / "mask.tif")]) == 2


def test_the_page_shows_scores_and_chips(chips: Path, model: Path, tmp_path: Path) -> None:
    page = tmp_path / "model.html"
    report = evaluate_chips.run(chips / "chips", model, predict_spec=SPEC, page=page)
    assert report.outputs == (str(page),)
    html = page.read_text()
    (size,) = {shape[:2] for shape in map(np.shape, pictures(html))}
    assert size == (110, 110) and 2 <= len(pictures(html)) <= report.chips
    for shown in (report.pixel["iou"], report.object["f1"], report.thresholds[-1]["recall"]):
        assert f"{shown:.3f}" in html
    assert html.count("image/svg") == 2
    assert "Splits" in html and html.count("image/jpeg") == 1
    with pytest.raises(OutputError, match="exists"):
        evaluate_chips.run(chips / "chips", model, predict_spec=SPEC, page=page)


def test_chips_without_masks_are_refused(chips: Path, model: Path, tmp_path: Path) -> None:
    tile.run([str(chips / "scene.tif")], tmp_path / "chips", ChipSpec(size=110, split=(0, 0, 1)))
    with pytest.raises(UnsuitableError, match="no mask"):
        evaluate_chips.run(tmp_path / "chips", model, predict_spec=SPEC)


def test_several_classes_are_told_apart_by_the_most_probable() -> None:
    random = np.random.default_rng(5)
    sums = ClassScores(("ground", "building", "road"))
    whole = np.zeros((3, 3), np.int64)
    for number in range(2):
        truth = random.integers(0, 3, (14, 23)).astype("uint8")
        truth[3, 4:9] = 255
        probability = random.random((3, 14, 23)).astype("float32")
        sums.add(ChipPrediction(str(number), probability, truth != 255, truth, grid(14, 23)))
        for real, found in zip(
            truth[truth != 255], probability.argmax(axis=0)[truth != 255], strict=True
        ):
            whole[real, found] += 1
    pixel, found, rows = sums.scores(0.5)
    assert pixel["accuracy"] == pytest.approx(np.trace(whole) / whole.sum()) and (found, rows) == (
        {},
        [],
    )
    assert list(pixel["classes"]) == ["ground", "building", "road"]
    road = pixel["classes"]["road"]
    assert (
        road["recall"] == pytest.approx(whole[2, 2] / whole[2].sum())
        and 0 < road["boundary_iou"] < 1
    )
    odd = ChipPrediction(
        "odd", probability, np.ones((14, 23), bool), np.full((14, 23), 7, np.uint8), grid(14, 23)
    )
    with pytest.raises(UnsuitableError, match="class 7"):
        sums.add(odd)


def test_a_class_that_does_not_occur_has_its_place_on_the_page(tmp_path: Path) -> None:
    sums = ClassScores(("ground", "building", "road"))
    truth = buildings(40, 56, 23).astype("uint8")
    probability = np.stack([truth == 0, truth == 1, np.zeros_like(truth)]).astype("float32")
    sums.add(
        ChipPrediction(
            "no roads", probability, np.ones(truth.shape, bool), truth, grid(*truth.shape)
        )
    )
    report = ChipsReport(
        command="evaluate", inputs=("chips",), model="m", split="test", chips=1, threshold=None, min_area=None,
        min_confidence=None, pixel=sums.scores(0.5)[0], object={}, thresholds=[],
    )  # fmt: skip
    chips_page.write(
        tmp_path / "page.html", report, ModelSpec("unet", classes=sums.classes), Gallery(1)
    )
    assert list(report.pixel["classes"]) == ["ground", "building"]
    assert "predicted road" in (tmp_path / "page.html").read_text()
