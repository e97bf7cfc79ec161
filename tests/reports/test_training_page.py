"""The page of a training run shows its scores, its settings and predictions on chips."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from geoseg.drawing.colours import FN, FP, TP, rgb
from geoseg.evaluation.gallery import Gallery, ScoredChip
from geoseg.reports.training_page import FinishedRun, write
from geoseg.specs import ModelSpec
from tests.drawing.test_html import Read
from tests.tools.pages import pictures

RATIOS = {"iou": 0.412, "f1": 0.5, "precision": 0.6, "recall": 0.43}
EPOCHS = [
    {"epoch": 1, "loss": 0.9, "lr": 1e-3, "images_per_second": 3.0},
    {"epoch": 2, "loss": 0.5, "lr": 1e-4, "images_per_second": 3.5}
    | RATIOS
    | {"mean_iou": 0.6, "accuracy": 0.8, "confusion": [[70, 10], [5, 15]]}
    | {
        "classes": {"background": RATIOS, "<hut>": RATIOS},
        "thresholds": {"0.5": RATIOS, "0.7": RATIOS},
    },
]


def gallery(model: ModelSpec) -> Gallery:
    truth, found = np.zeros((20, 30), "uint8"), np.zeros((20, 30), "uint8")
    truth[2:10, 3:12] = found[2:10, 8:20] = len(model.classes) - 1
    chips = Gallery(3)
    chips.add(ScoredChip("chips/a_r1.tif", 0.25, np.full((3, 20, 30), 90, "uint8"), truth, found))
    return chips


def finished(model: ModelSpec, epochs: list, **more: object) -> FinishedRun:
    facts = {"device": "CPU, 3 threads", "finished": datetime(2026, 3, 9, 14, 5, tzinfo=UTC)}
    run = {"start": {}, "test": {}, "settings": {}, "chips": gallery(model), **facts, **more}
    return FinishedRun(
        model=model,
        epochs=epochs,
        best=epochs[-1],
        output=Path("m.safetensors"),
        command="geoseg train chips -o m.safetensors",
        **run,
    )


def test_outcomes_are_drawn_in_their_colours(tmp_path: Path) -> None:
    model = ModelSpec("unet", "resnet18", classes=("background", "<hut>"))
    write(tmp_path, finished(model, EPOCHS[1:], settings={"lr": 0.25, "log": ["csv"]}))
    html = (tmp_path / "report.html").read_text()
    (chip,) = pictures(html)
    assert chip.shape == (20, 30, 3)
    for (row, col), colour in {(5, 10): TP, (5, 18): FP, (5, 4): FN}.items():
        assert np.abs(chip[row, col] - (np.array(rgb(colour)) + 90) / 2).max() <= 1
    assert chip[15, 25].tolist() == [90, 90, 90]
    assert "&lt;hut&gt;" in html and "<hut>" not in html
    assert "a_r1, mean IoU 0.250" in html and "0.412" in html and "87.5" in html and "0.25" in html
    assert html.count("image/svg") == 4  # loss, scores, learning rate, thresholds


def test_of_several_classes_truth_and_prediction_stand_side_by_side(tmp_path: Path) -> None:
    model = ModelSpec("unet", classes=("background", "road", "building"))
    best = EPOCHS[1] | {"confusion": [[5, 1, 0], [0, 4, 1], [1, 1, 7]]}
    best.pop("thresholds")
    write(tmp_path, finished(model, [best]))
    (chip,) = pictures((tmp_path / "report.html").read_text())
    assert chip.shape == (20, 60, 3)
    assert not np.array_equal(chip[5, 4], chip[5, 34]) and np.array_equal(chip[5, 10], chip[5, 40])


def test_without_validation_there_are_curves_and_settings(tmp_path: Path) -> None:
    write(
        tmp_path,
        finished(ModelSpec("cnn"), EPOCHS[:1], settings={"arch": "cnn"}, chips=Gallery(3)),
    )
    html = (tmp_path / "report.html").read_text()
    assert html.count("image/svg") == 2 and "Classes" not in html and ">cnn<" in html


def test_a_run_shows_where_it_started_its_test_scores_and_how_to_repeat_it(tmp_path: Path) -> None:
    epochs = [epoch | {"val_loss": 0.7, "seconds": 1830.0} for epoch in EPOCHS]
    run = finished(
        ModelSpec("unet", "resnet18", classes=("background", "<hut>")),
        epochs,
        start=RATIOS | {"iou": 0.021, "val_loss": 1.4},
        test=RATIOS | {"iou": 0.377, "classes": {"<hut>": RATIOS}},
    )
    write(tmp_path, run)
    read = Read((tmp_path / "report.html").read_text())
    cells = read.texts["td"]
    for name, iou in (
        ("validation, before the first epoch", "0.021"),
        ("validation, best epoch", "0.412"),
        ("test", "0.377"),
    ):
        assert cells[cells.index(name) + 1] == iou
    assert "Test split" in read.texts["h2"]
    assert {"2026-03-09 14:05+00:00", "1:01:00", "CPU, 3 threads"} <= set(read.texts["dd"])
    repeat = f"m.safetensors can be trained again with the configuration {tmp_path / 'run.toml'}."
    assert repeat in read.texts["p"]
    assert "geoseg train chips -o m.safetensors" in read.texts["pre"]
