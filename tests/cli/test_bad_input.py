"""Bad input, as a user meets it: one line, the exit code of the contract, nothing left behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from geoseg.cli.main import COMMANDS, run
from geoseg.core.grid import Grid
from geoseg.io.raster.write import write_array
from geoseg.specs import ModelSpec

MAP = Grid(CRS(32637), Affine(0.3, 0, 500_000, 0, -0.3, 3_000_000), 96, 130)
PICTURE = Grid(None, Affine.identity(), 96, 130)
VRT = """<VRTDataset rasterXSize="130" rasterYSize="96"><VRTRasterBand dataType="Byte" band="1">
<SimpleSource><SourceFilename relativeToVRT="0">{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>
</VRTRasterBand></VRTDataset>"""
FOOTPRINTS = """{{"type": "FeatureCollection", "features": [{{"type": "Feature", "properties": {{}}, "geometry":
{{"type": "Polygon", "coordinates": [[[39.00005, {0}], [39.00015, {0}], [39.00015, {1}], [39.00005, {0}]]]}}}}]}}"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a scene, a picture, models and things that are none of these."""
    folder = tmp_path_factory.mktemp("made")
    image = np.random.default_rng(7).integers(1, 255, (3, 96, 130), "uint8")
    write_array(folder / "scene.tif", image, MAP)
    write_array(folder / "picture.tif", image, PICTURE)
    write_array(folder / "one_band.tif", image[:1], MAP)
    write_array(folder / "mask.tif", (image[:1] > 200).astype("uint8"), MAP)
    write_array(folder / "picture_mask.tif", (image[:1] > 200).astype("uint8"), PICTURE)
    whole = (folder / "scene.tif").read_bytes()
    (folder / "cut.tif").write_bytes(whole[: len(whole) // 2])
    write_array(folder / "plain.tif", image, MAP, options={"compress": "none", "tiled": False})
    whole = (folder / "plain.tif").read_bytes()
    # missing strips, nothing compressed
    (folder / "plain.tif").write_bytes(whole[: len(whole) * 2 // 3])
    write_array(
        folder / "plain_mask.tif",
        (image[:1] > 200).astype("uint8"),
        MAP,
        options={"compress": "none", "tiled": False},
    )
    whole = (folder / "plain_mask.tif").read_bytes()
    (folder / "plain_mask.tif").write_bytes(whole[: len(whole) // 2])
    (folder / "text.tif").write_text("This is no picture.\n")
    (folder / "text.gpkg").write_text("These are no footprints.\n")
    (folder / "text.onnx").write_text("This is no model.\n")
    (folder / "elsewhere.vrt").write_text(VRT.format(source="/etc/hostname.tif"))
    (folder / "footprints.geojson").write_text(FOOTPRINTS.format(27.1223, 27.1224))
    (folder / "far.geojson").write_text(FOOTPRINTS.format(28.5, 28.6))
    (folder / "taken.tif").write_text("mine")
    (folder / "taken.safetensors").write_text("mine")
    (folder / "folder").mkdir()
    _models(folder)
    return folder


def _models(folder: Path) -> None:
    pytest.importorskip("torch")
    from geoseg.models.modelfile import save
    from geoseg.models.registry import build

    spec = ModelSpec("cnn")
    save(folder / "model.safetensors", spec, build(spec).state_dict())
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(whole[: len(whole) // 2])


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it as the current folder, which a failing command must leave as it was."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() if path.is_file() else b"" for path in tmp_path.rglob("*")}
    yield tmp_path
    assert {
        path: path.read_bytes() if path.is_file() else b"" for path in tmp_path.rglob("*")
    } == before


PREDICT = "predict {} -o {}.tif -m model.safetensors --device cpu"
EXTRACT = "extract {} -o {} -f gpkg -m model.safetensors --device cpu"
OF_SCENES = ("tile {} -o {} --size 64", "stitch {} -o {}.tif", PREDICT, EXTRACT)
UNREADABLE = ("missing.tif", "text.tif", "cut.tif", "plain.tif", "folder", "no*.tif", "@no.txt")
UNSAFE = ("http://example.org/a.tif", "elsewhere.vrt", "/vsicurl/http://a/b.tif")
WRITING = (
    "stitch scene.tif -o taken.tif",
    "rasterize footprints.geojson --like scene.tif -o taken.tif",
    "polygonize mask.tif -o taken.tif -f gpkg",
    "tile scene.tif -o taken.tif",
    "train folder -o taken.safetensors",
    "export model.safetensors -o taken.tif",
    PREDICT.format("scene.tif", "taken"),
    EXTRACT.format("scene.tif", "taken.tif"),
)
CASES = [
    # a scene that cannot be read
    *(
        (command.format(scene, "new"), 3, scene.lstrip("@"))
        for scene in UNREADABLE
        for command in OF_SCENES
    ),
    ("polygonize missing.tif -o new.gpkg", 3, "missing.tif"),
    ("polygonize text.tif -o new.gpkg", 3, "text.tif"),
    ("polygonize plain_mask.tif -o new.gpkg", 3, "plain_mask.tif"),
    ("preview plain.tif -o new.png", 3, "plain.tif"),
    ("evaluate plain_mask.tif mask.tif", 3, "plain_mask.tif"),
    ("evaluate mask.tif plain_mask.tif", 3, "plain_mask.tif"),
    ("tile scene.tif -o new --size 64 --labels plain_mask.tif", 3, "plain_mask.tif"),
    ("rasterize missing.gpkg --like scene.tif -o new.tif", 3, "missing.gpkg"),
    ("rasterize text.gpkg --like scene.tif -o new.tif", 3, "text.gpkg"),
    ("rasterize footprints.geojson --like text.tif -o new.tif", 3, "text.tif"),
    ("evaluate missing.tif mask.tif", 3, "missing.tif"),
    ("evaluate mask.tif text.gpkg", 3, "text.gpkg"),
    ("info missing.tif", 3, "missing.tif"),
    ("info text.tif", 3, "text.tif"),
    ("train folder -o new.safetensors", 3, "folder"),
    # readable, and yet not what is asked for
    ("polygonize picture_mask.tif -o new.gpkg", 4, "has no CRS"),
    ("rasterize footprints.geojson --like picture.tif -o new.tif", 4, "has no CRS"),
    ("rasterize far.geojson --like scene.tif -o new.tif", 4, "overlap"),
    (EXTRACT.format("picture.tif", "new.gpkg"), 4, "has no CRS"),
    (EXTRACT.format("one_band.tif", "new.gpkg"), 4, "has 1 band"),
    (PREDICT.format("one_band.tif", "new.tif"), 4, "has 1 band"),
    (PREDICT.format("scene.tif", "new.tif") + " -b 1,2", 4, "2 bands"),
    (PREDICT.format("scene.tif", "new.tif") + " -b 1,2,9", 4, "9"),
    ("tile scene.tif one_band.tif -o new", 4, "one_band.tif"),
    ("stitch scene.tif one_band.tif -o new.tif", 4, "one_band.tif"),
    # models
    ("predict scene.tif -o new.tif -m missing.onnx", 3, "missing.onnx"),
    ("predict scene.tif -o new.tif -m text.onnx", 5, "text.onnx"),
    ("predict scene.tif -o new.tif -m cut.safetensors", 5, "cut.safetensors"),
    ("extract scene.tif -o new.gpkg -m text.onnx", 5, "text.onnx"),
    ("export text.onnx -o new.onnx", 5, "text.onnx"),
    # outputs
    *((command, 6, "taken.") for command in WRITING),
    ("tile scene.tif -o folder/none/new", 6, "folder/none"),
    (PREDICT.format("scene.tif", "none/new.tif"), 6, "none"),
    ("polygonize mask.tif -o none/new.gpkg", 6, "none"),
    (EXTRACT.format("scene.tif", "none/new.gpkg"), 6, "none"),
    # resources
    ("predict scene.tif -o new.tif -m model.safetensors --device cuda:99", 7, "cuda:99"),
    ("predict scene.tif -o new.tif -m model.safetensors --device toaster", 7, "toaster"),
    # safety
    *(
        (command.format(scene, "new"), 8, scene)
        for scene in UNSAFE
        for command in (*OF_SCENES, "info {}")
    ),
    # usage
    (PREDICT.format("scene.tif", "new.tif") + " --tile-size 16", 2, "--tile-size"),
    (PREDICT.format("scene.tif", "new.tif") + " --overlap many", 2, "--overlap"),
    (PREDICT.format("scene.tif", "new.tif") + " --tta some", 2, "--tta"),
    ("polygonize mask.tif -o new.gpkg --threshold 1.5", 2, "--threshold"),
    ("polygonize mask.tif -o new.gpkg --min-area ten", 2, "--min-area"),
    ("polygonize mask.tif -o new.gpkg --connectivity 6", 2, "--connectivity"),
    ("evaluate mask.tif mask.tif --fail-under f1", 2, "--fail-under"),
    ("evaluate mask.tif mask.tif --fail-under nothing=0.5", 2, "nothing"),
    ("tile scene.tif -o new --rescale some", 2, "--rescale"),
    ("tile scene.tif -o new --split 1,1,1", 2, "--split"),
]


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [c for c in CASES if c[0].split()[0] in COMMANDS],
    ids=lambda v: str(v),
)
def test_bad_input(
    line: str, code: int, message: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = run(line.split())
    out, err = capfd.readouterr()
    assert (found, out) == (code, ""), err
    assert err.startswith("Error: ") and err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize(
    "command",
    [
        "evaluate {long}.gpkg {made}/far.geojson",
        "tile {made}/scene.tif -o chips --labels {long}.gpkg",
        "tile {made}/scene.tif -o chips --aoi {long}.gpkg",
        "train {long} -o model.safetensors",
        "prepare folder {long} -o chips",
        "info {long}.tif",
    ],
)
def test_an_input_whose_name_no_system_takes(
    command: str,
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = "n" * 300
    monkeypatch.chdir(tmp_path)
    assert run(command.format(made=made, long=long).split()) == 3
    error = capsys.readouterr().err
    assert error.startswith(f"Error: {long[:9]}") and "its name is too long" in error
    assert error.count("\n") == 1
