import pytest
import shapely

from geoseg.errors import InputError, UnsuitableError
from geoseg.io.vector.read import read_footprints
from tests.layers import read

HEADER = "ImageId,BuildingId,PolygonWKT_Pix,PolygonWKT_Geo\n"
PIX = '"POLYGON ((10 20 0, 40 20 0, 40 30 0, 10 20 0))"'
GEO = '"POLYGON ((2.1 48.7 0, 2.2 48.7 0, 2.2 48.8 0, 2.1 48.7 0))"'
EMPTY = "img2,-1,POLYGON EMPTY,POLYGON EMPTY\n"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"

    def write(text):
        path.write_text(text)
        return path

    return write


def test_on_the_ground_or_in_pixels(table):
    path = table(HEADER + f"img1,7,{PIX},{GEO}\n" + EMPTY)
    frame = read(path)
    assert (len(frame), frame.crs.to_epsg(), frame["ImageId"][0], frame["BuildingId"][0]) == (
        1,
        4326,
        "img1",
        "7",
    )
    assert frame.geometry[0].bounds == (2.1, 48.7, 2.2, 48.8) and not shapely.has_z(
        frame.geometry[0]
    )
    frame = read(path, pixels=True)
    assert frame.crs is None and frame.geometry[0].bounds == (10, 20, 40, 30)
    assert read_footprints(path, pixels=True).pixels and not read_footprints(path).pixels


def test_predictions_have_pixels_and_a_confidence(table):
    frame = read(table(f"ImageId,BuildingId,PolygonWKT_Pix,Confidence\nimg1,0,{PIX},0.25\n"))
    assert frame.crs is None and frame["confidence"].tolist() == [0.25]


def test_the_image_that_a_scene_shows(table):
    """The longest name that the scene's ends with, at a whole part of it."""
    path = table(
        HEADER
        + f"img1,0,{PIX},{GEO}\nAOI_img1,1,{PIX},{GEO}\nimg11,2,{PIX},{GEO}\nimg11,3,{PIX},{GEO}\n"
        + EMPTY
    )
    for scene, buildings in {
        "img1.tif": ["0"],
        "/data/MUL_AOI_img1.tif": ["1"],
        "PAN_img11.tif": ["2", "3"],
        "PAN_img2.tif": [],
        "aoi/scene.tif": ["0", "1", "2", "3"],
        "Ximg1.tif": ["0", "1", "2", "3"],
        "AOI_PS-RGB_img1.tif": ["1"],
        "aoi_img1_8bit.TIF": ["1"],
        "MUL-PanSharpen_img1_PAN.tif": ["0"],
    }.items():
        found = read(path, scene=scene)
        assert list(found.get("BuildingId", [])) == buildings
    with pytest.raises(UnsuitableError, match="holds 4 images, and none is scene"):
        read(path, scene="scene.tif", pixels=True)


def test_tables_of_nothing(table):
    for text in (HEADER, HEADER + EMPTY):
        frame = read(table(text))
        assert len(frame) == 0 and frame.crs.to_epsg() == 4326


def test_tables_that_are_damaged(table):
    with pytest.raises(InputError, match=r"table\.csv: cannot be read"):
        read(table(HEADER + 'img1,0,"POLYGON ((10 20","POLYGON ((10 20"\n'))
    with pytest.raises(InputError, match=r"table\.csv: cannot be read"):
        read(table(f"ImageId,BuildingId,PolygonWKT_Pix,Confidence\nimg1,0,{PIX},high\n"))
