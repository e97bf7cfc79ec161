"""Footprints as users have them, by the command line: exit codes, lines, and what is burnt."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.cli.main import run
from geoseg.core.grid import Grid
from geoseg.io.raster.write import write_array
from tests.io.vector.others import in_wal_mode, other_program
from tests.scenes import picture

UTM = CRS.from_epsg(32633)
GRID = Grid(UTM, Affine(0.5, 0, 458_520, 0, -0.5, 5_548_710), 90, 140)
STEP = 0.0001


def box(col: int, row: int) -> shapely.Polygon:
    """12 pixels wide and 8 high."""
    corner, far = GRID.transform * (col, row + 8), GRID.transform * (col + 12, row)
    return shapely.box(*corner, *far)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a scene s.tif."""
    write_array(tmp_path / "s.tif", picture(np.zeros((90, 140), bool)), GRID)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(path: str, *geometries: shapely.Geometry, **keywords: object) -> None:
    table = gpd.GeoDataFrame({"n": range(len(geometries))}, geometry=list(geometries), crs=UTM)
    table.to_file(path, **keywords)


def geojson(path: str, *geometries: shapely.Geometry | None) -> None:
    rows = [
        {
            "type": "Feature",
            "properties": {},
            "geometry": None if each is None else shapely.geometry.mapping(each),
        }
        for each in geometries
    ]
    Path(path).write_text(json.dumps({"type": "FeatureCollection", "features": rows}))


