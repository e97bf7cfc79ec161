from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from click.testing import CliRunner
from pyproj import CRS
from rasterio.windows import Window

from geoseg.cli.main import cli
from geoseg.core.grid import Grid
from geoseg.errors import InputError, UnsuitableError
from geoseg.geometry.burn import burn
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.labels.scene_labels import classes, find, open_labels
from geoseg.specs import ChipSpec, MaskSpec
from geoseg.tools import rasterize, tile

UTM = CRS.from_epsg(32737)
GRID = Grid(UTM, Affine(0.5, 0, 512_000, 0, -0.5, 9_300_000), 90, 140)
WHOLE = Window(0, 0, 140, 90)


def ground(x0, y0, x1, y1):
    """Box in pixels on the ground of GRID."""
    return shapely.box(*(GRID.transform * (x0, y1)), *(GRID.transform * (x1, y0)))


def read(path, grid=GRID, window=WHOLE):
    warnings = []
    with open_labels(path, grid, warnings) as labels:
        return labels(window), warnings


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".fgb", ".shp"])
def test_footprints(tmp_path, suffix):
    boxes = [ground(100, 10, 120, 22), ground(5, 60, 17, 85)]
    gpd.GeoDataFrame(geometry=boxes, crs=UTM).to_file(tmp_path / f"f{suffix}")
    mask, _ = read(tmp_path / f"f{suffix}")
    np.testing.assert_array_equal(mask, burn(boxes, GRID))
    assert mask.dtype == np.uint8 and mask[15, 110] == 1 and mask.sum() == 20 * 12 + 12 * 25
    part, _ = read(tmp_path / f"f{suffix}", window=Window(90, -5, 60, 40))
    np.testing.assert_array_equal(part[5:, :50], mask[:35, 90:])
    assert not part[:5].any() and not part[:, 50:].any()


@pytest.mark.parametrize("epsg", [4326, 3857, 32736])
def test_footprints_of_another_crs_are_reprojected_and_it_is_said(tmp_path, epsg):
    boxes = gpd.GeoSeries([ground(100, 10, 120, 22), ground(5, 60, 17, 85)], crs=UTM)
    gpd.GeoDataFrame(geometry=boxes.to_crs(epsg)).to_file(tmp_path / "f.gpkg")
    mask, warnings = read(tmp_path / "f.gpkg")
    assert np.count_nonzero(mask != burn(boxes.to_numpy(), GRID)) <= 4
    assert len(warnings) == 1 and f"reprojected from EPSG:{epsg} to EPSG:32737" in warnings[0]


def test_a_file_that_has_changed_is_read_again(tmp_path):
    for box in (ground(100, 10, 120, 22), ground(5, 60, 17, 85)):
        gpd.GeoDataFrame(geometry=[box], crs=UTM).to_file(tmp_path / "f.gpkg")
        np.testing.assert_array_equal(read(tmp_path / "f.gpkg")[0], burn([box], GRID))


def test_a_scene_among_the_labels_may_hold_no_building(tmp_path):
    around = [ground(-300, 10, -200, 22), ground(400, 60, 417, 85)]
    gpd.GeoDataFrame(geometry=around, crs=UTM).to_file(tmp_path / "f.gpkg")
    assert not read(tmp_path / "f.gpkg")[0].any()
    gpd.GeoDataFrame(geometry=around[:1], crs=UTM).to_file(tmp_path / "f.gpkg")
    with pytest.raises(UnsuitableError, match=r"f\.gpkg: does not overlap the scene"):
        read(tmp_path / "f.gpkg")
    gpd.GeoDataFrame(geometry=[], crs=UTM).to_file(tmp_path / "empty.gpkg", geometry_type="Polygon")
    assert not read(tmp_path / "empty.gpkg")[0].any()


def test_footprints_need_a_crs_on_both_sides(tmp_path):
    gpd.GeoDataFrame(geometry=[ground(100, 10, 120, 22)], crs=UTM).to_file(tmp_path / "f.gpkg")
    with pytest.raises(
        UnsuitableError,
        match=r"need a scene with a CRS \(burn them into a mask by `geoseg rasterize`",
    ):
        read(tmp_path / "f.gpkg", Grid(None, Affine.identity(), 90, 140))


