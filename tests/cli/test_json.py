"""The JSON that scripts rely on: one object, alone on stdout, with the contract's keys; the same
run as text.
"""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from geoseg import __version__
from geoseg.cli.main import run
from geoseg.core.grid import Grid
from geoseg.io.raster.write import write_array
from geoseg.specs import ModelSpec

GRID = Grid(CRS(32637), Affine(0.3, 0, 500_000, 0, -0.3, 3_000_000), 96, 160)
COMMON = {"command", "inputs", "outputs", "seconds", "warnings", "version"}
MODEL = "-m model.safetensors --device cpu"
# Each line works on what those before it wrote; with the keys that the contract names beyond the
# common ones
LINES = [
    ("polygonize mask.tif -o footprints.gpkg", {"footprints", "area_m2"}),
    ("tile scene.tif -o chips --size 64 --labels footprints.gpkg", {"chips"}),
    ("rasterize footprints.gpkg --like scene.tif -o burned.tif", set()),
    (
        "prepare folder chips -o prepared --size 64",
        {"chips", "skipped", "splits", "classes", "pixels"},
    ),
    ("stitch chips/images -o mosaic.tif", set()),
    ("evaluate burned.tif mask.tif", {"pixel", "object"}),
    (
        "evaluate footprints.gpkg footprints.gpkg --report report.html --image scene.tif",
        {"pixel", "object"},
    ),
    (f"evaluate --data chips --split train {MODEL}", {"pixel", "object", "thresholds", "chips"}),
    (
        f"tune chips --split train -o tuned.safetensors {MODEL}",
        {"threshold", "min_area", "before", "after", "gain"},
    ),
    (f"predict scene.tif -o probability.tif {MODEL}", {"pixels", "model", "stages"}),
    (
        f"extract scene.tif -o out.gpkg {MODEL}",
        {"footprints", "area_m2", "pixels", "model", "threshold", "stages"},
    ),
    (f"extract scene.tif -o none.gpkg --dry-run {MODEL}", {"plan"}),
    (
        "preview scene.tif footprints.gpkg --truth mask.tif -o picture.png --size 400",
        {"height", "width", "metrics"},
    ),
    ("preview chips -o chips.png --size 400", {"chips"}),
    ("info scene.tif -m model.safetensors", {"kind", "about", "fit"}),
    ("info footprints.gpkg", {"kind", "about"}),
    ("info model.safetensors", {"kind", "about"}),
    ("info chips", {"kind", "about"}),
    ("export model.safetensors -o model.onnx", set()),
    ("models", {"models"}),
    ("doctor", {"missing"}),
    (
        "train chips -o trained.safetensors --arch cnn --epochs 1 --crop 64",
        {"epochs", "best", "model", "images_per_second"},
    ),
]


def schema(command: str) -> dict[str, object]:
    path = Path(__file__).resolve().parents[2] / "docs" / "schemas" / f"{command}.json"
    return json.loads(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    import torch

    from geoseg.models.modelfile import save
    from geoseg.models.registry import build

    folder = tmp_path_factory.mktemp("work")
    mask = np.zeros((1, *GRID.shape), "uint8")
    mask[0, 10:40, 20:70] = mask[0, 60:90, 100:150] = 1
    noise = np.random.default_rng(3).integers(0, 40, (3, *GRID.shape), "uint8")
    write_array(folder / "mask.tif", mask, GRID)
    write_array(folder / "scene.tif", noise + 150 * mask + 10, GRID)
    torch.manual_seed(5)
    spec = ModelSpec("cnn")
    save(folder / "model.safetensors", spec, build(spec).state_dict())
    return folder


@pytest.mark.parametrize(("line", "keys"), LINES, ids=[line for line, _ in LINES])
def test_json_is_alone_and_complete(
    line: str, keys: set[str], folder: Path, monkeypatch, capfd
) -> None:
    monkeypatch.chdir(folder)
    code = run([*line.split(), "--json"])
    out, err = capfd.readouterr()
    assert code == 0, err
    content = json.loads(out)
    jsonschema.validate(content, schema(line.split()[0]))
    assert out.count("\n") == 1 and content.keys() >= COMMON | keys
    assert (content["command"], content["version"]) == (line.split()[0], __version__)
    assert all(Path(path).exists() for path in content["outputs"])
    remarks = [text for text in err.splitlines() if not text.startswith(("epoch ", "starts "))]
    assert [f"Warning: {text}" for text in content["warnings"]] == remarks


@pytest.mark.parametrize("line", ["info mask.tif", "evaluate mask.tif mask.tif"])
def test_text_says_the_same_and_quiet_nothing(line: str, folder: Path, monkeypatch, capfd) -> None:
    monkeypatch.chdir(folder)
    assert run([*line.split()]) == 0
    out, err = capfd.readouterr()
    assert err == "" and out.endswith(" s\n")
    assert run([*line.split(), "-q"]) == 0
    assert capfd.readouterr() == ("", "")


def test_a_limit_that_is_missed_is_an_exit_code(folder: Path, monkeypatch, capfd) -> None:
    monkeypatch.chdir(folder)
    empty = np.zeros((1, *GRID.shape), "uint8")
    write_array("empty.tif", empty, GRID, overwrite=True)
    assert run(["evaluate", "mask.tif", "mask.tif", "--fail-under", "f1=0.9", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["failed"] == []
    assert run(["evaluate", "empty.tif", "mask.tif", "--fail-under", "f1=0.9", "--json"]) == 4
    out, err = capfd.readouterr()
    assert json.loads(out)["pixel"]["f1"] == 0
    assert err == "Error: empty.tif: f1 is 0.0000, below 0.9\n"
