"""The part of a scene that a user names, in every verb that reads scenes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

from geoseg.cli.main import run
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from tests.scenes import buildings, grid, picture

pytest.importorskip("onnx")
SHAPE = (120, 170)
MASK = buildings(*SHAPE)
ON = grid(*SHAPE)
WINDOW = (30, 20, 90, 64)
Say = Callable[..., tuple[int, dict]]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> Say:
    monkeypatch.chdir(tmp_path)
    write_array("scene.tif", picture(MASK), ON)
    write_array("mask.tif", MASK.astype("uint8"), ON)
    write_array("plain.png", picture(MASK))

    def call(line: str) -> tuple[int, dict]:
        code = run([*line.split(), "--json"])
        out = capfd.readouterr().out
        return code, json.loads(out.splitlines()[-1]) if out.strip() else {}

    return call


def bounds() -> str:
    col, row, width, height = WINDOW
    left, top = ON.transform * (col, row)
    right, bottom = ON.transform * (col + width, row + height)
    return ",".join(f"{edge:.3f}" for edge in (left, bottom, right, top))


@pytest.fixture(params=["window", "bounds"])
def part(request: pytest.FixtureRequest) -> str:
    window = ",".join(map(str, WINDOW))
    return {"window": f"--window {window}", "bounds": f"--bounds {bounds()}"}[request.param]


def rows_and_cols() -> tuple[slice, slice]:
    col, row, width, height = WINDOW
    return slice(row, row + height), slice(col, col + width)


def test_predict_writes_the_part(say: Say, model: Path, part: str) -> None:
    code, report = say(f"predict scene.tif -o p.tif -m {model} {part} --precision fp32")
    assert code == 0 and report["pixels"] == 90 * 64
    image, _, found = read_array("p.tif")
    rows, cols = rows_and_cols()
    assert found.shape == (64, 90) and found.transform * (0, 0) == ON.transform * (30, 20)
    assert ((image[0] >= 127) == MASK[rows, cols]).mean() > 0.999


def test_extract_and_polygonize_trace_the_part(say: Say, model: Path, part: str) -> None:
    few = "--separate none --min-area 0 --min-hole 0"
    assert say(f"extract scene.tif -o a.gpkg -m {model} {part} --precision fp32 {few}")[0] == 0
    assert say(f"polygonize mask.tif -o b.gpkg {part} {few}")[0] == 0
    left, bottom, right, top = map(float, bounds().split(","))
    rows, cols = rows_and_cols()
    for name in ("a.gpkg", "b.gpkg"):
        layer = gpd.read_file(name)
        assert layer.geometry.area.sum() == pytest.approx(MASK[rows, cols].sum() * 0.09, rel=0.02)
        found = layer.total_bounds
        assert left - 0.01 <= found[0] and found[2] <= right + 0.01
        assert bottom - 0.01 <= found[1] and found[3] <= top + 0.01


def test_tile_cuts_the_part(say: Say, part: str) -> None:
    code, report = say(f"tile scene.tif -o chips --size 32 {part} --labels mask.tif")
    assert code == 0 and report["chips"] + report["dropped"] == 3 * 2
    index = read_index(Path("chips"))
    rows, cols = rows_and_cols()
    row = index.table.iloc[0]
    image, _, _ = read_array(Path("chips") / row["image"])
    mask, _, _ = read_array(Path("chips") / row["mask"])
    top, left = row["row"] * 32, min(row["col"] * 32, 90 - 32)
    own = (
        slice(rows.start + top, rows.start + top + 32),
        slice(cols.start + left, cols.start + left + 32),
    )
    np.testing.assert_array_equal(image, picture(MASK)[:, own[0], own[1]])
    np.testing.assert_array_equal(mask[0], MASK[own])


def test_preview_shows_the_part(say: Say, part: str) -> None:
    assert say(f"preview scene.tif -o a.png {part}")[0] == 0
    degrees = "--bounds 14,50,14.1,50.1 --bounds-crs EPSG:4326"
    code, report = say(f"preview scene.tif -o b.png {degrees}")
    assert code == 4 and "beside it" in report["error"]["message"] if report else code == 4


@pytest.mark.parametrize("verb", ["predict", "extract", "polygonize", "tile"])
def test_a_part_beside_the_scene_or_two_parts(say: Say, verb: str) -> None:
    scene = "mask.tif" if verb == "polygonize" else "scene.tif"
    out = {"tile": "chips", "predict": "p.tif"}.get(verb, "a.gpkg")
    assert say(f"{verb} {scene} -o {out} --bounds 1,2,3,4")[0] == 4
    assert say(f"{verb} {scene} -o {out} --bounds 1,2,3,4 --window 0,0,5,5")[0] == 2
    assert say(f"{verb} {scene} -o {out} --window 0,0,5")[0] == 2
    assert not Path(out).exists()


def test_a_nodata_value_in_every_verb(say: Say, model: Path) -> None:
    image = picture(MASK)
    image[:, :, :50] = 7
    write_array("dark.tif", image, ON)
    assert say(f"predict dark.tif -o p.tif -m {model} --nodata 7")[0] == 0
    valid = read_array("p.tif")[1]
    assert not valid[:, :50].any() and valid[:, 50:].all()
    say(f"extract dark.tif -o a.gpkg -m {model} --nodata 7")
    assert gpd.read_file("a.gpkg").total_bounds[0] >= (ON.transform * (50, 0))[0] - 0.01
    report = say("tile dark.tif -o chips --size 48 --nodata 7 --max-nodata 0.9")[1]
    assert report["skipped"] == 3
    assert say("stitch dark.tif -o s.tif --nodata 7")[0] == 0
    assert not read_array("s.tif")[1][:, :50].any()
    write_array("codes.tif", np.where(MASK, 1, 9).astype("uint8"), ON)
    say("polygonize codes.tif -o b.gpkg --nodata 9 --separate none --min-hole 0")
    assert gpd.read_file("b.gpkg").geometry.area.sum() == pytest.approx(MASK.sum() * 0.09, rel=0.01)
    assert say("preview dark.tif -o a.png --nodata 7")[0] == 0


def test_the_gsd_of_a_picture(say: Say, model: Path) -> None:
    """The model is of 0.3 m: a picture of 0.15 m is read at half of its pixels."""
    plain = say(f"predict plain.png -o a.tif -m {model}")[1]
    fine = say(f"predict plain.png -o b.tif -m {model} --gsd 0.15 --tile-size 64 --overlap 0")[1]
    assert plain["gsd"] is None and fine["windows"] == 1 * 2
    assert read_array("b.tif")[2].shape == SHAPE


def test_the_gsd_that_a_scene_is_resampled_to(say: Say, model: Path) -> None:
    report = say(f"predict scene.tif -o a.tif -m {model} --gsd 0.6")[1]
    assert report["gsd"] == pytest.approx(0.6, rel=0.01)
    assert read_array("a.tif")[2].shape == SHAPE
