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
from geoseg.errors import SettingError, UsageError
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
