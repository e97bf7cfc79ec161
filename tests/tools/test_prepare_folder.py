"""Folders of images and masks; the folder that is written, and the command."""

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
from geoseg.core.grid import Grid
from geoseg.errors import InputError, OutputError, UnsuitableError
from geoseg.geometry.burn import burn
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.specs import PrepareSpec, Stretch
from geoseg.tools import prepare
from tests.tools.photos import RNG, labels, masks_of, photo, spacenet, whu

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
    report = json.loads(capsys.readouterr().out)
    assert report["command"] == "prepare" and report["outputs"] == [str(tmp_path / "out")]
    assert report["chips"] == 3 and report["splits"] == {"train": 1, "val": 1, "test": 1}


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
