import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.core.burn import burn
from geoseg.core.grid import Grid
from geoseg.errors import OutputError, UnsuitableError, UsageError
from geoseg.io.raster import open_scene, read_array, write_array
from geoseg.tools import rasterize

UTM = CRS.from_epsg(32736)
GRID = Grid(UTM, Affine(0.5, 0, 512_000, 0, -0.5, 9_300_000), 90, 140)


def ground(*boxes):
    """Boxes (left, top, right, bottom in pixels) on the ground of GRID."""
    return [shapely.box(*(GRID.transform * (x0, y1)), *(GRID.transform * (x1, y0))) for x0, y0, x1, y1 in boxes]


def layer(boxes, crs=UTM, **columns):
    return gpd.GeoDataFrame(columns, geometry=ground(*boxes), crs=crs)


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "scene.tif"
    write_array(path, np.zeros((3, *GRID.shape), np.uint8), GRID)
    return path


BOXES = [(100, 10, 120, 22), (5, 60, 17, 85)]


def covered(*boxes):
    out = np.zeros(GRID.shape, np.uint8)
    for x0, y0, x1, y1 in boxes:
        out[y0:y1, x0:x1] = 1
    return out


def test_a_mask_on_the_scenes_grid(tmp_path, scene):
    layer(BOXES).to_file(tmp_path / "f.gpkg")
    report = rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif", value=200)
    mask, _, grid = read_array(tmp_path / "mask.tif")
    np.testing.assert_array_equal(mask[0], covered(*BOXES) * 200)
    assert grid == GRID and mask.dtype == np.uint8
    assert (report.command, report.footprints, report.pixels) == ("rasterize", 2, 20 * 12 + 12 * 25)
    assert report.inputs == (str(tmp_path / "f.gpkg"), str(scene)) and report.outputs == (str(tmp_path / "mask.tif"),)
    assert report.warnings == () and report.classes == {}
    with rasterio.open(tmp_path / "mask.tif") as out:
        assert out.nodata is None and out.count == 1 and out.tags()["GEOSEG_VALUE"] == "200"


@pytest.mark.parametrize("epsg", [4326, 3857, 32737])
def test_labels_in_another_crs_are_reprojected_and_the_report_says_so(tmp_path, scene, epsg):
    other = layer(BOXES).to_crs(epsg)
    other.to_file(tmp_path / "f.gpkg")
    report = rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif")
    assert [f"reprojected from EPSG:{epsg} to EPSG:32736" in w for w in report.warnings] == [True]
    mask = read_array(tmp_path / "mask.tif")[0][0]
    assert np.count_nonzero(mask != covered(*BOXES)) <= 4


def test_strips_give_the_same_as_the_whole(tmp_path, monkeypatch):
    grid = Grid(UTM, GRID.transform, 700, 40)
    write_array(tmp_path / "s.tif", np.zeros((1, *grid.shape), np.uint8), grid)
    rng = np.random.default_rng(8)
    geometry = shapely.buffer(shapely.points(rng.uniform((512_000, 9_299_650), (512_020, 9_300_000), (60, 2))), 3)
    gpd.GeoDataFrame(geometry=geometry, crs=UTM).to_file(tmp_path / "f.gpkg")
    monkeypatch.setattr(rasterize, "STRIP_PIXELS", 1)
    seen = []
    rasterize.run(tmp_path / "f.gpkg", tmp_path / "s.tif", tmp_path / "m.tif", progress=lambda stage, total: seen.append)
    np.testing.assert_array_equal(read_array(tmp_path / "m.tif")[0][0], burn(geometry, grid))
    assert seen == [256, 256, 188]


@pytest.mark.parametrize(
    ("column", "classes", "values"),
    [
        (["shed", "house"], {"house": 1, "shed": 2}, (2, 1)),
        ([7, 3], {"3": 3, "7": 7}, (7, 3)),
        ([7.0, 3.0], {"3": 3, "7": 7}, (7, 3)),
        (["house", None], {"house": 1}, (1, 0)),
    ],
)
def test_class_field(tmp_path, scene, column, classes, values):
    layer(BOXES, kind=column).to_file(tmp_path / "f.gpkg")
    report = rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif", class_field="kind")
    mask = read_array(tmp_path / "mask.tif")[0][0]
    assert report.classes == classes
    assert (mask[15, 110], mask[70, 10], mask[50, 70]) == (*values, 0)
    assert any("without a kind" in w for w in report.warnings) == (None in column)
    with open_scene(tmp_path / "mask.tif") as out:
        assert out.tags["GEOSEG_KIND"] == "classes"
        assert out.tags.get("GEOSEG_CLASSES") == (None if "7" in classes else ",".join(["background", *classes]))


