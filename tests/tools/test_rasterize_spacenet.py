"""Masks from SpaceNet tables: the footprints of one image, on the ground or in its pixels."""

import geopandas as gpd
import numpy as np
import pytest
import shapely

from geoseg.errors import UnsuitableError
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.specs import PixelReference
from geoseg.tools import rasterize
from tests.tools.boxes import BOXES, GRID, UTM, covered, ground


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "scene.tif"
    write_array(path, np.zeros((3, *GRID.shape), np.uint8), GRID)
    return path


HEADER = "ImageId,BuildingId,PolygonWKT_Pix,PolygonWKT_Geo\n"


def spacenet(path, *rows, on_ground=True):
    """A SpaceNet CSV of rows (image, box in pixels, or None for an image without buildings)."""
    lines = []
    for number, (image, box) in enumerate(rows):
        if box is None:
            lines.append(f"{image},-1,POLYGON EMPTY,POLYGON EMPTY")
            continue
        geo = gpd.GeoSeries(ground(box), crs=UTM).to_crs(4326).iloc[0].wkt if on_ground else ""
        lines.append(f'{image},{number},"{shapely.box(*box).wkt}","{geo}"')
    path.write_text(HEADER + "\n".join(lines) + "\n")


@pytest.mark.parametrize("on_ground", [True, False])
def test_spacenet_csv(tmp_path, on_ground):
    """The footprints of the scene's own image, by the ground or by its pixels."""
    scene = tmp_path / "RGB-PanSharpen_AOI_2_Vegas_img7.tif"
    write_array(scene, np.zeros((3, *GRID.shape), np.uint8), GRID)
    rows = [
        ("AOI_2_Vegas_img7", BOXES[0]),
        ("AOI_2_Vegas_img17", BOXES[1]),
        ("AOI_2_Vegas_img5", None),
    ]
    spacenet(tmp_path / "f.csv", *rows, on_ground=on_ground)
    report = rasterize.run(tmp_path / "f.csv", scene, tmp_path / "mask.tif")
    np.testing.assert_array_equal(read_array(tmp_path / "mask.tif")[0][0], covered(BOXES[0]))
    assert report.footprints == 1
    empty = tmp_path / "RGB-PanSharpen_AOI_2_Vegas_img5.tif"
    write_array(empty, np.zeros((3, *GRID.shape), np.uint8), GRID)
    assert rasterize.run(tmp_path / "f.csv", empty, tmp_path / "none.tif").footprints == 0


def test_spacenet_csv_on_a_scene_of_another_name(tmp_path, scene):
    """On the ground all footprints have their place; in pixels nobody knows of which image."""
    rows = [("img7", BOXES[0]), ("img17", BOXES[1])]
    spacenet(tmp_path / "geo.csv", *rows)
    assert rasterize.run(tmp_path / "geo.csv", scene, tmp_path / "mask.tif").footprints == 2
    spacenet(tmp_path / "pix.csv", *rows, on_ground=False)
    with pytest.raises(UnsuitableError, match=r"pix\.csv: holds 2 images, and none is scene"):
        rasterize.run(tmp_path / "pix.csv", scene, tmp_path / "other.tif")
    spacenet(tmp_path / "one.csv", rows[1], on_ground=False)
    rasterize.run(tmp_path / "one.csv", scene, tmp_path / "other.tif")
    np.testing.assert_array_equal(read_array(tmp_path / "other.tif")[0][0], covered(BOXES[1]))


def test_spacenet_csv_on_a_picture(tmp_path):
    """Without a CRS the column in pixels counts, though there is one on the ground."""
    write_array(tmp_path / "img7.png", np.zeros((3, *GRID.shape), np.uint8))
    spacenet(tmp_path / "f.csv", ("img7", BOXES[0]), ("img17", BOXES[1]))
    rasterize.run(
        tmp_path / "f.csv",
        tmp_path / "img7.png",
        tmp_path / "mask.tif",
        reference=PixelReference(pixel_coords=True),
    )
    np.testing.assert_array_equal(read_array(tmp_path / "mask.tif")[0][0], covered(BOXES[0]))