def test_a_mask_beside_the_scene(tmp_path):
    labels = np.zeros((90, 140), np.uint8)
    labels[10:22, 100:120] = 255
    for name, grid in (("m.tif", GRID), ("m.png", None)):
        write_array(tmp_path / name, labels, grid)
        mask, warnings = read(tmp_path / name)
        np.testing.assert_array_equal(mask, labels // 255)
        assert warnings == []
    mask, warnings = read(tmp_path / "m.png", GRID.scaled(2), Window(0, 0, 280, 180))
    np.testing.assert_array_equal(mask, (labels // 255).repeat(2, axis=0).repeat(2, axis=1))
    assert warnings == []
    part, _ = read(tmp_path / "m.tif", window=Window(95, 5, 60, 90))
    assert (
        part[:, 45:].min() == 255 and part[85:].min() == 255 and part[5:17, 5:25].sum() == 12 * 20
    )


def test_255_is_unknown_beside_other_labels(tmp_path):
    labels = np.zeros((90, 140), np.uint8)
    labels[10:22, 100:120], labels[50:60, 20:40] = 1, 255
    write_array(tmp_path / "m.tif", labels, GRID)
    np.testing.assert_array_equal(read(tmp_path / "m.tif")[0], labels)
    labels[labels == 1] = 0
    write_array(tmp_path / "tagged.tif", labels, GRID, tags={"GEOSEG_KIND": "mask"})
    np.testing.assert_array_equal(read(tmp_path / "tagged.tif")[0], labels)
    write_array(tmp_path / "plain.tif", labels, GRID)
    np.testing.assert_array_equal(read(tmp_path / "plain.tif")[0], labels // 255)
    write_array(tmp_path / "zero.tif", labels, GRID, nodata=0)
    np.testing.assert_array_equal(read(tmp_path / "zero.tif")[0], labels // 255)


def test_a_mask_of_another_grid_is_read_by_nearest_neighbour(tmp_path):
    fine = np.zeros((90, 140), np.uint8)
    fine[20:44, 60:100] = 1
    write_array(
        tmp_path / "m.tif",
        fine,
        Grid(UTM, GRID.transform * Affine.translation(30, 10) * Affine.scale(0.5), 90, 140),
    )
    mask, warnings = read(tmp_path / "m.tif")
    expected = np.full((90, 140), 255, np.uint8)
    expected[10:55, 30:100] = 0
    expected[20:32, 60:80] = 1
    np.testing.assert_array_equal(mask, expected)
    assert len(warnings) == 1 and "another grid, read by nearest neighbour" in warnings[0]


def test_masks_that_do_not_fit(tmp_path):
    write_array(
        tmp_path / "far.tif",
        np.ones((90, 140), np.uint8),
        Grid(UTM, GRID.transform * Affine.translation(200, 0), 90, 140),
    )
    with pytest.raises(UnsuitableError, match=r"far\.tif: does not overlap"):
        read(tmp_path / "far.tif")
    write_array(tmp_path / "rgb.png", np.ones((3, 90, 140), np.uint8))
    with pytest.raises(UnsuitableError, match=r"rgb\.png: has 3 bands; a mask has one"):
        read(tmp_path / "rgb.png")
    (tmp_path / "text.tif").write_text("no mask")
    with pytest.raises(InputError, match=r"text\.tif: is not a raster"):
        read(tmp_path / "text.tif")


def test_labels_are_found_by_the_scenes_name(tmp_path):
    labels = tmp_path / "labels"
    labels.mkdir()
    for name in ("a.tif", "a_mask.png", "b.geojson", "b.tif", "c_mask.tif"):
        (labels / name).touch()
    assert find(labels, "scenes/a.tif") == labels / "a.tif"
    assert find(labels, str(labels / "a.tif")) == labels / "a_mask.png"  # not the scene itself
    assert (
        find(labels, "b.tif") == labels / "b.geojson"
        and find(labels, "https://example.org/c.tif") == labels / "c_mask.tif"
    )
    assert find(labels / "b.tif", "a.tif") == labels / "b.tif"
    with pytest.raises(InputError, match=r"has no labels for scenes/d\.tif \(name them d\.gpkg"):
        find(labels, "scenes/d.tif")
    with pytest.raises(InputError, match="does not exist"):
        find(tmp_path / "none", "a.tif")


def test_a_mask_that_names_more_classes_keeps_them(tmp_path):
    labels = np.zeros((90, 140), "uint8")
    labels[10:22, 100:120], labels[60:85, 5:17], labels[0, :9] = 1, 2, 255
    names = "background,house,shed"
    write_array(
        tmp_path / "many.tif", labels, GRID, tags={"GEOSEG_KIND": "mask", "GEOSEG_CLASSES": names}
    )
    assert classes(tmp_path / "many.tif") == (("background", "house", "shed"), False)
    np.testing.assert_array_equal(read(tmp_path / "many.tif")[0], labels)
    write_array(
        tmp_path / "two.tif",
        labels,
        GRID,
        tags={"GEOSEG_KIND": "mask", "GEOSEG_CLASSES": "background,house"},
    )
    assert classes(tmp_path / "two.tif") == (("background", "house"), False)
    with pytest.raises(UnsuitableError, match=r"two\.tif: holds the label 2, which has no name"):
        read(tmp_path / "two.tif")


def test_classes_without_names_are_refused_with_the_command_that_names_them(tmp_path):
    labels = np.zeros((90, 140), "int16")
    labels[10:22, 100:120], labels[60:85, 5:17] = 3, 7
    write_array(tmp_path / "wide.tif", labels, GRID)
    command = r"--tag GEOSEG_CLASSES=background,,,NAME3,,,,NAME7 \S*wide\.tif"
    with pytest.raises(UnsuitableError, match=rf"holds the classes 3, 7.*rio edit-info {command}"):
        read(tmp_path / "wide.tif")
    with rasterio.open(tmp_path / "wide.tif", "r+") as file:
        file.update_tags(GEOSEG_CLASSES="background,,,meadow,,,,field")
    assert classes(tmp_path / "wide.tif") == (("background", "meadow", "field"), False)
    np.testing.assert_array_equal(
        read(tmp_path / "wide.tif")[0], np.select([labels == 3, labels == 7], [1, 2])
    )


def test_probabilities_are_labels_by_their_threshold(tmp_path):
    p = np.zeros((90, 140), "float32")
    p[10:22, 100:120], p[60:85, 5:17], p[0, :9] = 0.7, 0.4, np.nan
    write_array(tmp_path / "p.tif", p, GRID, tags={"GEOSEG_THRESHOLD": "0.6"})
    mask, warnings = read(tmp_path / "p.tif")
    np.testing.assert_array_equal(mask, np.where(np.isnan(p), 255, p > 0.6))
    assert warnings == [f"{tmp_path / 'p.tif'}: holds probabilities, cut at 0.6"]
    write_array(tmp_path / "dem.tif", 300 + p, GRID)
    with pytest.raises(UnsuitableError, match=r"dem\.tif: holds values from .* not probabilities"):
        read(tmp_path / "dem.tif")


def test_classes_go_from_a_field_to_the_chip_index(tmp_path):
    write_array(tmp_path / "scene.tif", np.full((3, 90, 140), 7, "uint8"), GRID)
    kinds = gpd.GeoDataFrame(
        {"kind": ["shed", "house"]},
        geometry=[ground(5, 60, 17, 85), ground(100, 10, 120, 22)],
        crs=UTM,
    )
    kinds.to_file(tmp_path / "f.gpkg")
    rasterize.run(
        tmp_path / "f.gpkg",
        tmp_path / "scene.tif",
        tmp_path / "mask.tif",
        MaskSpec(class_field="kind"),
    )
    spec = ChipSpec(size=70, split=(1, 0, 0))
    tile.run([str(tmp_path / "scene.tif")], tmp_path / "chips", spec, labels=tmp_path / "mask.tif")
    index = read_index(tmp_path / "chips")
    assert index.info.classes == ("background", "house", "shed")
    values = {
        int(v)
        for name in index.table["mask"]
        for v in np.unique(read_array(tmp_path / "chips" / name)[0])
    }
    assert values == {0, 1, 2}


HEADER = "ImageId,BuildingId,PolygonWKT_Pix,PolygonWKT_Geo\n"
BOXES = {
    "AOI_2_Vegas_img7": (100, 10, 120, 22),
    "AOI_2_Vegas_img17": (5, 60, 17, 85),
    "AOI_2_Vegas_img5": None,
}


def table(path, pixels=True, on_ground=True):
    """A SpaceNet CSV of three images of one place, the last without buildings."""
    rows = []
    for image, box in BOXES.items():
        wkt = ["POLYGON EMPTY"] * 2
        if box:
            geo = gpd.GeoSeries([ground(*box)], crs=UTM).to_crs(4326).iloc[0]
            wkt = [
                f'"{shapely.box(*box).wkt}"' if pixels else "",
                f'"{shapely.force_3d(geo).wkt}"' if on_ground else "",
            ]
        rows.append(",".join([image, "-1" if box is None else "0", *wkt]))
    path.write_text(HEADER + "\n".join(rows) + "\n")
    return path


def covered(box):
    mask = np.zeros((90, 140), np.uint8)
    if box:
        mask[box[1] : box[3], box[0] : box[2]] = 1
    return mask


@pytest.mark.parametrize("on_ground", [True, False])
def test_tile_takes_of_a_spacenet_csv_what_belongs_to_each_scene(tmp_path, on_ground):
    """Found in the folder of labels, by the image in each scene's name."""
    names = [
        "RGB-PanSharpen_AOI_2_Vegas_img7",
        "SN2_buildings_train_AOI_2_Vegas_PS-RGB_img17",
        "MUL_AOI_2_Vegas_img5",
    ]
    scenes = [str(tmp_path / f"{name}.tif") for name in names]
    for scene in scenes:
        write_array(scene, np.full((3, 90, 140), 7, "uint8"), GRID)
    (tmp_path / "labels").mkdir()
    table(tmp_path / "labels" / "AOI_2_Vegas_Train_Building_Solutions.csv", on_ground=on_ground)
    done = CliRunner().invoke(cli, ["tile", *scenes, "-o", str(tmp_path / "c"), "--labels", str(tmp_path / "labels"),
                                    "--size", "140", "--edge", "pad"])  # fmt: skip
    assert done.exit_code == 0, done.output
    index = read_index(tmp_path / "c").table.set_index("scene")
    for name, box in zip(names, BOXES.values(), strict=True):
        mask = read_array(tmp_path / "c" / index.loc[name, "mask"])[0][0]
        np.testing.assert_array_equal(mask[:90], covered(box))


def test_pixels_of_a_csv_are_those_of_the_scene_as_it_lies(tmp_path):
    """Also where it is resampled, and where it is a picture."""
    path, own = (
        table(tmp_path / "t.csv", on_ground=False),
        replace(GRID, crs=None, transform=Affine.identity()),
    )
    for grid, beneath in ((GRID, GRID), (own, own), (GRID.scaled(0.5), GRID)):
        with open_labels(path, grid, [], scene="x/PAN_AOI_2_Vegas_img7.tif", own=beneath) as labels:
            mask = labels(Window(0, 0, grid.width, grid.height))
        step = 140 // grid.width
        np.testing.assert_array_equal(mask, covered(BOXES["AOI_2_Vegas_img7"])[::step, ::step])
    with (
        pytest.raises(UnsuitableError, match=r"g\.csv: has no PolygonWKT_Pix"),
        open_labels(table(tmp_path / "g.csv", pixels=False), own, [], scene="AOI_2_Vegas_img7.tif"),
    ):
        pass


def test_a_csv_is_found_by_name_or_alone(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).touch()
    assert find(tmp_path, "scenes/b.tif") == tmp_path / "b.csv"
    with pytest.raises(InputError, match="has no labels for"):
        find(tmp_path, "scenes/c.tif")
    (tmp_path / "b.csv").unlink()
    assert find(tmp_path, "scenes/c.tif") == tmp_path / "a.csv"
