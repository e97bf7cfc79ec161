"""What is handed to a function of the library arrives: no argument is taken and forgotten."""

from __future__ import annotations

import ast
import inspect
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import geoseg
from geoseg.errors import InputError, SettingError, UsageError
from geoseg.io.chip_index import read_index
from geoseg.io.raster.write import write_array
from tests.api.test_api import VERBS
from tests.scenes import buildings, grid, write_scene

MASK = buildings(100, 160)


def unused(verb: str) -> set[str]:
    """Parameters of a function that neither its body names nor a spec it makes has."""
    function = getattr(geoseg, verb)
    module = import_module(function.__module__)
    tree = ast.parse(inspect.getsource(function))
    body = [node for statement in tree.body[0].body for node in ast.walk(statement)]
    taken = {node.id for node in body if isinstance(node, ast.Name)}
    for node in body:
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "spec_from":
            spec = getattr(module, ast.unparse(node.args[0]))
            taken |= {field.name for field in fields(spec)}
    if "takes_threads" in [ast.unparse(each) for each in tree.body[0].decorator_list]:
        taken |= {"threads"}
    return set(inspect.signature(function).parameters) - taken


# what is described takes too little time for progress
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "info"])
def test_each_argument_is_handed_on(verb: str) -> None:
    assert unused(verb) == set()


def worldfile_scene(folder: Path) -> Path:
    """A PNG with a worldfile, without a CRS."""
    scene = write_scene(folder / "scene.png", MASK)
    Path(f"{scene}.aux.xml").unlink()
    return scene


def test_chips_by_a_stride_of_a_scene_that_is_placed_by_hand(tmp_path: Path) -> None:
    scene = worldfile_scene(tmp_path)
    geoseg.tile(scene, tmp_path / "chips", size=64, stride=48, crs="EPSG:32633")
    index = read_index(tmp_path / "chips")
    assert index.info.gsd == pytest.approx(0.3, rel=1e-2)
    corner = next(row for row in index.table.itertuples() if (row.row, row.col) == (0, 1))
    left, *_ = corner.geometry.bounds
    assert left == pytest.approx(458_000 + 48 * 0.3)
    for wrong, reason in (({"overlap": 8}, "overlap"), ({"size": 40}, "gaps")):
        with pytest.raises(SettingError, match=reason):
            geoseg.tile(scene, tmp_path / "c", **({"size": 64, "stride": 48} | wrong))


def test_probabilities_of_a_scene_that_is_placed_by_hand(model: Path, tmp_path: Path) -> None:
    scene = worldfile_scene(tmp_path)
    codes, on = geoseg.predict(scene, model=model, crs="EPSG:32633", dtype="uint8")
    assert on == grid(*MASK.shape) and codes.dtype == np.uint8
    floats, _ = geoseg.predict(scene, model=model, crs="EPSG:32633")
    assert floats.dtype == np.float32


def test_options_of_an_architecture(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    scene = write_scene(tmp_path / "scene.tif", MASK)
    write_array(tmp_path / "mask.tif", MASK[None].astype("uint8"), grid(*MASK.shape))
    geoseg.tile(scene, tmp_path / "chips", size=64, labels=tmp_path / "mask.tif")
    with pytest.raises(UsageError, match="nonesuch"):
        geoseg.train(
            tmp_path / "chips", tmp_path / "m.safetensors", arch="cnn", option={"nonesuch": 1}
        )


def test_bounds_of_a_table_and_as_text(model: Path, tmp_path: Path) -> None:
    """GeoDataFrame.total_bounds is an array."""
    scene = write_scene(tmp_path / "scene.tif", MASK)
    left, bottom, right, top = grid(*MASK.shape).bounds
    part = np.array([left + 15, bottom, right, top - 6])
    for bounds in (part, ",".join(map(str, part)), list(part)):
        probability, on = geoseg.predict(scene, model=model, bounds=bounds)
        assert on.bounds == pytest.approx(tuple(part)) and probability.shape == (1, 80, 110)
    assert geoseg.predict(scene, model=model, window="5,10,40,30")[0].shape == (1, 30, 40)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("threshold", "0.5"),
        ("tile_size", "64"),
        ("bounds", "here"),
        ("window", "1;2;3;4"),
        ("threads", -1),
        ("threads", 0),
        ("threads", "2"),
        ("format", "gpkg"),  # of no output
    ],
)
def test_a_value_of_another_kind_is_named(setting: str, value: object, model: Path, tmp_path: Path):
    scene = write_scene(tmp_path / "scene.tif", MASK)
    with pytest.raises(SettingError, match=f"^{setting}: "):
        geoseg.extract(scene, model=model, **{setting: value})


def test_fractions_that_are_none_are_named_by_their_setting(model: Path, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene.tif", MASK)
    with pytest.raises(SettingError, match=r"^split: "):
        geoseg.tile(scene, tmp_path / "chips", size=64, split="0.8;0.2")
    with pytest.raises(SettingError, match=r"^fractions: "):
        geoseg.tune(scene, tmp_path / "m.onnx", model=model, fractions="0.8;0.2")


def test_a_dry_run_without_output_gives_its_report(model: Path, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene.tif", MASK)
    for verb in (geoseg.extract, geoseg.predict):
        report = verb(scene, model=model, dry_run=True)
        assert [plan["scene"] for plan in report.plan] == [str(scene)] and not report.outputs


def test_an_empty_list_is_an_input_error(model: Path, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene.tif", MASK)
    calls = [
        lambda: geoseg.extract([]),
        lambda: geoseg.extract([], tmp_path / "none.gpkg"),
        lambda: geoseg.predict([], f"{tmp_path}/none/"),
        lambda: geoseg.tile([], tmp_path / "none"),
        lambda: geoseg.tile(scene, tmp_path / "none", size=64, labels=[]),
        lambda: geoseg.rasterize([], scene),
        lambda: geoseg.train([], tmp_path / "none.safetensors"),
        lambda: geoseg.tune([], tmp_path / "none.onnx", model=model),
        lambda: geoseg.evaluate(data=[], model=model),
    ]
    for call in calls:
        with pytest.raises(InputError, match="empty list"):
            call()
    assert not list(tmp_path.glob("none*"))
