import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS
from rasterio.windows import Window

from geoseg.core.encoding import VOID, RasterTags
from geoseg.core.grid import Grid
from geoseg.errors import UnsuitableError
from geoseg.evaluation.pixels import compare_pixels
from geoseg.io.raster.write import create_raster, write_array
from geoseg.labels.class_raster import open_class_raster
from geoseg.specs import EvaluateSpec

GRID = Grid(CRS.from_epsg(32736), Affine(0.5, 0, 512_000, 0, -0.5, 9_300_000), 20, 34)


def classes_of(path, grid=GRID, threshold=None):
    warnings = []
    with open_class_raster(str(path), grid, threshold, warnings) as opened:
        whole = opened.read(0, grid.height)
        np.testing.assert_array_equal(opened.read(7, 13), whole[7:13])
        return whole, opened, warnings


def image(*patches, dtype="uint8"):
    """Zeros with a value in each patch of (rows, cols, value)."""
    out = np.zeros((1, *GRID.shape), dtype)
    for rows, cols, value in patches:
        out[0, slice(*rows), slice(*cols)] = value
    return out


def test_masks_of_0_and_1_or_of_0_and_255(tmp_path):
    for value in (1, 255):
        write_array(tmp_path / f"{value}.tif", image(((2, 6), (20, 30), value)), GRID)
        whole, opened, warnings = classes_of(tmp_path / f"{value}.tif")
        np.testing.assert_array_equal(whole, image(((2, 6), (20, 30), 1))[0])
        assert opened.present == (0, 1) and whole.dtype == np.uint8 and not warnings


def test_the_least_confidence_of_probabilities_holds_at_their_threshold(tmp_path):
    sure_and_unsure = ((2, 6), (20, 30), 0.9), ((10, 14), (3, 9), 0.6)
    tags = {"GEOSEG_MIN_AREA": "1", "GEOSEG_MIN_CONFIDENCE": "0.7", "GEOSEG_THRESHOLD": "0.5"}
    write_array(tmp_path / "p.tif", image(*sure_and_unsure, dtype="float32"), GRID, tags=tags)
    for threshold, confidences in {None: [0.9], 0.5: [0.9], 0.4: [0.9, 0.6]}.items():
        with open_class_raster(str(tmp_path / "p.tif"), GRID, threshold, []) as opened:
            np.testing.assert_allclose(opened.footprints().columns["confidence"], confidences)


def test_255_is_void_among_other_labels(tmp_path):
    write_array(tmp_path / "m.tif", image(((2, 6), (20, 30), 1), ((10, 12), (3, 9), 255)), GRID)
    whole, _, _ = classes_of(tmp_path / "m.tif")
    assert whole[3, 25] == 1 and whole[11, 5] == VOID


def test_255_is_void_in_a_mask_of_ours(tmp_path):
    write_array(
        tmp_path / "m.tif", image(((2, 6), (20, 30), 255)), GRID, tags={"GEOSEG_KIND": "mask"}
    )
    whole, opened, _ = classes_of(tmp_path / "m.tif")
    assert whole[3, 25] == VOID and opened.present == (0,)


def test_a_mask_of_another_value(tmp_path):
    write_array(
        tmp_path / "m.tif",
        image(((2, 6), (20, 30), 200)),
        GRID,
        tags={"GEOSEG_KIND": "mask", "GEOSEG_VALUE": "200"},
    )
    whole, opened, _ = classes_of(tmp_path / "m.tif")
    assert whole[3, 25] == 1 and opened.present == (0, 1)


def test_names(tmp_path):
    write_array(
        tmp_path / "m.tif",
        image(((2, 6), (20, 30), 2)),
        GRID,
        tags={"GEOSEG_CLASSES": "background,house,shed"},
    )
    assert classes_of(tmp_path / "m.tif")[1].names == {0: "background", 1: "house", 2: "shed"}


def test_a_models_own_threshold(tmp_path):
    patch = image(((2, 6), (20, 30), 0.4), dtype="float32")
    write_array(tmp_path / "f.tif", patch, GRID, tags={"GEOSEG_THRESHOLD": "0.35"})
    assert (
        classes_of(tmp_path / "f.tif")[0][3, 25] == 1
        and classes_of(tmp_path / "f.tif", threshold=0.5)[0][3, 25] == 0
    )


def test_nodata_is_void(tmp_path):
    write_array(
        tmp_path / "m.tif", image(((2, 6), (20, 30), 3), ((10, 12), (3, 9), 7)), GRID, nodata=7
    )
    whole, opened, _ = classes_of(tmp_path / "m.tif")
    assert whole[11, 5] == VOID and whole[3, 25] == 3 and opened.present == (0, 3)


