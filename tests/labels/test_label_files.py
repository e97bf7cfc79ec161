"""The labels of a scene in one file, in several, in a folder."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.errors import InputError, UsageError
from geoseg.io.chip_index import read_index
from geoseg.io.raster.write import write_array
from geoseg.labels.label_files import find
from geoseg.specs import ChipSpec
from geoseg.specs.vectors import VectorFiles
from geoseg.tools import tile
from tests.scenes import picture

UTM = CRS.from_epsg(32633)
GRID = Grid(UTM, Affine(0.5, 0, 458_520, 0, -0.5, 5_548_710), 90, 140)


def sheet(path, col, row, **columns):
    """Footprints of one box, 12 pixels wide and 8 high."""
    corner, far = GRID.transform * (col, row + 8), GRID.transform * (col + 12, row)
    box = shapely.box(*corner, *far)
    gpd.GeoDataFrame({"n": [1]} | columns, geometry=[box], crs=UTM).to_file(path)
    return path


@pytest.fixture
def scene(tmp_path):
    write_array(tmp_path / "s.tif", picture(np.zeros((90, 140), bool)), GRID)
    return str(tmp_path / "s.tif")


@pytest.fixture
def sheets(tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()
    sheet(folder / "east.gpkg", 90, 30)
    sheet(folder / "west.geojson", 10, 20)
    return folder


def burnt(scene, labels, out):
    """The mask of all chips together."""
    tile.run([scene], out, ChipSpec(size=50, edge="pad"), labels=labels)
    import rasterio

    mask = np.zeros((100, 150), bool)
    for _, chip in read_index(out).table.iterrows():
        with rasterio.open(out / chip["mask"]) as file:
            place = np.s_[chip["row"] * 50 :, chip["col"] * 50 :]
            mask[place][:50, :50] = file.read(1) == 1
    return mask


def test_all_sheets_are_burnt(scene, sheets, tmp_path):
    """As a folder and as a list; the sheet named like the scene is taken alone."""
    expected = np.zeros((100, 150), bool)
    expected[20:28, 10:22] = expected[30:38, 90:102] = True
    paths = [sheets / "east.gpkg", sheets / "west.geojson"]
    assert (burnt(scene, sheets, tmp_path / "folder") == expected).all()
    assert (burnt(scene, VectorFiles.of(paths), tmp_path / "list") == expected).all()
    sheet(sheets / "s.gpkg", 60, 70)
    assert find(sheets, scene) == VectorFiles((sheets / "s.gpkg",))
    assert burnt(scene, sheets, tmp_path / "named").sum() == 96


def test_a_layer_or_a_condition_is_taken(scene, tmp_path):
    path = sheet(tmp_path / "f.gpkg", 10, 20, kind=["house"])
    table = gpd.read_file(path)
    table.to_file(path, layer="other")
    first = VectorFiles.of(path, "f", "kind = 'house'")
    assert burnt(scene, first, tmp_path / "one").sum() == 96
    none = VectorFiles.of(path, "other", "kind = 'shed'")
    assert burnt(scene, none, tmp_path / "two").sum() == 0


def test_which_files_are_found(tmp_path, scene, sheets):
    """A folder with masks or tables has a file for each scene; files of other names are not this
    one's.
    """
    write_array(sheets / "t_mask.tif", np.zeros((1, 90, 140), "uint8"), GRID)
    with pytest.raises(InputError, match=r"has no labels for .*s\.tif"):
        find(sheets, scene)
    assert find(sheets, "t.tif") == sheets / "t_mask.tif"
    listed = VectorFiles.of([sheets, tmp_path / "labels" / "east.gpkg"])
    assert find(listed, "t.tif") == sheets / "t_mask.tif"
    with pytest.raises(UsageError, match="is a raster, which has neither layers"):
        find(VectorFiles.of(sheets / "t_mask.tif", "roofs"), "t.tif")
    with pytest.raises(InputError, match=r"none\.gpkg: does not exist"):
        find(VectorFiles.of([tmp_path / "none.gpkg"]), scene)
    with pytest.raises(InputError, match=r"none\.gpkg: does not exist"):
        find(VectorFiles.of([sheets / "east.gpkg", tmp_path / "none.gpkg"]), scene)
