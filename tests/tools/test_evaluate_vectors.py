"""Footprints as they come, compared: cut at 180 degrees, several layers, locked files, points among
polygons.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.cli.main import run as geoseg
from geoseg.core.grid import Grid
from geoseg.errors import InputError, UnsuitableError, UsageError
from geoseg.io.raster.write import write_array
from geoseg.specs import ComparedGround, EvaluationOutput, FootprintChoice, PreviewSpec
from geoseg.tools import evaluate, preview
from tests.scenes import picture
from tests.tools.compared import FOUND, GRID, TRUTH, ground, vector

LONLAT = CRS.from_epsg(4326)
STEP = 1e-4
HIGH, LOW = -17 - 20 * STEP, -17 - 45 * STEP


def write(path: Path, shapes, crs=4326) -> Path:
    gpd.GeoDataFrame(geometry=shapes, crs=crs).to_file(path)
    return path


def mask(path: Path, left: float) -> Path:
    """A building of 20 columns and 25 rows, 20 columns from ``left``."""
    image = np.zeros((1, 60, 70), np.uint8)
    image[0, 20:45, 20:40] = 1
    write_array(path, image, Grid(LONLAT, Affine(STEP, 0, left, 0, -STEP, -17), 60, 70))
    return path


@pytest.mark.parametrize("swapped", [False, True])
def test_a_building_across_180_degrees_is_one(tmp_path, swapped):
    """RFC 7946 cuts it there; rasters and other layers count on."""
    halves = [shapely.box(179.999, LOW, 180, HIGH), shapely.box(-180, LOW, -179.999, HIGH)]
    cut = write(tmp_path / "cut.geojson", [shapely.MultiPolygon(halves)])
    whole = write(tmp_path / "whole.gpkg", [shapely.box(179.999, LOW, 180.001, HIGH)])
    raster = mask(tmp_path / "m.tif", 179.997)
    for other in (whole, raster):
        pair = (cut, other) if swapped else (other, cut)
        found = evaluate.run(*pair)
        assert (found.object["tp"], found.object["fp"], found.object["fn"]) == (1, 0, 0)
        assert found.object["matched_iou"] == pytest.approx(1)
    assert evaluate.run(raster, cut).pixel["tp"] == 500


def test_a_raster_that_counts_on_beyond_180_degrees(tmp_path):
    raster = mask(tmp_path / "m.tif", 190)
    west = -170 + 20 * STEP
    truth = write(tmp_path / "t.geojson", [shapely.box(west, LOW, west + 20 * STEP, HIGH)])
    found = evaluate.run(raster, truth)
    assert found.object["tp"] == 1 and found.pixel["iou"] == 1


def test_of_several_layers_one_is_named(tmp_path):
    one, two = vector(tmp_path / "one.gpkg", FOUND), tmp_path / "two.gpkg"
    for name, boxes in (("parcels", TRUTH[:1]), ("buildings", TRUTH)):
        gpd.GeoDataFrame(geometry=ground(*boxes), crs=GRID.crs).to_file(two, layer=name)
    with pytest.raises(UnsuitableError, match=r"several layers, parcels, buildings \(.*truth_lay"):
        evaluate.run(one, two)
    chosen = FootprintChoice(truth_layer="buildings")
    assert evaluate.run(one, two, choice=chosen).object["tp"] == 2
    write_array(tmp_path / "s.tif", picture(np.zeros(GRID.shape, bool)), GRID)
    picture_of = (str(tmp_path / "s.tif"), [str(one)], tmp_path / "p.png")
    with pytest.raises(UnsuitableError, match="several layers"):
        preview.run(*picture_of, PreviewSpec(size=300), truth=str(two))
    spec = PreviewSpec(size=300, truth_layer="buildings")
    assert preview.run(*picture_of, spec, truth=str(two)).metrics[0]["tp"] == 2


def test_a_file_that_another_program_has_locked_is_called_so(tmp_path):
    path = vector(tmp_path / "p.gpkg", FOUND)
    truth = vector(tmp_path / "t.gpkg", TRUTH)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InputError, match="lock"):
            evaluate.run(path, truth)
        other.execute("ROLLBACK")
    assert evaluate.run(path, truth).object["tp"] == 2


def test_points_among_polygons_are_left_out_and_said_so(tmp_path, capsys):
    house = ground(*TRUTH)[0]
    beside = house.centroid
    mixed = write(tmp_path / "osm.geojson", [house, beside], GRID.crs)
    collection = shapely.GeometryCollection([house, beside])
    overlay = write(tmp_path / "overlay.geojson", [collection], GRID.crs)
    assert geoseg(["evaluate", str(mixed), str(overlay), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [report["object"][name] for name in ("tp", "fp", "fn")] == [1, 0, 0]
    assert sum("left out what is no polygon: 1 Point" in text for text in report["warnings"]) == 2


@pytest.mark.parametrize("own", ["found.gpkg", "true.gpkg", "area.gpkg", "scene.gpkg"])
@pytest.mark.parametrize("written", ["layers", "page"])
def test_no_output_replaces_an_input(tmp_path: Path, own: str, written: str) -> None:
    """Neither what is compared nor what bounds it, also where its layer is named."""
    for name in ("found.gpkg", "true.gpkg", "area.gpkg", "scene.gpkg"):
        write(tmp_path / name, [shapely.box(15, 50, 15.001, 50.001)])
    before = (tmp_path / own).read_bytes()
    with pytest.raises(UsageError, match=rf"{own}: is an input"):
        evaluate.run(
            tmp_path / "found.gpkg",
            f"{tmp_path / 'true.gpkg'}|layername=true",
            ground=ComparedGround(
                image=str(tmp_path / "scene.gpkg"), aoi=f"{tmp_path / 'area.gpkg'}|layername=area"
            ),
            output=EvaluationOutput(**{written: tmp_path / own}, overwrite=True),
        )
    assert (tmp_path / own).read_bytes() == before
