from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import CRS
from rasterio.windows import Window

from geoseg.core.class_map import ClassMap
from geoseg.core.grid import Grid
from geoseg.errors import UnsuitableError
from geoseg.io.datasets.layout import Pair
from geoseg.io.raster.write import write_array
from geoseg.labels.published_labels import LabelReader, infer_class_map
from geoseg.report import no_progress

PICTURE = Grid(None, Affine.identity(), 12, 17)
SCENE = Grid(CRS.from_epsg(32633), Affine(1, 0, 500_000, 0, -1, 5_500_000), 12, 17)
WINDOW = Window(3, 2, 10, 8)
VALID = np.ones((8, 10), bool)


def pair(*labels: Path) -> Pair:
    return Pair("a", Path("a.png"), labels)


def painted(path: Path, paletted: bool) -> Path:
    """Red in rows 4 to 6 of columns 5 to 8 on black, as colours or as a palette."""
    mask = np.zeros((1, 12, 17), "uint8")
    mask[0, 4:7, 5:9] = 3
    if not paletted:
        write_array(path, mask * np.array([85, 0, 0], "uint8")[:, None, None])
        return path
    with rasterio.open(path, "w", driver="PNG", count=1, height=12, width=17, dtype="uint8") as out:
        out.write(mask)
        out.write_colormap(1, {0: (0, 0, 0), 3: (255, 0, 0)})
    return path


def test_colours_and_palettes_tell_one_legend_and_read_alike(tmp_path: Path) -> None:
    plain, paletted = (
        painted(tmp_path / "plain.png", False),
        painted(tmp_path / "paletted.png", True),
    )
    truth = LabelReader(infer_class_map([pair(plain), pair(paletted)], no_progress))
    assert truth.class_map.colours == {(0, 0, 0): 0, (255, 0, 0): 1}
    expected = np.zeros((8, 10), "uint8")
    expected[2:5, 2:6] = 1
    for path in (plain, paletted):
        with truth.open(pair(path), PICTURE) as mask:
            np.testing.assert_array_equal(mask(WINDOW, VALID), expected)
    assert truth.statistics.counted(truth.class_map) == {
        "background": 136,
        "building": 24,
        "void": 0,
    }
    assert truth.statistics.warnings() == []


def test_pixels_without_data_are_void(tmp_path: Path) -> None:
    truth = LabelReader(ClassMap.parse("land=#000000,roof=#ff0000"))
    valid = VALID.copy()
    valid[3] = False
    with truth.open(pair(painted(tmp_path / "m.png", False)), PICTURE) as mask:
        found = mask(WINDOW, valid)
    assert (found[3] == 255).all() and found[2, 2] == 1 and found[4, 2] == 1
    assert truth.statistics.counted(truth.class_map)["void"] == 10


def test_a_mask_of_half_the_size_is_enlarged_and_told(tmp_path: Path) -> None:
    small = np.arange(60, dtype="uint8").reshape(1, 5, 12) % 2
    write_array(tmp_path / "m.png", small)
    truth = LabelReader(ClassMap.parse("land,roof"))
    with truth.open(pair(tmp_path / "m.png"), Grid(None, Affine.identity(), 10, 24)) as mask:
        found = mask(Window(0, 0, 24, 10), np.ones((10, 24), bool))
    np.testing.assert_array_equal(found, small[0].repeat(2, axis=0).repeat(2, axis=1))
    assert truth.statistics.warnings() == [
        f"{tmp_path / 'm.png'}: 1 masks lie on another grid, read by nearest neighbour"
    ]


def test_a_picture_is_no_mask(tmp_path: Path) -> None:
    write_array(tmp_path / "m.png", np.random.default_rng(0).integers(0, 255, (3, 12, 17), "uint8"))
    with pytest.raises(UnsuitableError, match=r"m\.png: contains more values than a class mask"):
        infer_class_map([pair(tmp_path / "m.png")], no_progress)


def test_the_error_names_the_mask_that_has_no_classes(tmp_path: Path) -> None:
    truth = LabelReader(ClassMap.parse("land,roof"))
    with (
        pytest.raises(
            UnsuitableError,
            match=r"m\.png: holds colours, but no class has one \(name its labels with `classes`\)",
        ),
        truth.open(pair(painted(tmp_path / "m.png", False)), PICTURE) as mask,
    ):
        mask(WINDOW, VALID)


def test_footprints_of_several_files_are_burned_together(tmp_path: Path) -> None:
    paths = tmp_path / "north.gpkg", tmp_path / "south.gpkg"
    for path, (left, top) in zip(paths, ((500_004, 5_499_996), (500_010, 5_499_992)), strict=True):
        gpd.GeoDataFrame(geometry=[shapely.box(left, top - 2, left + 3, top)], crs=32633).to_file(
            path
        )
    truth = LabelReader(ClassMap.parse("land,roof"))
    expected = np.zeros((8, 10), "uint8")
    expected[2:4, 1:4] = expected[6:8, 7:10] = 1
    with truth.open(pair(*paths), SCENE) as mask:
        np.testing.assert_array_equal(mask(WINDOW, VALID), expected)
    with (
        pytest.raises(UnsuitableError, match=r"a\.png: has no CRS to place the footprints"),
        truth.open(pair(*paths), PICTURE),
    ):
        pass
