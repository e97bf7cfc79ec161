"""What a run notes is read back as it was."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

import pytest

from geoseg.errors import InputError
from geoseg.io.run_folder import (
    flat,
    read_epochs,
    read_settings,
    read_start,
    write_epochs,
    write_settings,
)

EPOCH = {
    "epoch": 1,
    "loss": 0.5,
    "classes": {"road": {"iou": 0.25, "f1": 0.4}},
    "confusion": [[3, 1], [0, 2]],
}


def test_epochs_as_json_and_as_a_table(tmp_path: Path) -> None:
    assert read_epochs(tmp_path) == []
    epochs = [EPOCH, {"epoch": 2, "loss": 0.25, "iou": 0.75}]
    write_epochs(tmp_path, epochs)
    assert read_epochs(tmp_path) == epochs
    first, second = csv.DictReader((tmp_path / "metrics.csv").open())
    assert first == {"epoch": "1", "loss": "0.5", "iou_road": "0.25", "f1_road": "0.4", "iou": ""}
    assert (second["iou"], second["iou_road"]) == ("0.75", "")
    assert {path.name for path in tmp_path.iterdir()} == {"epochs.json", "metrics.csv"}


@pytest.mark.parametrize("text", ["", "[{", "{}", "[1]", "null", "[" * 100_000])
def test_a_damaged_file_of_scores_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "epochs.json").write_text(text)
    (tmp_path / "start.json").write_text(text.replace("{}", "[]"))
    for read, name in ((read_epochs, "epochs"), (read_start, "start")):
        with pytest.raises(InputError, match=rf"{name}\.json: is damaged"):
            read(tmp_path)


def test_only_numbers_go_into_the_table() -> None:
    assert flat(EPOCH | {"name": "x"}) == {
        "epoch": 1,
        "loss": 0.5,
        "iou_road": 0.25,
        "f1_road": 0.4,
    }


def test_settings_as_a_configuration(tmp_path: Path) -> None:
    settings = {
        "lr": 1e-05,
        "log": ("csv",),
        "init": None,
        "nesterov": True,
        "data": ['a "b"\\c'],
        "warmup": 0.0,
    }
    settings |= {"option": (("hidden", 32), ("decoder_channels", [8, 4]))}
    write_settings(tmp_path, "train", settings)
    expected = {name: value for name, value in settings.items() if value is not None}
    expected |= {"log": ["csv"], "option": ["hidden=32", "decoder_channels=8,4"]}
    assert tomllib.loads((tmp_path / "run.toml").read_text()) == {"train": expected}
    assert read_settings(tmp_path, "train") == expected
