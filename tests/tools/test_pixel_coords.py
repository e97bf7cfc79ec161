"""Pictures without a CRS: footprints lie where QGIS shows the picture, in pixels, through every
verb.
"""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely

pytest.importorskip("onnx")

from geoseg.cli.main import run as geoseg
from geoseg.errors import UnsuitableError
from geoseg.evaluation.metrics import count
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.specs import ComparedGround, EvaluateSpec, EvaluationOutput
from geoseg.tools import evaluate
from tests.scenes import picture

HEIGHT, WIDTH = 90, 140
BOXES = [(12, 8, 40, 30), (70, 10, 92, 45), (100, 60, 131, 84)]
PIXELS = ["--pixel-coords", "--overwrite"]


def mask(boxes=BOXES):
    out = np.zeros((HEIGHT, WIDTH), bool)
    for x0, y0, x1, y1 in boxes:
        out[y0:y1, x0:x1] = True
    return out


def truth(path: Path, boxes=BOXES, shift=0) -> Path:
    outlines = [shapely.box(x0 + shift, -y1, x1 + shift, -y0) for x0, y0, x1, y1 in boxes]
    gpd.GeoDataFrame(geometry=outlines).to_file(path)
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    write_array(path, picture(mask()))
    return path


@pytest.fixture
def found(photo: Path, model: Path) -> Path:
    path = photo.with_name("found.gpkg")
    options = ["-m", str(model), "--precision", "fp32", "--raw", *PIXELS]
    assert geoseg(["extract", str(photo), "-o", str(path), *options]) == 0
    return path


def test_footprints_lie_where_qgis_shows_the_picture(photo, found):
    table = gpd.read_file(found)
    boxes = {tuple(map(int, each.bounds)) for each in table.geometry}
    assert boxes == {(x0, -y1, x1, -y0) for x0, y0, x1, y1 in BOXES} and table.crs is None
    with rasterio.open(photo) as file:  # GDAL's geotransform of a picture that has none
        assert tuple(file.transform)[:6] == (1, 0, 0, 0, 1, 0)
    assert table.geometry.total_bounds[3] < 0 and table.geometry.total_bounds[1] > -HEIGHT


def test_pixels_are_not_called_metres(found, tmp_path, capsys):
    table = gpd.read_file(found)
    assert sorted(table["area_px"]) == sorted((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in BOXES)
    assert {"area_m2", "perimeter_m"}.isdisjoint(table.columns)
    write_array(tmp_path / "m.tif", mask()[None].astype("uint8"))
    made = ["polygonize", str(tmp_path / "m.tif"), "-o", str(tmp_path / "f.shp"), *PIXELS]
    assert geoseg([*made, "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["area_m2"], report["area_px"]) == (None, int(mask().sum()))
    assert {"area_px", "perim_px"} <= set(gpd.read_file(tmp_path / "f.shp").columns)


def test_there_and_back(photo, found, tmp_path):
    out = tmp_path / "back.tif"
    assert geoseg(["rasterize", str(found), "--like", str(photo), "-o", str(out), *PIXELS]) == 0
    assert (read_array(out)[0][0] == mask()).all()


def test_compared_with_truth_in_the_same_coordinates(photo, found, tmp_path):
    """Of two layers, of a mask and a layer, and of pixels on the grid of the picture."""
    moved = truth(tmp_path / "t.gpkg", shift=4)
    output = EvaluationOutput(tmp_path / "layers.gpkg", tmp_path / "page.html")
    report = evaluate.run(found, moved, output=output, ground=ComparedGround(like=str(photo)))
    assert report.object["tp"] == 3 and report.ground["scenes"] == (str(photo),)
    assert report.object["neighbourhood_px"] == 100
    assert "area_error_px" in report.places[0] and "area_error_m2" not in report.places[0]
    shifted = count(mask(), mask([(x0 + 4, y0, x1 + 4, y1) for x0, y0, x1, y1 in BOXES]))
    assert report.pixel["iou"] == shifted.iou
    assert "area_px" in gpd.read_file(tmp_path / "layers.gpkg", layer="tp").columns
    write_array(tmp_path / "m.png", mask()[None].astype("uint8") * 255)
    both = evaluate.run(tmp_path / "m.png", moved)
    assert both.object["tp"] == 3 and both.pixel["iou"] == shifted.iou
    with pytest.raises(UnsuitableError, match=r"y from 0 at the upper edge"):
        down = truth(tmp_path / "down.gpkg", [(x0, -y1, x1, -y0) for x0, y0, x1, y1 in BOXES])
        evaluate.run(tmp_path / "m.png", down)


def test_a_part_and_another_resolution_keep_the_pixels_of_the_picture(
    photo, found, model, tmp_path
):
    """The model of 0.5 m reads a picture of 0.25 m at half its size."""
    options = ["-m", str(model), "--precision", "fp32", "--raw", *PIXELS]
    out = tmp_path / "part.gpkg"
    part = ["--window", "60,5,80,85"]
    assert geoseg(["extract", str(photo), "-o", str(out), *part, *options]) == 0
    boxes = {tuple(map(int, each.bounds)) for each in gpd.read_file(out).geometry}
    assert boxes == {(x0, -y1, x1, -y0) for x0, y0, x1, y1 in BOXES[1:]}
    fine = tmp_path / "fine.png"
    write_array(fine, picture(mask()).repeat(2, 1).repeat(2, 2))
    assert geoseg(["extract", str(fine), "-o", str(out), "--gsd", "0.25", *options]) == 0
    boxes = {tuple(map(int, each.bounds)) for each in gpd.read_file(out).geometry}
    assert boxes == {(2 * x0, -2 * y1, 2 * x1, -2 * y0) for x0, y0, x1, y1 in BOXES}


def test_a_worldfile_and_a_crs_give_metres(photo, model, tmp_path, capsys):
    """As a GeoTIFF of the same place: read at the model's resolution, without a warning."""
    fine = tmp_path / "fine.png"
    write_array(fine, picture(mask()).repeat(2, 1).repeat(2, 2))
    fine.with_suffix(".pgw").write_text("0.25\n0\n0\n-0.25\n500000.125\n5499999.875\n")
    out = tmp_path / "placed.gpkg"
    options = ["--crs", "EPSG:32633", "-m", str(model), "--precision", "fp32", "--raw", "--json"]
    assert geoseg(["extract", str(fine), "-o", str(out), *options]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["warnings"] == []
    table = gpd.read_file(out, layer="footprints")
    pixels = table.translate(-500_000, -5_500_000).scale(2, 2, origin=(0, 0))
    boxes = {tuple(map(int, each.bounds)) for each in pixels}
    assert boxes == {(x0, -y1, x1, -y0) for x0, y0, x1, y1 in BOXES}
    assert table.crs.to_epsg() == 32633


def test_truth_beyond_the_picture_is_not_missed(photo, found, tmp_path):
    more = truth(tmp_path / "t.gpkg", [*BOXES, (150, 10, 170, 30), (10, 95, 30, 110)])
    report = evaluate.run(found, more, EvaluateSpec())
    assert (report.object["fn"], report.ground["beyond"]["truth"]) == (0, 2)


def test_previewed_on_the_picture(photo, found, tmp_path):
    out = ["-o", str(tmp_path / "p.png"), "--json"]
    assert geoseg(["preview", str(photo), str(found), "--truth", str(found), *out]) == 0
