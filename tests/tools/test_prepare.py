from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.cli.main import run
from geoseg.core.bands import to_uint8
from geoseg.core.grid import Grid
from geoseg.errors import InputError, OutputError, UnsuitableError
from geoseg.geometry.burn import burn
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.specs import PrepareSpec, Stretch
from geoseg.tools import prepare

RNG = np.random.default_rng(11)
LONLAT = CRS.from_epsg(4326)


def photo(path: Path, height: int, width: int) -> np.ndarray:
    image = RNG.integers(0, 255, (3, height, width), "uint8")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_array(path, image)
    return image


def labels(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_array(path, mask.astype("uint8"))


def masks_of(folder: Path) -> dict[str, np.ndarray]:
    index = read_index(folder)
    return {
        id: read_array(folder / mask)[0][0]
        for id, mask in zip(index.table["id"], index.table["mask"], strict=True)
    }


# Photos


def camvid(root: Path) -> Path:
    for number, split in enumerate(("train", "val")):
        photo(root / split / f"0001TP_00{number}.png", 36, 48)
        labels(
            root / f"{split}annot" / f"0001TP_00{number}.png",
            np.arange(36 * 48).reshape(36, 48) % 12,
        )
    return root


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


def whu(root: Path, splits: tuple[str, ...] = ("train", "val", "test")) -> Path:
    for i, split in enumerate(splits):
        photo(root / split / "image" / "7.tif", 40 + i, 30)
        mask = np.zeros((40 + i, 30))
        mask[5:20, 3:9] = 255
        labels(root / split / "label" / "7.tif", mask)
    return root


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


def spacenet(
    root: Path, area: str, west: float, brightness: int, summary: bool = False
) -> dict[str, Grid]:
    """Two images side by side, the second with a black margin, and a building across their border
    in the first's file alone.
    """
    step = 2.7e-6
    top = root / f"{area}_Train"
    for folder in ("RGB-PanSharpen", "geojson/buildings", "summaryData"):
        (top / folder).mkdir(parents=True)
    grids = {}
    for number in (1, 2):
        name = f"{area}_img{number}"
        grid = Grid(
            LONLAT, Affine(step, 0, west + 65 * step * (number - 1), 0, -step, 36.2), 60, 65
        )
        image = RNG.integers(brightness, brightness + 200, (3, 60, 65)).astype("uint16")
        if number == 2:
            image[:, 50:, :] = 0
        write_array(top / "RGB-PanSharpen" / f"RGB-PanSharpen_{name}.tif", image, grid)
        grids[name] = grid
    across = shapely.box(west + 60 * step, 36.2 - 20 * step, west + 70 * step, 36.2 - 10 * step)
    if summary:
        rows = [
            f'{area}_img1,1,POLYGON EMPTY,"{across.wkt}"',
            f"{area}_img2,-1,POLYGON EMPTY,POLYGON EMPTY",
        ]
        text = "\n".join(["ImageId,BuildingId,PolygonWKT_Pix,PolygonWKT_Geo", *rows])
        (top / "summaryData" / f"{area}_Train_Building_Solutions.csv").write_text(text)
        return grids
    gpd.GeoDataFrame(geometry=[across], crs=LONLAT).to_file(
        top / "geojson/buildings" / f"buildings_{area}_img1.geojson"
    )
    (top / "geojson/buildings" / f"buildings_{area}_img2.geojson").write_text(
        '{"type": "FeatureCollection", "features": []}'
    )
    return grids


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


# Folders


def test_a_large_picture_is_cut_into_even_chips_of_one_split(tmp_path: Path) -> None:
    grid = Grid(CRS.from_epsg(32633), Affine(0.5, 0, 500_000, 0, -0.5, 5_500_000), 90, 130)
    image = RNG.integers(1, 255, (3, 90, 130), "uint8")
    (tmp_path / "in" / "images").mkdir(parents=True)
    (tmp_path / "in" / "labels").mkdir()
    write_array(tmp_path / "in" / "images" / "scene.tif", image, grid)
    footprint = shapely.affinity.affine_transform(
        shapely.box(25, 40, 100, 70), [0.5, 0, 0, -0.5, 500_000, 5_500_000]
    )
    lonlat = gpd.GeoDataFrame(geometry=[footprint], crs=grid.crs.to_wkt()).to_crs(4326)
    lonlat.to_file(tmp_path / "in" / "labels" / "all.geojson", COORDINATE_PRECISION=12)
    report = prepare.run("folder", tmp_path / "in", tmp_path / "chips", PrepareSpec(size=64))
    index = read_index(tmp_path / "chips")
    assert index.table["split"].nunique() == 1
    assert sorted(zip(index.table["row"], index.table["col"], strict=True)) == [
        (r, c) for r in (0, 1) for c in (0, 1, 2)
    ]
    whole, burned = np.zeros((3, 90, 130), "uint8"), np.full((90, 130), 9, "uint8")
    for image_name, mask_name in zip(index.table["image"], index.table["mask"], strict=True):
        chip, _, own = read_array(tmp_path / "chips" / image_name)
        mask, _, same = read_array(tmp_path / "chips" / mask_name)
        assert own == same
        col, row = (round(v) for v in ~grid.transform * (own.transform.c, own.transform.f))
        whole[:, row : row + own.height, col : col + own.width] = chip
        burned[row : row + own.height, col : col + own.width] = mask[0]
    assert (whole == image).all()
    assert (burned == burn([footprint], grid)).all() and burned[41, 99] == 1
    assert any("reprojected" in warning for warning in report.warnings)
    assert (
        "the val split is empty (a smaller `block_size` or `size` makes more blocks)"
        in report.warnings
    )
    again = prepare.run(
        "folder", tmp_path / "in", tmp_path / "blocks", PrepareSpec(size=64, block_size=1)
    )
    assert again.splits == {"train": 4, "val": 1, "test": 1} and not again.dropped


def test_processes_give_what_one_gives(tmp_path: Path) -> None:
    spacenet(tmp_path / "in", "AOI_2_Vegas", -115.2, 300)
    spacenet(tmp_path / "in", "AOI_3_Paris", 2.3, 1200, summary=True)
    reports = [
        prepare.run("spacenet2", tmp_path / "in", tmp_path / f"{n}", PrepareSpec(), jobs=n)
        for n in (1, 2)
    ]
    one, other = (replace(report, seconds=0, outputs=()) for report in reports)
    assert one == other
    files = [sorted(path for path in (tmp_path / n).rglob("*") if path.is_file()) for n in "12"]
    assert [path.relative_to(tmp_path / "1") for path in files[0]] == [
        path.relative_to(tmp_path / "2") for path in files[1]
    ]
    for path, same in zip(*files, strict=True):
        assert path.read_bytes() == same.read_bytes()


def test_named_colours_and_void(tmp_path: Path) -> None:
    photo(tmp_path / "images" / "a.png", 20, 30)
    painted = np.zeros((3, 20, 30), "uint8")
    painted[:, 5:, :10] = np.array([60, 16, 152])[:, None, None]
    painted[:, :2, 20:] = np.array([1, 2, 3])[:, None, None]
    labels(tmp_path / "masks" / "a.png", painted)
    spec = PrepareSpec(classes="land=#000000,building=#3c1098")
    report = prepare.run("folder", tmp_path, tmp_path / "out", spec)
    assert report.pixels == {"land": 430, "building": 150, "void": 20}
    assert masks_of(tmp_path / "out")["a"][[4, 5, 0], [0, 9, 20]].tolist() == [0, 1, 255]
    assert any(
        "20 pixels in 1 masks hold labels without a class" in warning for warning in report.warnings
    )


def test_colours_without_names_are_asked_for(tmp_path: Path) -> None:
    photo(tmp_path / "images" / "a.png", 20, 30)
    labels(
        tmp_path / "masks" / "a.png",
        np.repeat(np.arange(3)[:, None, None] + np.arange(30) % 3, 20, axis=1),
    )
    with pytest.raises(UnsuitableError, match="`classes` NAME=#000102,NAME=#010203"):
        prepare.run("folder", tmp_path, tmp_path / "out", PrepareSpec())
    assert not (tmp_path / "out").exists()


def test_pictures_that_differ_are_refused(tmp_path: Path) -> None:
    for name, bands in (("a", 3), ("b", 1)):
        (tmp_path / "images").mkdir(exist_ok=True)
        write_array(tmp_path / "images" / f"{name}.tif", np.ones((bands, 20, 30), "uint8"))
        labels(tmp_path / "masks" / f"{name}.tif", np.ones((20, 30)))
    with pytest.raises(UnsuitableError, match=r"b\.tif: has 1 bands of uint8"):
        prepare.run("folder", tmp_path, tmp_path / "out", PrepareSpec())
    report = prepare.run("folder", tmp_path, tmp_path / "out", PrepareSpec(bands=(1,)))
    assert report.chips == 2 and read_index(tmp_path / "out").info.source_bands == (1,)


def test_a_float_picture_is_stretched_and_its_nodata_ignored(tmp_path: Path) -> None:
    height = np.linspace(100, 200, 600, dtype="float32").reshape(1, 20, 30).copy()
    height[0, :, :3] = -32767
    (tmp_path / "images").mkdir()
    write_array(tmp_path / "images" / "a.tif", height, nodata=-32767)
    labels(tmp_path / "masks" / "a.tif", np.ones((20, 30)))
    prepare.run("folder", tmp_path, tmp_path / "out", PrepareSpec(rescale="minmax"))
    info = read_index(tmp_path / "out").info
    assert (info.dtype, info.stretch) == ("float32", Stretch((float(height[0, 0, 3]),), (200.0,)))
    assert (masks_of(tmp_path / "out")["a"] == np.where(np.arange(30) < 3, 255, 1)).all()


def test_lists_of_solaris_are_written_and_read_back(tmp_path: Path) -> None:
    prepare.run("whu", whu(tmp_path / "whu"), tmp_path / "chips", PrepareSpec(csv=True))
    again = prepare.run("folder", tmp_path / "chips", tmp_path / "again", PrepareSpec())
    assert again.splits == {"train": 1, "val": 1, "test": 1}
    for name, mask in masks_of(tmp_path / "again").items():
        assert (mask == masks_of(tmp_path / "chips")[name]).all()


# The folder and the command


def test_only_an_index_is_replaced_and_nothing_partial_is_left(tmp_path: Path) -> None:
    root, out = whu(tmp_path / "whu"), tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").touch()
    with pytest.raises(OutputError):
        prepare.run("whu", root, out, PrepareSpec(), overwrite=True)
    (out / "mine.txt").unlink()
    (root / "val" / "image" / "7.tif").write_bytes(b"II*\0 no picture")
    with pytest.raises(InputError, match=r"val/image/7\.tif"):
        prepare.run("whu", root, out, PrepareSpec())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whu"]
    assert list(out.iterdir()) == []


def test_the_command_lists_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train" / "image").mkdir(parents=True)
    assert run(["prepare", "whu", str(tmp_path), "-o", str(tmp_path / "out")]) == 3
    error = capsys.readouterr().err
    assert error.startswith(
        f"Error: {tmp_path}: incomplete WHU data set; missing: train/label/ (expected: "
    )
    assert error.count("\n") == 1


def test_the_command_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = whu(tmp_path / "whu")
    assert run(["prepare", "whu", str(root), "-o", str(tmp_path / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["command"] == "prepare" and told["outputs"] == [str(tmp_path / "out")]
    assert told["chips"] == 3 and told["splits"] == {"train": 1, "val": 1, "test": 1}


@pytest.mark.parametrize(
    "layout, folder, chips, classes",
    [
        ("kitti-road", "kitti_road", 11, 2),
        ("folder", "vietnam_dsm", 3, 2),
        ("folder", "spacenet4_atlanta_pan", 1, 2),
    ],
)
def test_published_data(
    shared_data: Path, tmp_path: Path, layout: str, folder: str, chips: int, classes: int
) -> None:
    report = prepare.run(layout, shared_data / folder, tmp_path / "out", PrepareSpec())
    assert (report.chips, len(report.classes)) == (chips, classes)
    assert all(report.pixels[name] for name in report.classes)
