"""One odd or bad input: what is made, what is run on it, and what has to come of it.

A case is run in a folder of its own, which holds the good files of :func:`good_files` and what
``make`` adds. Whatever the exit code, three things hold for all cases (:func:`judge`):

- a failure is one line on stderr, below 600 characters, free of control characters, and names what
  ``says`` names; a success says so in a warning, where ``says`` is given;
- a failure leaves the folder as it was, a success adds what is called ``new`` and nothing else;
- nothing is printed beside that, by GDAL neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.io.raster.write import write_array
from geoseg.specs import ModelSpec
from tests.scenes import buildings, grid, picture, red_model

SHAPE = (96, 130)
MAP = grid(*SHAPE)
MASK = buildings(*SHAPE)
PICTURE = picture(MASK)

# Refused before a model is loaded: this one would be refused itself
HOLLOW = "-m hollow.onnx"
MODEL = "-m model.onnx"
PREDICT = f"predict {{}} -o new.tif {HOLLOW}"
EXTRACT = f"extract {{}} -o new.gpkg {HOLLOW}"

Make = Callable[[Path], Any]
Check = Callable[[Path, dict[str, Any]], None]


@dataclass(frozen=True)
class Case:
    """``says`` is a regular expression; ``check`` gets the folder and what ``--json`` printed."""

    name: str
    line: str
    code: int = 0
    says: str = ""
    make: Make = lambda folder: None
    check: Check | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def arguments(self) -> list[str]:
        return [*self.line.split(" "), "--json"]


def good_files(folder: Path) -> None:
    """A scene with its mask and footprints, a picture without a CRS, a model, and a model that is
    fine to look at and cannot be run.
    """
    write_array(folder / "scene.tif", PICTURE, MAP)
    write_array(folder / "picture.tif", PICTURE)
    write_array(folder / "mask.tif", MASK.astype("uint8"), MAP)
    left, _, _, top = MAP.bounds
    ring = [
        [left + 3, top - 3],
        [left + 12, top - 3],
        [left + 12, top - 9],
        [left + 3, top - 9],
        [left + 3, top - 3],
    ]
    collection = geojson([ring], crs="urn:ogc:def:crs:EPSG::32633")
    (folder / "footprints.geojson").write_text(collection)
    red_model(folder / "model.onnx", ModelSpec("red", margin=0, min_area=0.5))
    hollow(folder / "hollow.onnx")


def hollow(path: Path) -> None:
    """A model with a description and a graph that no runtime knows."""
    import onnx

    model = onnx.load(red_model(path))
    model.graph.node[0].op_type = "Nothing"
    onnx.save(model, path)


def geojson(rings: list[list[list[float]]], crs: str | None = None) -> str:
    features = [
        {
            "type": "Feature",
            "properties": {},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        for ring in rings
    ]
    content: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if crs:
        content["crs"] = {"type": "name", "properties": {"name": crs}}
    return json.dumps(content)


def contents(folder: Path) -> dict[str, bytes]:
    """Every entry below ``folder``, with the bytes of files; links and pipes are not followed."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        if path.is_file() and not path.is_symlink()
        else b""
        for path in folder.rglob("*")
    }


def judge(
    case: Case, folder: Path, before: dict[str, bytes], code: int, out: str, err: str
) -> None:
    """Assert that ``case``, run in ``folder``, came to what it has to."""
    assert code == case.code, (code, out, err)
    shown = json.loads(out)
    after = contents(folder)
    lines = err.splitlines()
    assert all(line.startswith(("Error: ", "Warning: ")) for line in lines), err
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", err), err
    assert max(map(len, lines), default=0) < 600, err
    if code in (0, 9):
        added = {name for name in after if after[name] != before.get(name)}
        assert all(name.startswith("new") for name in added), added
        assert before.keys() <= after.keys()
        assert not [name for name in after if ".partial" in name], after
    else:
        assert sum(line.startswith("Error: ") for line in lines) == 1, err
        assert after == before
        assert shown["error"]["exit"] == code
    assert re.search(case.says, err), (case.says, err)
    if case.check:
        case.check(folder, shown)


def same_mask(found: np.ndarray, least: float = 1.0) -> None:
    """Assert that a mask on the grid of the scene is that of its buildings, to an IoU."""
    found = found.astype(bool)
    iou = (found & MASK).sum() / max(1, (found | MASK).sum())
    assert iou >= least, iou
