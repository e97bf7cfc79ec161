"""The page of a training run shows its scores, its settings and what was found on chips."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from geoseg.drawing.colours import FN, FP, TP, rgb
from geoseg.evaluation.gallery import Gallery, ScoredChip
from geoseg.reports import training_page
from geoseg.specs import ModelSpec
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


def test_outcomes_are_drawn_in_their_colours(tmp_path: Path) -> None:
    model = ModelSpec("unet", "resnet18", classes=("background", "<hut>"))
    training_page.write(
        tmp_path, model, EPOCHS[1:], EPOCHS[1], {"lr": 0.25, "log": ["csv"]}, gallery(model)
    )
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
    training_page.write(tmp_path, model, [best], best, {}, gallery(model))
    (chip,) = pictures((tmp_path / "report.html").read_text())
    assert chip.shape == (20, 60, 3)
    assert not np.array_equal(chip[5, 4], chip[5, 34]) and np.array_equal(chip[5, 10], chip[5, 40])


def test_without_validation_there_are_curves_and_settings(tmp_path: Path) -> None:
    training_page.write(
        tmp_path, ModelSpec("cnn"), EPOCHS[:1], EPOCHS[0], {"arch": "cnn"}, Gallery(3)
    )
    html = (tmp_path / "report.html").read_text()
    assert html.count("image/svg") == 2 and "Classes" not in html and ">cnn<" in html
