from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from PIL import Image

from geoseg.core.grid import Grid
from geoseg.drawing.colours import FN, FP, TP, rgb
from geoseg.drawing.pictures import BUILDING
from geoseg.errors import InputError, OutputError, UnsuitableError, UsageError
from geoseg.io.raster.write import write_array
from geoseg.reports.scene_view import view_of
from geoseg.specs import PreviewSpec
from geoseg.tools import evaluate
from geoseg.tools.preview import run
from tests.scenes import buildings, grid, write_scene

GRID = grid(120, 200)
MASK = buildings(120, 200)
SMALL = PreviewSpec(size=500)
PLAIN = Grid(None, Affine.identity(), 120, 200)


@pytest.fixture
def scene(tmp_path):
    return str(write_scene(tmp_path / "scene.tif", MASK, GRID))


def boxes(*pixels):
    return [
        shapely.box(*(GRID.transform * (x0, y1)), *(GRID.transform * (x1, y0)))
        for x0, y0, x1, y1 in pixels
    ]


def write_layer(path, geometry, crs, **columns):
    layer = gpd.GeoDataFrame(columns, geometry=geometry, crs=crs)
    (layer.to_crs(4326) if path.suffix == ".geojson" else layer).to_file(path)
    return path


def mask(path, labels, on=GRID, **keywords):
    write_array(path, labels.astype(np.uint8)[None], on, **keywords)
    return str(path)


def shown(path):
    return np.array(Image.open(path).convert("RGB")).reshape(-1, 3)


def has(path, colour):
    return bool((np.abs(shown(path).astype(int) - rgb(colour)).sum(axis=1) < 25).any())


def test_a_scene_alone(scene, tmp_path):
    report = run(scene, [], tmp_path / "a.png", SMALL)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (report.width, report.height) and max(image.size) == 500
        assert image.info["GEOSEG_SOURCE"] == scene
    assert (
        report.outputs == (str(tmp_path / "a.png"),)
        and report.metrics == ()
        and report.chips is None
    )


@pytest.mark.parametrize("name", ["f.gpkg", "f.geojson"])
def test_footprints_in_any_crs(scene, tmp_path, name):
    path = write_layer(tmp_path / name, boxes((20, 10, 90, 70)), GRID.crs)
    run(scene, [str(path)], tmp_path / "a.png", SMALL)
    assert has(tmp_path / "a.png", BUILDING)


def test_footprints_are_coloured_by_confidence(scene, tmp_path):
    path = write_layer(
        tmp_path / "f.gpkg",
        boxes((20, 10, 90, 70), (110, 20, 180, 90)),
        GRID.crs,
        confidence=[0.55, 0.95],
    )
    run(scene, [str(path)], tmp_path / "a.png", SMALL)
    assert has(tmp_path / "a.png", "#0d0887") and has(tmp_path / "a.png", "#f0f921")


def test_a_mask_and_probabilities_have_panels_of_their_own(scene, tmp_path):
    probability = (MASK * 200 + 20).astype(np.uint8)
    path = mask(tmp_path / "p.tif", probability, scale=1 / 254, nodata=255)
    one = run(scene, [mask(tmp_path / "m.tif", MASK)], tmp_path / "a.png", SMALL)
    both = run(scene, [mask(tmp_path / "n.tif", MASK), path], tmp_path / "b.png", SMALL)
    assert has(tmp_path / "a.png", BUILDING) and has(tmp_path / "b.png", "#f0f921")
    assert (one.width, one.height) != (both.width, both.height)


def test_footprints_beside_the_truth(scene, tmp_path):
    truth = write_layer(tmp_path / "t.gpkg", boxes((20, 10, 60, 50), (100, 60, 150, 100)), GRID.crs)
    found = write_layer(tmp_path / "p.gpkg", boxes((22, 10, 62, 50), (150, 5, 190, 40)), GRID.crs)
    report = run(scene, [str(found)], tmp_path / "a.png", SMALL, truth=str(truth))
    (row,) = report.metrics
    assert (row["prediction"], row["tp"], row["fp"], row["fn"]) == (str(found), 1, 1, 1) and row[
        "f1"
    ] == 0.5
    assert all(has(tmp_path / "a.png", colour) for colour in (TP, FP, FN))