def test_probabilities_are_thresholded(tmp_path):
    with create_raster(tmp_path / "p.tif", GRID, nodata=255) as out:
        out.write(image(((2, 6), (20, 30), 127), ((10, 12), (3, 9), 126), ((15, 16), (1, 4), 255)))
        out.scales = (1 / 254,)
    whole, _, _ = classes_of(tmp_path / "p.tif")
    assert whole[3, 25] == 1 and whole[11, 5] == 0 and whole[15, 2] == VOID
    assert classes_of(tmp_path / "p.tif", threshold=0.49)[0][11, 5] == 1
    write_array(
        tmp_path / "f.tif",
        image(((2, 6), (20, 30), 0.5), ((15, 16), (1, 4), np.nan), dtype="float32"),
        GRID,
    )
    whole, _, _ = classes_of(tmp_path / "f.tif")
    assert whole[3, 25] == 1 and whole[15, 2] == VOID and (whole == 1).sum() == 40


def test_probabilities_on_another_grid(tmp_path):
    fine = Grid(GRID.crs, GRID.transform * Affine.scale(0.5), 40, 68)
    with create_raster(tmp_path / "p.tif", fine, nodata=255) as out:
        out.write(
            np.repeat(
                np.repeat(image(((2, 6), (20, 30), 200), ((9, 11), (2, 4), 255)), 2, axis=1),
                2,
                axis=2,
            )
        )
        out.scales = (1 / 254,)
    whole, _, _ = classes_of(tmp_path / "p.tif", threshold=0.7)
    np.testing.assert_array_equal(whole, image(((2, 6), (20, 30), 1), ((9, 11), (2, 4), VOID))[0])


def test_several_bands_of_probabilities_give_the_most_probable(tmp_path):
    bands = np.full((3, *GRID.shape), 0.2, np.float32)
    bands[0] = 0.3
    bands[2, 2:6, 20:30] = 0.5
    with create_raster(tmp_path / "p.tif", GRID, count=3, dtype="float32") as out:
        out.write(bands)
        out.set_band_description(3, "roof")
    whole, opened, _ = classes_of(tmp_path / "p.tif")
    np.testing.assert_array_equal(whole, image(((2, 6), (20, 30), 2))[0])
    assert opened.present == (0, 1, 2) and opened.names == {2: "roof"}


def test_another_grid_is_read_by_nearest_neighbour(tmp_path):
    fine = Grid(GRID.crs, GRID.transform * Affine.translation(10, 4) * Affine.scale(0.5), 20, 40)
    write_array(tmp_path / "m.tif", np.ones((1, 20, 40), np.uint8), fine)
    whole, _, warnings = classes_of(tmp_path / "m.tif")
    assert (whole[4:14, 10:30] == 1).all() and (whole == VOID).sum() == 20 * 34 - 10 * 20
    assert "another grid" in warnings[0]


def test_footprints(tmp_path):
    box = shapely.box(*GRID.window(Window(20, 2, 10, 4)).bounds)
    gpd.GeoDataFrame(geometry=[box], crs=GRID.crs).to_file(tmp_path / "f.gpkg")
    whole, opened, _ = classes_of(tmp_path / "f.gpkg")
    np.testing.assert_array_equal(whole, image(((2, 6), (20, 30), 1))[0])
    assert opened.present == (0, 1)


def test_what_is_no_raster_of_classes(tmp_path):
    write_array(tmp_path / "rgb.tif", np.zeros((3, *GRID.shape), np.uint8), GRID)
    with pytest.raises(UnsuitableError, match="has 3 bands"):
        classes_of(tmp_path / "rgb.tif")
    write_array(tmp_path / "big.tif", image(((2, 6), (20, 30), 900), dtype="uint16"), GRID)
    with pytest.raises(UnsuitableError, match="labels from 0 to 900"):
        classes_of(tmp_path / "big.tif")


def test_a_threshold_does_not_apply_to_classes(tmp_path):
    write_array(tmp_path / "m.tif", image(((2, 6), (20, 30), 1)), GRID)
    whole, _, warnings = classes_of(tmp_path / "m.tif", threshold=0.9)
    assert whole[3, 25] == 1 and "the threshold is not used" in warnings[0]


def test_a_png_of_probabilities(tmp_path):
    tags = {"GEOSEG_KIND": "probability", "GEOSEG_THRESHOLD": "0.4"}
    stored = image(((2, 6), (20, 30), 102), ((2, 6), (10, 20), 101), ((10, 12), (3, 9), 255))
    write_array(tmp_path / "p.png", stored, GRID, tags=tags, nodata=255)
    whole, opened, _ = classes_of(tmp_path / "p.png")
    assert (whole[3, 25], whole[3, 15], whole[11, 5]) == (1, 0, VOID)
    assert opened.present == (0, 1)


