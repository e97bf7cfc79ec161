"""The text of an evaluation fits a screen; its JSON has everything."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.cli.main import run
from geoseg.core.grid import Grid
from geoseg.io.raster.write import write_array

UTM = CRS.from_epsg(32736)
GRID = Grid(UTM, Affine(0.5, 0, 512_000, 0, -0.5, 9_300_000), 180, 400)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A probability raster of thirty houses, every third of them missed, and the truth."""
    corners = [(row, col) for row in range(4, 170, 56) for col in range(4, 390, 40)]
    probability = np.zeros((1, *GRID.shape), np.float32)
    for row, col in corners[::3] + corners[1::3]:
        probability[0, row : row + 12, col : col + 20] = 0.8
    write_array(tmp_path / "p.tif", probability, GRID, tags={"GEOSEG_MIN_AREA": "1"})
    boxes = [
        shapely.box(*(GRID.transform * (col, row + 12)), *(GRID.transform * (col + 20, row)))
        for row, col in corners
    ]
    gpd.GeoDataFrame(geometry=boxes, crs=UTM).to_file(tmp_path / "t.gpkg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_text_fits_a_screen(folder: Path, capfd) -> None:
    assert (
        run(
            [
                "evaluate",
                "p.tif",
                "t.gpkg",
                "--sweep",
                "--bootstrap",
                "50",
                "--neighbourhood",
                "20m",
            ]
        )
        == 0
    )
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) <= 55 and max(map(len, lines)) < 90
    places = lines[lines.index("worst places") + 1 : -1]
    assert places[0].split() == [
        "x",
        "y",
        "truth",
        "found",
        "f1",
        "area",
        "error",
        "m2",
        "count",
        "error",
    ]
    assert len(places) == 6 and all(row.split()[4] == "0" for row in places[1:])


def test_json_has_everything(folder: Path, capfd) -> None:
    assert (
        run(
            [
                "evaluate",
                "p.tif",
                "t.gpkg",
                "--sweep",
                "--bootstrap",
                "50",
                "--layers",
                "out.gpkg",
                "--json",
            ]
        )
        == 0
    )
    content = json.loads(capfd.readouterr().out)
    assert content["outputs"] == ["out.gpkg"] and (
        content["object"]["tp"],
        content["object"]["fn"],
    ) == (20, 10)
    assert (
        len(content["pixel"]["sweep"]["thresholds"]) == len(content["pixel"]["sweep"]["iou"]) == 254
    )
    assert (
        content["intervals"].keys() == {"object", "pixel"}
        and len(content["object"]["by_iou"]) == 10
    )
    assert content["places"][0].keys() >= {
        "bounds",
        "crs",
        "truth",
        "found",
        "tp",
        "fp",
        "fn",
        "f1",
        "area_error_m2",
    }