def test_pixels_beside_the_truth_are_scored_as_evaluate_does(scene, tmp_path):
    found = mask(tmp_path / "p.tif", np.roll(MASK, 4, axis=1))
    truth = mask(tmp_path / "t.tif", MASK)
    (row,) = run(scene, [found], tmp_path / "a.png", SMALL, truth=truth).metrics
    expected = evaluate.run(found, truth).pixel
    assert all(
        row[name] == expected[name] for name in ("tp", "fp", "fn", "iou", "f1", "boundary_iou")
    )


def test_a_window_is_scored_alone(scene, tmp_path):
    labels = np.zeros((120, 200), bool)
    labels[:, 150:] = True
    truth = mask(tmp_path / "t.tif", labels)
    found = write_layer(tmp_path / "p.gpkg", boxes((10, 10, 40, 40)), GRID.crs)
    spec = PreviewSpec(size=500, window=(140, 20, 40, 50))
    report = run(scene, [str(found)], tmp_path / "a.png", spec, truth=truth)
    assert (report.metrics[0]["tp"], report.metrics[0]["fn"]) == (0, 30 * 50)
    assert not [text for text in report.warnings if "another grid" in text]


def test_a_photo_with_a_worldfile_is_placed_by_its_crs(scene, tmp_path):
    """The same picture as of the GeoTIFF."""
    with Image.open(scene) as image:
        image.save(tmp_path / "photo.png")
    t = GRID.transform
    lines = t.a, 0, 0, t.e, t.c + t.a / 2, t.f + t.e / 2
    (tmp_path / "photo.pgw").write_text("\n".join(f"{line:.12g}" for line in lines))
    found = write_layer(tmp_path / "f.gpkg", boxes((20, 10, 60, 34), (120, 50, 150, 96)), GRID.crs)
    run(scene, [str(found)], tmp_path / "scene.png", SMALL)
    photo = str(tmp_path / "photo.png")
    run(photo, [str(found)], tmp_path / "out.png", replace(SMALL, crs=GRID.crs.to_string()))
    np.testing.assert_array_equal(shown(tmp_path / "out.png"), shown(tmp_path / "scene.png"))


def test_classes_of_photos(tmp_path):
    rng = np.random.default_rng(1)
    write_array(tmp_path / "photo.png", rng.integers(0, 255, (3, 120, 200), "uint8"), PLAIN)
    labels = np.arange(200)[None] // 67 + np.zeros((120, 1), int)
    tags = {"GEOSEG_KIND": "classes", "GEOSEG_CLASSES": "road,water,land"}
    truth = mask(tmp_path / "t.png", labels, PLAIN, tags=tags)
    found = mask(tmp_path / "p.png", np.roll(labels, 10, axis=1), PLAIN, tags=tags)
    report = run(str(tmp_path / "photo.png"), [found], tmp_path / "a.png", SMALL, truth=truth)
    rows = {row["class"]: row for row in report.metrics}
    assert list(rows) == ["road", "water", "land", "mean"]
    assert rows["water"]["iou"] == pytest.approx(57 / 77) and rows["mean"]["iou"] < 1
    part = PreviewSpec(size=500, window=(90, 10, 50, 60))
    (water, land, _) = run(
        str(tmp_path / "photo.png"), [found], tmp_path / "b.png", part, truth=truth
    ).metrics
    assert (water["class"], land["class"]) == ("water", "land")
    assert (
        water["recall"] == 1 and water["precision"] == pytest.approx(44 / 50) and land["iou"] == 0
    )


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_footprints_in_the_pixels_of_a_photo(tmp_path):
    write_array(tmp_path / "photo.png", np.full((3, 120, 200), 90, np.uint8), PLAIN)
    path = write_layer(tmp_path / "f.gpkg", [shapely.box(100, -70, 180, -20)], None)
    run(str(tmp_path / "photo.png"), [str(path)], tmp_path / "a.png", SMALL)
    image = np.array(Image.open(tmp_path / "a.png").convert("RGB"))
    cols = (
        np.nonzero(np.abs(image[:250].astype(int) - rgb(BUILDING)).sum(axis=2) < 25)[1]
        / image.shape[1]
    )
    assert (cols.min(), cols.max()) == pytest.approx((0.5, 0.89), abs=0.03)