@pytest.mark.parametrize(
    ("column", "said"), [([1.5, 2], "no integers"), ([300, 2], "class 300 of kind does not fit"), ([-1, 2], "class -1 of kind")]
)
def test_classes_that_do_not_fit(tmp_path, scene, column, said):
    layer(BOXES, kind=column).to_file(tmp_path / "f.gpkg")
    with pytest.raises(UnsuitableError, match=said):
        rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif", class_field="kind")
    with pytest.raises(UnsuitableError, match=r"has no column use \(its columns: kind\)"):
        rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif", class_field="use")
    assert not (tmp_path / "mask.tif").exists()


def test_all_touched(tmp_path, scene):
    layer([(100.6, 10.6, 104.4, 12.4)]).to_file(tmp_path / "f.gpkg")
    plain = rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "a.tif")
    touched = rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "b.tif", all_touched=True)
    assert (plain.pixels, touched.pixels) == (3, 15)


def test_an_empty_layer_is_an_empty_mask(tmp_path, scene):
    layer([]).to_file(tmp_path / "f.gpkg", geometry_type="Polygon")
    report = rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif")
    assert report.footprints == report.pixels == 0 and not read_array(tmp_path / "mask.tif")[0].any()


def test_labels_elsewhere_are_refused(tmp_path, scene):
    layer([(1000, 10, 1020, 22)]).to_file(tmp_path / "f.gpkg")
    with pytest.raises(UnsuitableError, match=r"f\.gpkg: no overlap"):
        rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif")


def test_labels_without_a_crs_are_refused(tmp_path, scene):
    layer(BOXES, crs=None).to_file(tmp_path / "f.gpkg")
    with pytest.raises(UnsuitableError, match="CRS"):
        rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif")


def test_invalid_footprints_are_repaired(tmp_path, scene):
    bow_tie = shapely.transform(shapely.Polygon([(20, 20), (40, 30), (40, 20), (20, 30)]), lambda xy: xy * [0.5, -0.5])
    gpd.GeoDataFrame(geometry=[shapely.affinity.translate(bow_tie, 512_000, 9_300_000)], crs=UTM).to_file(tmp_path / "f.gpkg")
    report = rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif")
    assert any("1 invalid footprints repaired" in w for w in report.warnings)
    mask = read_array(tmp_path / "mask.tif")[0][0]
    assert mask[25, 22] and mask[25, 37] and not mask[21, 30] and 95 <= report.pixels <= 105


def test_pictures_without_a_crs(tmp_path):
    picture = tmp_path / "photo.png"
    write_array(picture, np.zeros((3, 30, 50), np.uint8))
    gpd.GeoDataFrame(geometry=[shapely.box(40, 3, 48, 9)], crs=UTM).to_file(tmp_path / "f.gpkg")
    args = tmp_path / "f.gpkg", picture, tmp_path / "mask.tif"
    with pytest.raises(UnsuitableError, match=r"photo\.png: has no CRS"):
        rasterize.run(*args)
    rasterize.run(*args, pixel_coords=True)
    mask, _, grid = read_array(tmp_path / "mask.tif")
    assert grid.crs is None and mask[0, 3:9, 40:48].all() and mask.sum() == 48
    rasterize.run(*args, crs="EPSG:32736", overwrite=True)
    mask, _, grid = read_array(tmp_path / "mask.tif")
    assert grid.crs == UTM and mask.sum() == 48
    with pytest.raises(UsageError, match="nonsense is no CRS"):
        rasterize.run(*args, crs="nonsense", overwrite=True)


def test_options_that_make_no_sense(tmp_path, scene):
    layer(BOXES).to_file(tmp_path / "f.gpkg")
    with pytest.raises(UsageError, match="has a CRS"):
        rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif", pixel_coords=True)
    with pytest.raises(UsageError, match="--value 0"):
        rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif", value=0)


def test_an_existing_output_is_refused(tmp_path, scene):
    layer(BOXES).to_file(tmp_path / "f.gpkg")
    with pytest.raises(OutputError, match="exists already"):
        rasterize.run(tmp_path / "f.gpkg", scene, scene)


@pytest.mark.parametrize("name", ["a", "b"])
def test_real_labels_agree_with_the_masks_beside_them(tmp_path, shared_data, name):
    folder = shared_data / "oam_zanzibar"
    footprints, scene = folder / f"labels/oam_zanzibar_{name}.geojson", folder / f"images/oam_zanzibar_{name}.tif"
    report = rasterize.run(footprints, scene, tmp_path / "mask.tif")
    assert "reprojected from" in report.warnings[0]
    ours, theirs = (
        read_array(path)[0][0] > 0 for path in (tmp_path / "mask.tif", folder / f"labels/oam_zanzibar_{name}_mask.tif")
    )
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.97