def call(capsys: pytest.CaptureFixture[str], line: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run(line.split())
    out, err = capsys.readouterr()
    return code, out, err


def pixels(path: str) -> int:
    with rasterio.open(path) as file:
        return int((file.read(1) > 0).sum())


def test_a_file_of_several_layers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused with their names wherever footprints are read, and the option of the command."""
    save("two.gpkg", box(10, 20), layer="parcels")
    save("two.gpkg", box(40, 20), box(70, 20), layer="buildings")
    save("one.gpkg", box(40, 20), box(70, 20), layer="buildings")
    for line, option in {
        "rasterize two.gpkg --like s.tif -o m.tif": "--layer",
        "evaluate one.gpkg two.gpkg": "--truth-layer",
        "evaluate two.gpkg one.gpkg": "--layer",
        "preview s.tif two.gpkg -o p.png": "--layer",
        "preview s.tif one.gpkg --truth two.gpkg -o p.png": "--layer",
        "extract s.tif --aoi two.gpkg -o f.gpkg": "choose one as two.gpkg|layername=parcels",
        "tile s.tif --labels two.gpkg -o chips --size 64": "--labels-layer",
        "train s.tif --labels two.gpkg -o m.safetensors": "--labels-layer",
    }.items():
        code, _, err = call(capsys, line)
        assert code == 4 and "has several layers, parcels, buildings" in err, line
        assert option in err, line
        assert not {"m.tif", "p.png", "f.gpkg"} & {each.name for each in folder.iterdir()}
    code, out, _ = call(capsys, "info two.gpkg --json")
    layers = json.loads(out)["about"]["layers"]
    assert [(each["layer"], each["features"]) for each in layers] == [
        ("parcels", 1),
        ("buildings", 2),
    ]
    assert (
        '"features": 2, "geometries"' in call(capsys, "info two.gpkg --layer buildings --json")[1]
    )
    line = "rasterize two.gpkg --like s.tif -o m.tif --layer buildings"
    assert call(capsys, line)[0] == 0 and pixels("m.tif") == 2 * 96
    assert call(capsys, f"{line} --where n=1 --overwrite")[0] == 0 and pixels("m.tif") == 96
    code, _, err = call(capsys, f"{line} --where m=1 --overwrite")
    assert code == 2 and "no such column: m" in err
    line = "evaluate one.gpkg two.gpkg --json"
    report = json.loads(call(capsys, f"{line} --layer buildings")[1])
    assert report["object"]["tp"] == 2
    report = json.loads(call(capsys, f"{line} --truth-layer parcels")[1])
    assert (report["object"]["tp"], report["object"]["fn"]) == (0, 1)
    assert call(capsys, "preview s.tif two.gpkg --layer buildings -o p.png --size 300")[0] == 0
    line = "tile s.tif --labels two.gpkg -o chips --size 90 --labels-layer buildings"
    assert call(capsys, f"{line} --labels-where n=1")[0] == 0
    assert sum(pixels(str(path)) for path in Path("chips/masks").iterdir()) >= 96
    code, _, err = call(capsys, "tile s.tif -o c --labels-layer buildings")
    assert code == 2 and "--labels" in err


def test_what_is_burnt_is_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing, an empty polygon, a point, a collection; a building beyond the scene."""
    shapes = gpd.GeoSeries([box(10, 20), shapely.Point(458_525, 5_548_700), box(4000, 20)], crs=UTM)
    house, point, far = shapes.to_crs(4326)
    geojson("n.geojson", house, None, shapely.Polygon(), far)
    geojson("osm.geojson", house, point)
    geojson("overlay.geojson", shapely.GeometryCollection([house, point]))
    for name, left_out in {
        "n": "2 without a geometry",
        "osm": "1 Point",
        "overlay": "1 Point",
    }.items():
        code, out, _ = call(capsys, f"rasterize {name}.geojson --like s.tif -o {name}.tif --json")
        report = json.loads(out)
        assert (code, report["footprints"]) == (0, 1)
        assert report["pixels"] == pixels(f"{name}.tif") == pytest.approx(96, abs=4)
        assert report["warnings"][0] == (f"{name}.geojson: left out what is no polygon: {left_out}")


def test_labels_in_several_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("labels").mkdir()
    save("labels/a.gpkg", box(10, 20))
    save("labels/b.gpkg", box(70, 30))
    line = "rasterize labels/a.gpkg labels/b.gpkg --like s.tif -o m.tif --json"
    report = json.loads(call(capsys, line)[1])
    assert report["inputs"] == ["labels/a.gpkg", "labels/b.gpkg", "s.tif"]
    assert report["footprints"] == 2 and pixels("m.tif") == 2 * 96
    for number, labels in enumerate(
        ("--labels labels", "--labels labels/a.gpkg --labels labels/b.gpkg")
    ):
        assert call(capsys, f"tile s.tif -o chips{number} --size 45 --edge pad {labels}")[0] == 0
        masks = Path(f"chips{number}/masks").iterdir()
        found = 0
        for path in masks:
            with rasterio.open(path) as file:
                found += int((file.read(1) == 1).sum())
        assert found == 2 * 96


def test_a_building_across_180_degrees(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = np.zeros((1, 60, 50), "uint8")
    mask[:, 20:40, 20:40] = 1
    lonlat = CRS.from_epsg(4326)
    for name, left in (("across", 179.997), ("beyond", 190)):
        on = Grid(lonlat, Affine(STEP, 0, left, 0, -STEP, -17), 60, 50)
        write_array(folder / f"{name}.tif", mask, on)
    high, low = -17 - 20 * STEP, -17 - 40 * STEP
    halves = [shapely.box(179.999, low, 180, high), shapely.box(-180, low, -179.999, high)]
    geojson("across.geojson", shapely.MultiPolygon(halves))
    geojson("beyond.geojson", shapely.box(-170 + 20 * STEP, low, -170 + 40 * STEP, high))
    whole = shapely.box(179.999, low, 180.001, high)
    gpd.GeoDataFrame(geometry=[whole], crs=lonlat).to_file("across.gpkg")
    for name in ("across", "beyond"):
        line = f"rasterize {name}.geojson --like {name}.tif -o b_{name}.tif"
        assert call(capsys, line)[0] == 0 and pixels(f"b_{name}.tif") == 400
        report = json.loads(call(capsys, f"evaluate {name}.tif {name}.geojson --json")[1])
        assert (report["pixel"]["f1"], report["object"]["tp"]) == (1, 1)
    for line in ("across.geojson across.gpkg", "across.gpkg across.geojson"):
        report = json.loads(call(capsys, f"evaluate {line} --json")[1])
        assert (report["object"]["tp"], report["object"]["fp"]) == (1, 0)


def test_a_file_that_another_program_has_open(
    folder: Path, model: Path, capsys: pytest.CaptureFixture[str], impatient: None
) -> None:
    """Its edits and later commits stay, or a lock is named; nothing of it is called damage."""
    roofs = np.zeros((90, 140), bool)
    for name, col in (("a", 10), ("b", 70)):
        roofs[20:40, col : col + 30] = True
        write_array(folder / f"{name}.tif", picture(roofs), GRID)
    options = f"-m {model} --tile-size 64 --min-area 0"
    assert call(capsys, f"extract a.tif -o f.gpkg {options}")[0] == 0
    with in_wal_mode(folder / "f.gpkg") as other:
        other.run("CREATE TABLE notes (word TEXT)", "DELETE FROM footprints")
        code, out, err = call(capsys, f"extract b.tif -o f.gpkg --append {options} --json")
        assert code == 0, err
        assert other.run("INSERT INTO notes VALUES ('later')") == "[]"
        # in WAL mode readers need not wait
        assert other.run("PRAGMA journal_mode = delete") == "[('delete',)]"
    found = gpd.read_file("f.gpkg", layer="footprints")
    # without the one that was deleted b.tif shows it anew
    assert found["scene"].tolist() == ["b", "b"] and json.loads(out)["footprints"] == 2
    with closing(sqlite3.connect("f.gpkg")) as package:
        assert package.execute("SELECT * FROM notes").fetchall() == [("later",)]
    with other_program(folder / "f.gpkg", "BEGIN EXCLUSIVE"):
        for line, expected in {
            f"extract a.tif -o f.gpkg --append {options}": 6,
            f"extract a.tif -o f.gpkg --overwrite {options}": 6,
            "evaluate f.gpkg f.gpkg": 3,
            "info f.gpkg": 3,
            "rasterize f.gpkg --like s.tif -o m.tif": 3,
        }.items():
            code, _, err = call(capsys, line)
            assert (code, err.count("\n")) == (expected, 1), line
            assert "another program" in err, line
    assert len(gpd.read_file("f.gpkg", layer="footprints")) == 2