def test_views(scene, tmp_path):
    whole = view_of(scene, 100, PreviewSpec())
    assert (
        whole.shape == (60, 100)
        and whole.grid.shape == (60, 100)
        and whole.metres == pytest.approx(0.6, rel=1e-3)
    )
    assert whole.grid.bounds == pytest.approx(GRID.bounds)
    left, top = GRID.transform * (50, 30)
    part = view_of(scene, 1000, PreviewSpec(bounds=(left, top - 12, left + 21, top)))
    assert (part.window.col_off, part.window.row_off, part.window.width, part.window.height) == (
        50,
        30,
        70,
        40,
    )
    area = write_layer(tmp_path / "aoi.geojson", boxes((50, 30, 120, 70)), GRID.crs)
    assert view_of(scene, 1000, PreviewSpec(), str(area)).window.width == pytest.approx(70, abs=1)
    over = view_of(scene, 1000, PreviewSpec(window=(150, -10, 100, 60)))
    assert (over.window.col_off, over.window.row_off, over.window.width, over.window.height) == (
        150,
        0,
        50,
        50,
    )
    with pytest.raises(UnsuitableError, match="the requested window lies outside"):
        view_of(scene, 1000, PreviewSpec(window=(900, 900, 10, 10)))
    nothing = write_layer(tmp_path / "nothing.gpkg", [shapely.Polygon(), None], GRID.crs)
    with pytest.raises(UnsuitableError, match="holds no polygons"):
        view_of(scene, 1000, PreviewSpec(), str(nothing))


def test_drawn_pixels_are_the_nearest(scene):
    view = view_of(scene, 50, PreviewSpec(window=(20, 10, 150, 90)))
    values = np.arange(90 * 150).reshape(90, 150)
    drawn = view.drawn(lambda first, last: values[first:last])
    np.testing.assert_array_equal(drawn, values[1::3, 1::3])


def test_what_does_not_go_together(scene, tmp_path):
    with pytest.raises(UsageError, match="is not a figure"):
        run(scene, [], tmp_path / "a.tif")
    with pytest.raises(UsageError, match="apply to chips"):
        run(scene, [], tmp_path / "a.png", PreviewSpec(split="val"))
    with pytest.raises(InputError, match="does not exist"):
        run(scene, [str(tmp_path / "missing.gpkg")], tmp_path / "a.png")
    (tmp_path / "a.png").touch()
    with pytest.raises(OutputError, match="exists already"):
        run(scene, [], tmp_path / "a.png")
    for wrong in (
        {"window": (1, 2, 3)},
        {"bounds": (4.0, 0.0, 2.0, 1.0)},
        {"size": 10},
        {"bands": (1, 2)},
    ):
        with pytest.raises(UsageError):
            PreviewSpec(**wrong)


def test_a_result_is_drawn_by_itself(tmp_path):
    tags = {"GEOSEG_KIND": "mask"}
    run(mask(tmp_path / "m.tif", MASK, tags=tags), [], tmp_path / "a.png", SMALL)
    assert has(tmp_path / "a.png", BUILDING)
    coded = mask(
        tmp_path / "p.tif",
        MASK * 254,
        tags={"GEOSEG_KIND": "probability"},
        scale=1 / 254,
        nodata=255,
    )
    run(coded, [], tmp_path / "b.png", SMALL)
    assert has(tmp_path / "b.png", "#f0f921") and has(tmp_path / "b.png", "#0d0887")


@pytest.mark.slow
def test_the_peak_does_not_grow_with_the_scene(tmp_path):
    from tests.inference.test_memory import HEIGHTS, peak, write_large

    peaks = []
    for height in HEIGHTS:
        path = tmp_path / f"{height}.tif"
        write_large(path, height, 3100)
        # the picture is as large both times
        peaks.append(
            peak("preview", str(path), "-o", str(tmp_path / f"{height}.png"), "--size", "800")
        )
    assert peaks[1] < 400 and peaks[1] / peaks[0] < 1.15, peaks
