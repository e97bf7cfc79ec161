"""What users reported of other tools, as `tile` and `prepare` meet it: labels in any vector format,
several layers, places and transparency that few files have.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp

from geoseg.cli.main import run
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import read_array
from geoseg.specs import ChipSpec, PrepareSpec
from geoseg.tools import prepare, tile
from tests.tools.tiles import GRID, UTM, ground, noise, plain, scene

BOX = (30, 20, 70, 44)  # columns and rows
FORMATS = ["gpkg", "kml", "gml", "zip", "gdb"]


def write_labels(folder: Path, kind: str, name: str = "a") -> Path:
    """One building, in a layer that is not called footprints."""
    layer = gpd.GeoDataFrame({"n": [1]}, geometry=[ground(*BOX)], crs=UTM)
    path = folder / f"{name}.{kind}"
    if kind == "zip":
        layer.to_file(folder / "shape.shp")
        with zipfile.ZipFile(path, "w") as archive:
            for part in folder.glob("shape.*"):
                archive.write(part, part.name)
                part.unlink()
        return path
    drivers = {"kml": "KML", "gml": "GML", "gdb": "OpenFileGDB", "gpkg": "GPKG"}
    layer.to_crs(4326 if kind == "kml" else UTM).to_file(path, driver=drivers[kind], layer="town")
    return path


def burnt(folder: Path) -> np.ndarray:
    """The masks of all chips, laid where they belong."""
    whole = np.zeros(GRID.shape, np.uint8)
    for name in read_index(folder).table["mask"]:
        mask, _, on = read_array(folder / name)
        col, row = (round(place) for place in ~GRID.transform * (on.transform.c, on.transform.f))
        whole[row : row + on.height, col : col + on.width] |= mask[0]
    return whole


def building() -> np.ndarray:
    left, top, right, bottom = BOX
    expected = np.zeros(GRID.shape, np.uint8)
    expected[top:bottom, left:right] = 1
    return expected


@pytest.mark.parametrize("kind", FORMATS)
def test_labels_in_any_vector_format(tmp_path: Path, kind: str) -> None:
    path = scene(tmp_path / "a.tif")
    labels = write_labels(tmp_path, kind)
    tile.run([path], tmp_path / "chips", ChipSpec(size=70), labels=labels)
    # coordinates of KML are degrees of 15 digits: a pixel at an edge may go either way
    assert np.count_nonzero(burnt(tmp_path / "chips") != building()) <= (60 if kind == "kml" else 0)


@pytest.mark.parametrize("kind", FORMATS)
def test_prepare_takes_labels_in_any_vector_format(tmp_path: Path, kind: str) -> None:
    for name in ("images", "labels"):
        (tmp_path / "in" / name).mkdir(parents=True)
    scene(tmp_path / "in/images/a.tif")
    write_labels(tmp_path / "in/labels", kind)
    report = prepare.run("folder", tmp_path / "in", tmp_path / "out", PrepareSpec(split=(1, 0, 0)))
    assert report.pixels["building"] == pytest.approx(building().sum(), abs=60)
    assert np.count_nonzero(burnt(tmp_path / "out") != building()) <= (60 if kind == "kml" else 0)


def test_several_label_files_of_a_scene(tmp_path: Path) -> None:
    path = scene(tmp_path / "a.tif")
    left, top, right, bottom = BOX
    halves = [(left, top, 50, bottom), (50, top, right, bottom)]
    (tmp_path / "sheets").mkdir()
    for number, box in enumerate(halves):
        part = gpd.GeoDataFrame(geometry=[ground(*box)], crs=UTM)
        part.to_file(tmp_path / f"sheets/sheet{number}.gpkg")
    sheets = sorted((tmp_path / "sheets").iterdir())
    commands = {
        "folder": ["--labels", str(tmp_path / "sheets")],
        "files": [word for sheet in sheets for word in ("--labels", str(sheet))],
    }
    for name, labels in commands.items():
        assert run(["tile", path, "-o", str(tmp_path / name), "--size", "70", *labels]) == 0
        np.testing.assert_array_equal(burnt(tmp_path / name), building())


def test_a_layer_of_an_area_of_interest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = scene(tmp_path / "a.tif")
    for name, box in {"east": (100, 5, 130, 20), "west": (5, 5, 20, 20)}.items():
        area = gpd.GeoDataFrame(geometry=[ground(*box)], crs=UTM)
        area.to_file(tmp_path / "areas.gpkg", layer=name)
    areas = str(tmp_path / "areas.gpkg")
    command = ["tile", path, "-o", str(tmp_path / "chips"), "--size", "45", "--aoi"]
    assert run([*command, areas]) == 4
    error = capsys.readouterr().err
    assert "has several layers, east, west (choose one as" in error
    assert f"{areas}|layername=east)" in error
    assert run([*command, f"{areas}|layername=west"]) == 0
    assert read_index(tmp_path / "chips").table["id"].tolist() == ["a_r0000_c0000"]


def test_ground_control_points_place_the_chips(tmp_path: Path) -> None:
    height, width = GRID.shape
    corners = [(row, col) for row in (0, height) for col in (0, width)]
    points = [
        GroundControlPoint(row, col, *(GRID.transform * (col, row)), 0) for row, col in corners
    ]
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 3, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile) as file:
        file.write(noise())
        file.gcps = points, rasterio.crs.CRS.from_epsg(32737)
    tile.run([str(tmp_path / "a.tif")], tmp_path / "chips", ChipSpec(size=70))
    pixels, chip = plain(tmp_path / "chips/images/a_r0001_c0001.tif")
    assert chip.crs.to_epsg() == 32737
    assert chip.transform * (0, 0) == pytest.approx(GRID.transform * (70, 20))
    np.testing.assert_array_equal(pixels, noise()[:, 20:, 70:])


def test_transparency_of_a_fifth_band(tmp_path: Path) -> None:
    alpha = np.full((1, *GRID.shape), 255, "uint8")
    alpha[:, :, :40] = 0
    image = np.concatenate([noise(4), alpha])
    path = scene(tmp_path / "a.tif", image)
    with rasterio.open(path, "r+") as file:
        colours = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined)
        file.colorinterp = (*colours, ColorInterp.alpha)
    tile.run([path], tmp_path / "chips", ChipSpec(size=70, edge="partial"))
    index = read_index(tmp_path / "chips")
    fractions = dict(zip(index.table["id"], index.table["valid_fraction"], strict=True))
    assert fractions["a_r0000_c0000"] == pytest.approx(30 / 70) and index.info.bands == 4
    assert fractions["a_r0000_c0001"] == 1
    assert shapely.union_all(index.table.geometry.to_numpy()).area == pytest.approx(70 * 45)


def test_a_folder_is_made_where_its_name_ends_in_a_slash(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = []
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        paths.append(scene(tmp_path / name / "ortho.tif"))
    common = ["--model", str(model), "--precision", "fp32"]
    new = f"{tmp_path}/new/deep/"
    assert run(["extract", *paths, "-o", new, *common, "--dry-run"]) == 0
    assert not (tmp_path / "new").exists()
    assert run(["extract", *paths, "-o", new, *common]) == 0
    assert run(["predict", *paths, "-o", new, *common]) == 0
    names = {"ortho.gpkg", "ortho_2.gpkg", "ortho.tif", "ortho_2.tif"}
    assert {path.name for path in Path(new).iterdir()} == names
    assert run(["extract", paths[0], "-o", f"{tmp_path}/one/", *common]) == 0
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["ortho.gpkg"]
    assert run(["tile", paths[0], "-o", f"{tmp_path}/a/b/chips/", "--size", "70"]) == 0
    assert read_index(tmp_path / "a/b/chips").table["scene"].unique().tolist() == ["ortho"]
    capsys.readouterr()
    assert run(["predict", *paths, "-o", str(tmp_path / "none"), *common]) == 2
    assert f"(name it with a slash: {tmp_path}/none/)" in capsys.readouterr().err
    assert run(["extract", *paths, "-o", f"{paths[0]}/", *common]) == 6
    assert "exists and is no folder" in capsys.readouterr().err
