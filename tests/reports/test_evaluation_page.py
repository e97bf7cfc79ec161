import io
from base64 import b64decode
from datetime import datetime

import geopandas as gpd
import numpy as np
import pytest
import shapely
from PIL import Image

from geoseg.cli.main import run as geoseg
from geoseg.drawing.colours import FN, FP, TP, rgb
from geoseg.errors import OutputError
from geoseg.io.raster.write import write_array
from geoseg.reports.region_pictures import SIZE
from geoseg.specs import ComparedGround, EvaluateSpec, EvaluationOutput
from geoseg.tools import evaluate
from tests.drawing.test_html import Read
from tests.scenes import buildings, grid, picture, write_scene

GRID = grid(700, 1100)
MASK = buildings(700, 1100)
# in pixels: correct, missed; correct, false positive
TRUTH = [(20, 30, 90, 100), (600, 400, 680, 470)]
FOUND = [(22, 30, 92, 100), (900, 500, 980, 560)]


def layer(path, boxes, crs=None):
    outlines = [
        shapely.box(*(GRID.transform * (x0, y1)), *(GRID.transform * (x1, y0)))
        for x0, y0, x1, y1 in boxes
    ]
    table = gpd.GeoDataFrame(geometry=outlines, crs=GRID.crs)
    (table.to_crs(crs) if crs else table).to_file(path)
    return path


def page(path):
    return Read(path.read_text("utf-8"))


def photos(read, of_map=False):
    """The pictures of places, or of the map, JPEGs all, as arrays with their captions."""
    captions = iter(read.texts["figcaption"])
    for attributes in read.pictures():
        caption = next(captions)
        kind, _, data = attributes["src"].partition(",")
        if "jpeg" in kind and of_map == ("blocks of ground" in caption):
            yield (
                caption,
                np.array(Image.open(io.BytesIO(b64decode(data))).convert("RGB")).astype(int),
            )


def has(picture, colour, within=70):
    return bool((np.abs(picture - rgb(colour)).sum(axis=2) < within).any())


@pytest.fixture
def scene(tmp_path):
    """Nothing but green ground: no colour of its own is one of the marks'."""
    return write_scene(tmp_path / "scene.tif", np.zeros_like(MASK), GRID)


@pytest.mark.parametrize(("crs", "imagery"), [(None, True), (4326, True), (None, False)])
def test_footprints(tmp_path, scene, crs, imagery):
    files = layer(tmp_path / "p.gpkg", FOUND, crs), layer(tmp_path / "t.gpkg", TRUTH, crs)
    out, spec = tmp_path / "report.html", EvaluateSpec(bootstrap=20)
    report = evaluate.run(
        *files,
        spec,
        output=EvaluationOutput(page=out),
        ground=ComparedGround(image=str(scene) if imagery else None),
    )
    assert report.outputs == (str(out),)
    read = page(out)
    assert read.texts["h1"] == ["How good is p.gpkg?"]
    assert {"Footprints", "Worst places", "What was compared"} <= set(read.texts["h2"])
    assert "0.500" in read.texts["dd"] and "95% intervals of the bootstrap" in read.texts["caption"]
    pictures = dict(photos(read))
    assert len(pictures) == len(report.places) == 3
    assert not imagery or all(drawn.shape == (SIZE, SIZE, 3) for drawn in pictures.values())
    seen = [(has(drawn, TP), has(drawn, FP), has(drawn, FN)) for drawn in pictures.values()]
    assert sorted(seen) == [(False, False, True), (False, True, False), (True, False, False)]


def test_probabilities_have_curves(tmp_path, scene):
    probability = np.where(MASK, 210, 40)[None].astype(np.uint8)
    write_array(
        tmp_path / "p.tif", np.roll(probability, 6, axis=2), GRID, scale=1 / 254, nodata=255
    )
    write_array(tmp_path / "t.tif", MASK[None].astype(np.uint8), GRID)
    out = tmp_path / "report.html"
    report = evaluate.run(
        tmp_path / "p.tif",
        tmp_path / "t.tif",
        EvaluateSpec(sweep=True),
        output=EvaluationOutput(page=out),
    )
    read = page(out)
    assert (
        "Pixels" in read.texts["h2"]
        and f"Average precision {report.pixel['average_precision']:.3f}" in read.texts["figcaption"]
    )
    assert sum("svg" in attributes["src"][:30] for attributes in read.pictures()) == 2
    assert len(list(photos(read))) == min(12, len(report.places))


