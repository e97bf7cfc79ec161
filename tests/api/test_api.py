"""The library has what the command line has, under the same names, and returns what it made."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import geopandas as gpd
import numpy as np
import pytest

import geoseg
from geoseg.cli.main import cli
from geoseg.errors import InputError, SettingError, UnsuitableError, UsageError
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from tests.scenes import buildings, grid, picture, write_scene

pytest.importorskip("onnx")
MASK = buildings(180, 260)
SHELL = {"as_json", "config", "print_config", "verbose", "quiet", "debug"}
VERBS = [
    "evaluate", "export", "extract", "info", "polygonize", "predict", "prepare", "preview",
    "rasterize", "stitch", "tile", "train", "tune",
]  # fmt: skip
# What a flag would be called that is a word of Python or holds no words
RENAMED = {"class": "class_value", "co": "creation_options"}


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "scene.tif", MASK)


def options(verb: str) -> set[str]:
    """Arguments and long options of a command, in Python's words."""
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    found = set()
    for parameter in command.params:
        flags = [flag[2:].replace("-", "_") for flag in parameter.opts if flag.startswith("--")]
        name = flags[0] if flags else str(parameter.name)
        if parameter.name not in SHELL:
            found.add(RENAMED.get(name, name))
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_a_function_takes_what_its_command_takes(verb: str) -> None:
    function = getattr(geoseg, verb)
    assert set(inspect.signature(function).parameters) - {"progress"} == options(verb)
    for part in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"\n    {part}\n    ---" in (function.__doc__ or "")
    for name in inspect.signature(function).parameters:
        assert f"\n    {name}\n        " in (function.__doc__ or "")


def test_all_that_is_offered_is_there() -> None:
    assert set(VERBS) <= set(geoseg.__all__) == set(dir(geoseg))
    assert all(getattr(geoseg, name) is not None for name in geoseg.__all__)
    with pytest.raises(AttributeError, match="no attribute 'extrude'"):
        geoseg.extrude  # noqa: B018


def test_importing_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, geoseg; geoseg.extract;"
        "print(*({'numpy', 'rasterio', 'torch', 'geopandas', 'openvino'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_footprints_as_a_table_and_as_a_file(model: Path, scene: Path, tmp_path: Path) -> None:
    found = geoseg.extract(scene, model=model, min_area="1m2", threshold=0.5, precision="fp32")
    report = geoseg.extract(
        str(scene), tmp_path / "b.gpkg", model=model, min_area=1, threshold=0.5, precision="fp32"
    )
    written = gpd.read_file(tmp_path / "b.gpkg", layer="footprints")
    assert report.footprints == len(written) == len(found) > 10 and found.crs == written.crs
    assert found.geometry.area.sum() == pytest.approx(written.geometry.area.sum())
    assert sorted(tmp_path.iterdir()) == [tmp_path / "b.gpkg", scene]
    with pytest.raises(SettingError, match="threshold"):
        geoseg.extract(scene, model=model, threshold=2)
    for wrong in ("3-1", "0", "one"):
        with pytest.raises(UsageError, match="no list of band numbers"):
            geoseg.extract(scene, model=model, bands=wrong)
    with pytest.raises(InputError, match=r"none\.tif: does not exist"):
        geoseg.extract("none.tif", model=model)


def test_rasters_as_arrays(model: Path, scene: Path, tmp_path: Path) -> None:
    probability, on = geoseg.predict(scene, model=model, precision="fp32")
    assert probability.shape == (1, *MASK.shape) and on == grid(*MASK.shape)
    assert ((probability[0] > 0.5) == MASK).all()
    footprints = geoseg.extract(scene, model=model, raw=True, min_area=0, precision="fp32")
    footprints.to_file(tmp_path / "f.gpkg", layer="footprints")
    mask, on = geoseg.rasterize(tmp_path / "f.gpkg", scene)
    assert ((mask[0] > 0) == MASK).all()
    geoseg.tile(scene, tmp_path / "chips", size=64, edge="partial")
    image, _ = geoseg.stitch(tmp_path / "chips/images")
    np.testing.assert_array_equal(image, read_array(scene)[0])


def test_a_model_takes_arrays(model: Path) -> None:
    loaded = geoseg.load_model(model)
    assert loaded.spec.classes == ("background", "building")
    found = loaded.predict(picture(MASK))
    assert ((found[0] > 0.5) == MASK).all() and found.dtype == np.float32
    image = picture(MASK).astype("float32")
    image[:, 20:40, 100:150] = np.nan
    assert (np.isnan(loaded.predict(image / 255)[0]) == np.isnan(image[0])).all()


def test_threads_share_a_model(model: Path) -> None:
    loaded = geoseg.load_model(model)
    images = [np.roll(picture(MASK), 7 * i, axis=2) for i in range(8)]
    alone = [loaded.predict(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(loaded.predict, images))
    assert all(map(np.array_equal, alone, together))


def test_a_model_goes_to_other_processes(model: Path) -> None:
    loaded = geoseg.load_model(model)
    copies = [pickle.loads(pickle.dumps(loaded)) for _ in range(2)]
    images = [np.roll(picture(MASK), 9 * i, axis=2) for i in range(6)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda i: copies[i % 2].predict(images[i]), range(6)))
    assert all(map(np.array_equal, found, map(loaded.predict, images)))


def test_what_is_no_image_is_refused(model: Path) -> None:
    image = picture(MASK)
    for wrong in (image[None], image.astype("float16"), image > 9):
        with pytest.raises(UnsuitableError, match="is no image"):
            geoseg.load_model(model).predict(wrong)


def test_an_array_lies_on_its_grid(model: Path) -> None:
    image = picture(MASK)
    height, width = MASK.shape
    for wrong in (image[:, :-1], np.moveaxis(image, 0, -1), image.swapaxes(1, 2)):
        with pytest.raises(UnsuitableError, match=rf"grid of \({height}, {width}\)"):
            geoseg.load_model(model).predict(wrong, grid(height, width))


def test_scores_and_descriptions(model: Path, scene: Path, tmp_path: Path) -> None:
    on = grid(*MASK.shape)
    write_array(tmp_path / "truth.tif", MASK[None].astype("uint8"), on)
    geoseg.predict(scene, tmp_path / "p.tif", model=model)
    report = geoseg.evaluate(tmp_path / "p.tif", tmp_path / "truth.tif")
    assert report.pixel["iou"] > 0.99
    assert geoseg.info(scene).about["crs"] == "EPSG:32633"
    geoseg.preview(scene, tmp_path / "p.tif", tmp_path / "v.png", size=300)
    assert (tmp_path / "v.png").stat().st_size > 1000


def test_a_scene_left_out_of_what_is_returned_is_named(
    model: Path, scene: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes(scene.read_bytes()[: scene.stat().st_size * 2 // 3])
    with pytest.warns(UserWarning, match=r"left out: .*bad\.tif: ") as warned:
        found = geoseg.extract([bad, scene], model=model, on_error="skip")
    (own,) = (warning for warning in warned if warning.category is UserWarning)
    assert set(found["scene"]) == {"scene"} and own.filename == __file__
