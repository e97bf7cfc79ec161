"""Runs that start from a model or a run of other classes, bands or networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from geoseg.errors import ModelError, UnsuitableError  # noqa: E402
from geoseg.io.chip_index import read_index  # noqa: E402
from geoseg.io.raster.scene import read_array  # noqa: E402
from geoseg.io.raster.write import write_array  # noqa: E402
from geoseg.models import modelfile  # noqa: E402
from geoseg.models.metadata import rewrite  # noqa: E402
from geoseg.models.store import read_spec  # noqa: E402
from geoseg.specs import ChipSpec, TrainTarget  # noqa: E402
from geoseg.tools import tile, train  # noqa: E402
from geoseg.training.fit import LAST  # noqa: E402
from tests.scenes import buildings, grid, picture  # noqa: E402
from tests.tools.chips import QUICK  # noqa: E402

MASK = buildings(210, 330, 47)
# weights hardly move, so that those that were taken can be compared
FIRST_LAYER, LAST_LAYER = "network.layers.0", "network.layers.24"
STILL = replace(QUICK, epochs=1, lr=1e-9, augment="none", weight_decay=0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chips of two classes, of three, and of five bands, and a model of the first."""
    folder = tmp_path_factory.mktemp("init")
    image, place = picture(MASK), grid(*MASK.shape)
    write_array(folder / "scene.tif", image, place)
    write_array(folder / "wide.tif", np.concatenate([image, image[:2]]), place)
    write_array(folder / "two.tif", MASK.astype("uint8"), place)
    three = MASK + (MASK & (np.arange(330) > 150)).astype("uint8")
    tags = {"GEOSEG_KIND": "classes", "GEOSEG_CLASSES": "background,house,hall"}
    write_array(folder / "three.tif", three[None], place, tags=tags)
    spec = ChipSpec(size=64, split=(0.6, 0.4, 0.0), split_by="random")
    for name, scene, labels in (
        ("two", "scene", "two"),
        ("three", "scene", "three"),
        ("wide", "wide", "two"),
    ):
        tile.run(
            [str(folder / f"{scene}.tif")],
            folder / name,
            spec,
            labels=folder / f"{labels}.tif",
        )
    train.run([str(folder / "two")], folder / "m.safetensors", QUICK)
    return folder


def test_the_least_confidence_goes_with_the_weights_it_was_chosen_for(
    folder: Path, tmp_path: Path
) -> None:
    init = tmp_path / "sure.safetensors"
    own = read_spec(folder / "m.safetensors")
    rewrite(folder / "m.safetensors", init, replace(own, threshold=0.4, min_confidence=0.8))
    train.run([str(folder / "two")], tmp_path / "n.safetensors", STILL, init=init)
    spec = read_spec(tmp_path / "n.safetensors")
    assert (spec.threshold, spec.min_confidence) == (0.4, 0.0)


@pytest.mark.parametrize(
    ("data", "layer", "message"),
    [
        (
            "three",
            LAST_LAYER,
            "has 2 classes, the data 3 classes: its last layer is initialised randomly",
        ),
        ("wide", FIRST_LAYER, "has 3 bands, the data 5: its first layer is adapted"),
    ],
)
def test_init_takes_all_layers_but_the_one_that_cannot_fit(
    data: str, layer: str, message: str, folder: Path, tmp_path: Path
) -> None:
    init = folder / "m.safetensors"
    report = train.run([str(folder / data)], tmp_path / "n.safetensors", STILL, init=init)
    assert report.warnings == (f"{init}: {message}",)
    assert report.pretrained is not None and "tensors matched" in report.pretrained
    before, after = (modelfile.load(path)[1] for path in (init, report.model))
    other = {name for name in before if before[name].shape != after[name].shape}
    assert {name.rpartition(".")[0] for name in other} == {layer}
    for name in before.keys() - other:
        if name.endswith("weight"):
            torch.testing.assert_close(after[name], before[name], atol=1e-5, rtol=0)


def test_init_of_the_same_classes_has_nothing_to_say(folder: Path, tmp_path: Path) -> None:
    report = train.run(
        [str(folder / "two")], tmp_path / "n.safetensors", STILL, init=folder / "m.safetensors"
    )
    assert (report.warnings, report.pretrained) == ((), None)


def resume(folder: Path, data: str, **settings: object) -> None:
    train.run(
        [str(folder / data)],
        TrainTarget(
            folder / "resumed.safetensors", run_dir=folder / "m.safetensors.run", resume=True
        ),
        replace(QUICK, **settings),
    )


def test_a_run_of_other_data_or_another_network_is_not_resumed(folder: Path) -> None:
    run = folder / "m.safetensors.run"
    before = (run / "run.toml").read_bytes()
    with pytest.raises(UnsuitableError) as error:
        resume(folder, "three")
    assert "3 bands and 2 classes (background, building)" in str(error.value)
    assert "3 bands and 3 classes (background, house, hall)" in str(error.value)
    with pytest.raises(UnsuitableError, match=r"3 bands and 2 classes .* 5 bands and 2 classes"):
        resume(folder, "wide")
    with pytest.raises(UnsuitableError, match="trains cnn, not unet resnet18"):
        resume(folder, "two", arch="unet", encoder="resnet18")
    with pytest.raises(UnsuitableError, match="trains with adamw, not sgd"):
        resume(folder, "two", optimizer="sgd")
    with pytest.raises(UnsuitableError, match=r"last\.ckpt: its \d+ tensors are not the \d+"):
        resume(folder, "two", ema=0.9)
    assert (run / "run.toml").read_bytes() == before


@pytest.mark.parametrize("kept", [0, 1000, 0.9])
def test_a_damaged_checkpoint_is_named(kept: float, folder: Path) -> None:
    last = folder / "m.safetensors.run" / LAST
    whole = last.read_bytes()
    last.write_bytes(whole[: int(kept * len(whole) if kept < 1 else kept)])
    try:
        with pytest.raises(ModelError, match=r"last\.ckpt: is damaged"):
            resume(folder, "two")
    finally:
        last.write_bytes(whole)


def test_data_of_two_resolutions_train_at_the_one_that_is_given(
    folder: Path, tmp_path: Path
) -> None:
    place = grid(105, 165, gsd=0.6)
    write_array(tmp_path / "coarse.tif", picture(MASK)[:, ::2, ::2], place)
    write_array(tmp_path / "mask.tif", MASK[::2, ::2].astype("uint8"), place)
    spec = ChipSpec(size=48, split=(0.6, 0.4, 0.0), split_by="random")
    tile.run([str(tmp_path / "coarse.tif")], tmp_path / "c", spec, labels=tmp_path / "mask.tif")
    data = [str(folder / "two"), str(tmp_path / "c")]
    with pytest.raises(UnsuitableError, match=r"0\.600 m.* 0\.300 m.*set gsd"):
        train.run(data, tmp_path / "n.safetensors", STILL)
    report = train.run(data, tmp_path / "n.safetensors", replace(STILL, gsd=0.45))
    assert modelfile.read_spec(report.model).gsd == 0.45
    # both resolutions are scored: as many pixels as their chips have at 0.45 m
    pixels = sum(
        round(mask.shape[0] * zoom) * round(mask.shape[1] * zoom)
        for path, zoom in zip(data, (0.3 / 0.45, 0.6 / 0.45), strict=True)
        for mask in masks_of(path, "val")
    )
    assert np.sum(report.best["confusion"]) == pytest.approx(pixels, rel=0.02)


def masks_of(folder: str, split: str) -> list[np.ndarray]:
    index = read_index(folder)
    return [read_array(index.folder / name)[0][0] for name in index.split(split)["mask"]]