def test_several_classes_are_shown_side_by_side(tmp_path):
    labels = (MASK.astype(np.uint8) + (np.arange(1100) > 500))[None].astype(np.uint8)
    tags = {"GEOSEG_KIND": "classes", "GEOSEG_CLASSES": "background,road,water"}
    write_array(tmp_path / "t.tif", labels, GRID, tags=tags)
    write_array(tmp_path / "p.tif", np.roll(labels, 5, axis=1), GRID, tags=tags)
    write_array(tmp_path / "scene.tif", picture(MASK), GRID)
    out = tmp_path / "report.html"
    evaluate.run(
        tmp_path / "p.tif",
        tmp_path / "t.tif",
        output=EvaluationOutput(page=out),
        ground=ComparedGround(image=str(tmp_path / "scene.tif")),
    )
    read = page(out)
    assert {"road", "water", "background"} <= set(read.texts["td"])
    assert {drawn.shape[1] for _, drawn in photos(read)} == {2 * SIZE}
    assert read.texts["li"][:2] == ["road", "water"]


def test_an_image_elsewhere_leaves_plain_ground(tmp_path):
    far = write_scene(tmp_path / "far.tif", MASK[:60, :90], grid(60, 90, epsg=32701))
    files = layer(tmp_path / "p.gpkg", FOUND), layer(tmp_path / "t.gpkg", TRUTH)
    evaluate.run(
        *files,
        output=EvaluationOutput(page=tmp_path / "report.html"),
        ground=ComparedGround(image=str(far)),
    )
    read = page(tmp_path / "report.html")
    assert len(list(photos(read))) == 3 and read.texts["li"][:3] == [
        "correct",
        "false positive",
        "missed",
    ]


def test_a_page_that_exists_is_refused_before_work(tmp_path):
    (tmp_path / "report.html").touch()
    with pytest.raises(OutputError, match=r"report\.html: exists already"):
        evaluate.run(
            tmp_path / "p.gpkg",
            tmp_path / "t.gpkg",
            output=EvaluationOutput(page=tmp_path / "report.html"),
        )


def test_a_map_shows_where_it_is_good_and_where_not(tmp_path, scene):
    """Blue on the left, where all is found, red on the right, and the places by their numbers."""
    left = [(20 + 60 * i, 30, 60 + 60 * i, 70) for i in range(3)]
    right = [(850 + 60 * i, 500, 890 + 60 * i, 540) for i in range(3)]
    files = layer(tmp_path / "p.gpkg", left), layer(tmp_path / "t.gpkg", left + right)
    for image in (str(scene), None):
        out = EvaluationOutput(page=tmp_path / "map.html", overwrite=True)
        evaluate.run(*files, output=out, ground=ComparedGround(image=image))
        read = page(tmp_path / "map.html")
        ((caption, drawn),) = photos(read, of_map=True)
        assert caption.startswith("F1 by blocks of ground") and "Map" in read.texts["h2"]
        seen = drawn[:, : int(drawn.shape[1] * 0.85)]  # beside it is the colour bar
        blue = np.argwhere(seen[..., 2] - seen[..., 0] > 40)
        red = np.argwhere(seen[..., 0] - seen[..., 2] > 60)
        assert len(blue) > 200 and len(red) > 200
        (row, col), (low, far) = blue.mean(axis=0), red.mean(axis=0)
        assert row < low and col < far
        assert [text.split(".")[0] for text, _ in photos(read)] == ["1", "2"]


def test_footprints_with_confidence_have_curves_by_it(tmp_path):
    table = gpd.read_file(layer(tmp_path / "p.gpkg", FOUND)).assign(confidence=[0.9, 0.4])
    table.to_file(tmp_path / "p.gpkg")
    layer(tmp_path / "t.gpkg", TRUTH)
    out = EvaluationOutput(page=tmp_path / "report.html")
    evaluate.run(tmp_path / "p.gpkg", tmp_path / "t.gpkg", output=out)
    captions = page(tmp_path / "report.html").texts["figcaption"]
    # the best is the first alone: one of one right, one of two found
    assert any("best F1 0.667 from 0.90" in caption for caption in captions)
    assert any("most confident footprints first; IoU 0.5" in caption for caption in captions)


def test_a_page_says_when_and_by_which_command_it_was_made(tmp_path):
    files = layer(tmp_path / "p.gpkg", FOUND), layer(tmp_path / "t.gpkg", TRUTH)
    command = ["evaluate", *map(str, files), "--report", str(tmp_path / "report.html")]
    assert geoseg(command) == 0
    read = page(tmp_path / "report.html")
    assert read.texts["pre"] == [" ".join(["geoseg", *command])]
    today = datetime.now().astimezone().strftime("%Y-%m-%d")
    assert any(text.startswith("Made by geoseg") and today in text for text in read.texts["p"])


def test_pictures_enlarge_without_a_script(tmp_path):
    files = layer(tmp_path / "p.gpkg", FOUND), layer(tmp_path / "t.gpkg", TRUTH)
    evaluate.run(*files, output=EvaluationOutput(page=tmp_path / "report.html"))
    read = page(tmp_path / "report.html")
    boxes = [found for tag, found in read.attributes if tag == "input"]
    assert len(boxes) == len(read.pictures()) > 4
    assert all(box["type"] == "checkbox" and box["aria-label"] for box in boxes)
    assert "script" not in {tag for tag, _ in read.attributes}
