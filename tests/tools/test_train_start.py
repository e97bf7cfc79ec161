"""Where a run starts from when nobody says so, and what it says while it runs."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnx")

from geoseg.cli.main import run
from geoseg.errors import SettingError
from geoseg.io.raster.write import write_array
from geoseg.models import modelfile, store
from geoseg.specs import ChipSpec, TrainSpec
from geoseg.tools import tile, train
from tests.scenes import buildings, grid, picture

SHORT = TrainSpec(epochs=1, samples=2, batch_size=2, crop=64, lr=1e-4, precision="fp32")


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """Folders of chips of three and of four bands."""
    folder = tmp_path_factory.mktemp("start")
    mask = buildings(128, 192, 61)
    on = grid(*mask.shape, gsd=store.read_spec(store.bundled()).gsd)
    write_array(folder / "mask.tif", mask.astype("uint8"), on)
    found = {}
    for bands in (3, 4):
        image = np.concatenate([picture(mask), picture(mask)[:1]])[:bands]
        write_array(folder / f"{bands}.tif", image, on)
        spec = ChipSpec(size=64, split=(0.7, 0.3, 0), split_by="random")
        out = folder / f"chips{bands}"
        tile.run([str(folder / f"{bands}.tif")], out, spec, labels=folder / "mask.tif")
        found[bands] = str(out)
    return found


def test_nothing_said_starts_from_the_bundled_model(
    chips: dict[int, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundled = store.read_spec(store.bundled())
    with caplog.at_level(logging.INFO, "geoseg.train"):
        report = train.run([chips[3]], tmp_path / "m.safetensors", replace(SHORT, lr=1e-9))
    model = modelfile.read_spec(tmp_path / "m.safetensors")
    assert report.init == "bundled" and model.classes == bundled.classes
    assert (model.architecture, model.encoder) == (bundled.architecture, bundled.encoder)
    # the weights are those of the bundled model: a step of nothing leaves them, but for the
    # statistics of batch normalisation, as they score
    assert report.start["iou"] > 0.8 and report.best["iou"] > 0.8
    assert 'init = "bundled"' in (tmp_path / "m.safetensors.run/run.toml").read_text()
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("starts from the bundled model (for others: `init`, `arch`")
    assert lines[1].startswith(f"before the first epoch, iou {report.start['iou']:.4g}")
    assert lines[2].startswith("epoch 1, loss ") and len(lines) == 3


@pytest.mark.parametrize(
    ("bands", "given"),
    [(3, {"arch": "cnn"}), (3, {"weights": "none"}), (3, {"weights": "imagenet"}), (4, {})],
)
def test_a_network_that_is_asked_for_starts_as_such(
    chips: dict[int, str], tmp_path: Path, bands: int, given: dict[str, str]
) -> None:
    report = train.run([chips[bands]], tmp_path / "m.safetensors", replace(SHORT, **given))
    model = modelfile.read_spec(tmp_path / "m.safetensors")
    assert report.init is None and model.architecture == given.get("arch", "unet")
    assert model.classes == ("background", "building") and model.bands == bands


def test_a_model_goes_on_at_its_own_resolution(chips: dict[int, str], tmp_path: Path) -> None:
    fine = grid(256, 384, gsd=0.15)
    mask = buildings(256, 384, 122)
    write_array(tmp_path / "fine.tif", picture(mask), fine)
    write_array(tmp_path / "mask.tif", mask.astype("uint8"), fine)
    spec = ChipSpec(size=128, split=(0.7, 0.3, 0), split_by="random")
    tile.run([str(tmp_path / "fine.tif")], tmp_path / "c", spec, labels=tmp_path / "mask.tif")
    gsds = {}
    for name, given in {"as it is": {}, "asked for": {"gsd": 0.15}, "new": {"arch": "cnn"}}.items():
        out = tmp_path / f"{name}.safetensors"
        train.run([str(tmp_path / "c")], out, replace(SHORT, **given))
        gsds[name] = modelfile.read_spec(out).gsd
    base = store.read_spec(store.bundled()).gsd
    assert gsds == pytest.approx({"as it is": base, "asked for": 0.15, "new": 0.15}, rel=1e-2)


def test_init_brings_its_own_network(chips: dict[int, str], tmp_path: Path) -> None:
    for given, what in (({"arch": "fpn"}, "is unet, not fpn"), ({"encoder": "resnet18"}, "is ")):
        with pytest.raises(SettingError, match=what):
            spec = replace(SHORT, **given)
            train.run([chips[3]], tmp_path / "m.safetensors", spec, init=store.bundled())


def test_the_command_says_where_it_starts_and_a_line_an_epoch(
    chips: dict[int, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [
        "--epochs",
        "2",
        "--samples",
        "2",
        "--batch-size",
        "2",
        "--crop",
        "64",
        "--precision",
        "fp32",
        "--json",
    ]
    assert run(["train", chips[3], "-o", str(tmp_path / "m.safetensors"), *options]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == (
        "starts from the bundled model (for others: --init, --arch, or --weights imagenet)"
    )
    assert [line.split(",")[0] for line in lines[1:4]] == [
        "before the first epoch",
        "epoch 1",
        "epoch 2",
    ]
