"""Published layouts: photos, WHU, SpaceNet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from geoseg.cli.main import run
from geoseg.core.bands import to_uint8
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import read_array
from geoseg.specs import PrepareSpec
from geoseg.tools import prepare
from tests.tools.photos import LONLAT, camvid, labels, masks_of, photo, spacenet, whu

# Photos


def test_camvid_keeps_photos_classes_and_splits(tmp_path: Path) -> None:
    root, out = camvid(tmp_path / "root"), tmp_path / "chips"
    report = prepare.run("camvid", root, out, PrepareSpec())
    index = read_index(out)
    assert index.table["split"].to_dict() == {0: "train", 1: "val"}
    assert (index.info.gsd, index.info.bands, len(index.info.classes), index.table.crs) == (
        None,
        3,
        11,
        None,
    )
    assert (out / index.table["image"][1]).read_bytes() == (
        root / "val" / "0001TP_001.png"
    ).read_bytes()
    mask = masks_of(out)["0001TP_001"]
    assert mask.shape == (36, 48)
    assert mask[0, :12].tolist() == [*range(11), 255]
    assert report.pixels == dict.fromkeys((*index.info.classes, "void"), 288)
    assert report.warnings == (f"{root}: has no test split",)


def test_kitti_road_colours_become_road_and_void(tmp_path: Path) -> None:
    out = tmp_path / "chips"
    for category in ("um", "umm", "uu"):
        for number in range(3):
            photo(tmp_path / f"training/image_2/{category}_00000{number}.png", 18, 61)
            painted = np.zeros((3, 18, 61), "uint8")
            painted[:, :, :50] = np.array([255, 0, 0])[:, None, None]
            painted[:, 9:, 20:40] = np.array([255, 0, 255])[:, None, None]
            labels(tmp_path / f"training/gt_image_2/{category}_road_00000{number}.png", painted)
    report = prepare.run("kitti-road", tmp_path, out, PrepareSpec(split=(0.34, 0.33, 0.33)))
    mask = masks_of(out)["umm_000002"]
    assert (mask[8, 30], mask[9, 30], mask[17, 45], mask[0, 55]) == (0, 1, 0, 255)
    assert report.classes == ("background", "road")
    assert report.splits == {"train": 3, "val": 3, "test": 3}  # one of each category in each


def test_masks_name_their_classes_and_void(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare.run("camvid", camvid(tmp_path / "root"), tmp_path / "chips", PrepareSpec())
    mask = str(tmp_path / "chips" / "masks" / "0001TP_001.png")
    assert run(["evaluate", mask, mask, "--json"]) == 0
    pixel = json.loads(capsys.readouterr().out)["pixel"]
    assert [*pixel["classes"]] == [*read_index(tmp_path / "chips").info.classes]
    assert pixel["mean_iou"] == 1


@pytest.mark.slow
def test_photos_go_the_whole_way(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    root, out = camvid(tmp_path / "root"), tmp_path / "chips"
    assert run(["prepare", "camvid", str(root), "-o", str(out)]) == 0
    model, classes = str(tmp_path / "m.safetensors"), str(tmp_path / "classes.png")
    options = [
        "--arch",
        "cnn",
        "--epochs",
        "1",
        "--crop",
        "32",
        "--samples",
        "2",
        "--batch-size",
        "2",
    ]
    assert run(["train", str(out), "-o", model, *options]) == 0
    picture = str(out / "images" / "0001TP_001.png")
    assert (
        run(["predict", picture, "-m", model, "--classes", "-o", classes, "--device", "cpu"]) == 0
    )
    predicted = read_array(classes)[0]
    assert predicted.shape == (1, 36, 48) and predicted.max() < 11
    assert run(["evaluate", classes, str(out / "masks" / "0001TP_001.png"), "--json"]) == 0
    assert (
        run(["tile", picture, "-o", str(tmp_path / "tiles"), "--size", "32", "--format", "png"])
        == 0
    )


# WHU


def test_whu_masks_of_255_and_names_that_repeat(tmp_path: Path) -> None:
    out = tmp_path / "chips"
    report = prepare.run("whu", whu(tmp_path / "whu"), out, PrepareSpec())
    masks = masks_of(out)
    assert sorted(masks) == ["test_7", "train_7", "val_7"]
    assert np.argwhere(masks["val_7"] == 1).min(axis=0).tolist() == [5, 3]
    assert np.argwhere(masks["val_7"] == 1).max(axis=0).tolist() == [19, 8]
    assert read_index(out).info.gsd == 0.3
    assert report.warnings == (
        "not 512 x 512, as published: 7.tif (40 x 30), 7.tif (41 x 30), 7.tif (42 x 30)",
    )


# SpaceNet 2


@pytest.mark.parametrize("summary", [False, True])
def test_spacenet_burns_the_area_and_stretches_it_as_one(tmp_path: Path, summary: bool) -> None:
    grids = spacenet(tmp_path, "AOI_2_Vegas", -115.2, 300, summary)
    out = tmp_path / "chips"
    report = prepare.run("spacenet2", tmp_path, out, PrepareSpec(split=(0.5, 0.5, 0), block_size=1))
    index, masks = read_index(out), masks_of(out)
    assert np.argwhere(masks["AOI_2_Vegas_img1"] == 1)[[0, -1]].tolist() == [[10, 60], [19, 64]]
    assert np.argwhere(masks["AOI_2_Vegas_img2"] == 1)[[0, -1]].tolist() == [[10, 0], [19, 4]]
    assert (masks["AOI_2_Vegas_img2"][50:] == 255).all() and (
        masks["AOI_2_Vegas_img2"][:50] < 2
    ).all()
    assert index.info.dtype == "uint16" and index.info.stretch is not None
    assert 300 <= min(index.info.stretch.low) <= 310  # the black margin does not count
    written, valid, grid = read_array(out / "images" / "AOI_2_Vegas_img2.tif")
    source, _, _ = read_array(
        tmp_path / "AOI_2_Vegas_Train/RGB-PanSharpen/RGB-PanSharpen_AOI_2_Vegas_img2.tif"
    )
    assert (written[:, valid] == to_uint8(source, index.info.stretch)[:, valid]).all()
    assert not valid[50:].any() and valid[:50].all()
    assert grid == grids["AOI_2_Vegas_img2"]
    assert index.table.crs == LONLAT and index.info.gsd is not None and 0.2 < index.info.gsd < 0.35
    assert report.splits == {"train": 1, "val": 1}


def test_each_area_has_its_stretch_and_goes_into_each_split(tmp_path: Path) -> None:
    spacenet(tmp_path, "AOI_2_Vegas", -115.2, 300)
    spacenet(tmp_path, "AOI_5_Khartoum", 32.5, 3000)
    report = prepare.run(
        "spacenet2", tmp_path, tmp_path / "chips", PrepareSpec(split=(0.5, 0.5, 0), block_size=1)
    )
    index = read_index(tmp_path / "chips")
    assert (index.info.dtype, index.info.stretch, index.info.percentiles) == (
        "uint16",
        None,
        (2, 98),
    )
    assert any("each on its own" in warning for warning in report.warnings)
    for name in index.table["image"]:
        image, valid, _ = read_array(tmp_path / "chips" / name)
        assert 100 < image[:, valid].mean() < 155
    assert sorted(zip(index.table["split"], index.table["id"].str[:5], strict=True)) == [
        ("train", "AOI_2"),
        ("train", "AOI_5"),
        ("val", "AOI_2"),
        ("val", "AOI_5"),
    ]