def compared(tmp_path, prediction, truth, names, true_names):
    """The confusion of two class rasters (row, col) with these names by label."""
    rasters = []
    for name, labels, tags in (("p", prediction, names), ("t", truth, true_names)):
        path = tmp_path / f"{name}.tif"
        tagged = RasterTags(classes=tags).to_dict()
        write_array(path, labels.astype("uint8"), GRID, tags=tagged, overwrite=True)
        rasters.append(open_class_raster(str(path), GRID, None, []))
    with rasters[0] as ours, rasters[1] as theirs:
        return compare_pixels(ours, theirs, GRID, EvaluateSpec())


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        # as a model that was trained on the truth predicts them
        ((1, 2), {0: "background", 1: "meadow", 2: "Field"}),
        ((2, 1), {0: "background", 1: "field", 2: "meadow"}),
        # without names the numbers count
        ((3, 7), {}),
        ((3, 7), {0: "background", 3: "meadow", 7: "field"}),
        # a name that the truth doesn't know is in nobody's way
        ((1, 2), {0: "background", 1: "meadow", 2: "field", 3: "road", 7: "pond"}),
    ],
)
def test_classes_are_compared_by_their_names(tmp_path, labels, names):
    truth = np.zeros(GRID.shape, int)
    truth[2:6, 20:30], truth[10:15, 3:9] = 3, 7
    prediction = np.select([truth == 3, truth == 7], labels)
    true_names = {0: "background", 3: "meadow", 7: "field"}
    found = compared(tmp_path, prediction, truth, names, true_names)
    assert np.diag(found.matrix).sum() == truth.size
    assert {found.names[3], found.names[7]} == {"meadow", "field"}


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ((1, 2, 4), {0: "background", 1: "House", 2: "barn", 4: "house"}),
        ((5, 7, 5), {0: "background", 5: "house", 7: "barn"}),
        ((1, 2, 4), {}),
    ],
)
def test_classes_that_differ_in_capitals_alone_are_one(tmp_path, labels, names):
    truth = np.zeros(GRID.shape, int)
    truth[2:6, 20:30], truth[10:15, 3:9], truth[8:13, 20:31] = 1, 2, 4
    prediction = np.select([truth == 1, truth == 2, truth == 4], labels)
    true_names = {0: "background", 1: "House", 2: "barn", 4: "house"}
    found = compared(tmp_path, prediction, truth, names, true_names)
    assert np.diag(found.matrix).sum() == truth.size
    # without names of the prediction numbers count, and 1 and 4 stay two
    assert np.diag(found.matrix)[1:].tolist() == ([95, 30] if names else [40, 30, 0, 55])
    assert found.names[1] == "House"


def test_a_class_that_the_truth_does_not_have_is_wrong_by_its_own_name(tmp_path):
    truth = np.zeros(GRID.shape, int)
    truth[2:6, 20:30], truth[10:15, 3:9] = 1, 2
    prediction = np.where(truth == 2, 1, truth * 2)
    found = compared(
        tmp_path,
        prediction,
        truth,
        {0: "background", 1: "barn", 2: "house"},
        {0: "background", 1: "house", 2: "shed"},
    )
    names = {name: number for number, name in found.names.items()}
    assert found.matrix[names["house"], names["house"]] == 40
    assert found.matrix[names["shed"], names["barn"]] == 30


@pytest.mark.parametrize(
    ("values", "names", "doubted"),
    [
        ((1, 1), {}, False),  # two masks
        ((1, 1), {1: "house"}, False),  # a class each
        ((1, 2), {1: "road", 2: "building"}, False),
        ((1, 2), {1: "road", 2: "pool"}, True),
        ((1, 2), {}, True),
    ],
)
def test_numbers_of_classes_that_share_no_name_are_doubted(tmp_path, values, names, doubted):
    patches = [((2, 6), (20, 30), values[0]), ((10, 15), (3, 9), values[1])]
    tags = RasterTags(classes={0: "background"} | names).to_dict() if names else {}
    write_array(tmp_path / "p.tif", image(*patches), GRID, tags=tags)
    write_array(tmp_path / "t.tif", image(((2, 6), (20, 30), 1)), GRID)
    (_, predicted, _), (_, true, _) = (classes_of(tmp_path / f"{name}.tif") for name in "pt")
    assert bool(predicted.doubt(true)) == bool(true.doubt(predicted)) == doubted


def test_a_mask_without_names_is_one_of_buildings(tmp_path):
    truth = np.zeros(GRID.shape, int)
    truth[10:15, 3:9] = 1
    prediction = np.where(truth == 1, 2, 0)
    prediction[2:6, 20:30] = 1
    names = {0: "background", 1: "road", 2: "building"}
    found = compared(tmp_path, prediction, truth, names, {})
    assert found.matrix[1, 1] == 30 and found.matrix[0, 1] == found.matrix[1, 0] == 0
