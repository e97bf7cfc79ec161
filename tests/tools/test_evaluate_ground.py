"""Truth counts where the scene has data: that of `image`, or the one the prediction was made from."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

pytest.importorskip("onnx")

from geoseg.cli.main import run as geoseg
from geoseg.errors import SettingError, UnsuitableError
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.specs import (
    ComparedGround,
    EvaluateSpec,
    ExtractSpec,
    PredictSpec,
    PreviewSpec,
    SceneSpec,
)
from geoseg.tools import evaluate, extract, polygonize, predict, preview
from tests.scenes import grid, picture

HEIGHT, WIDTH = 120, 180
ON = grid(HEIGHT, WIDTH)
# in pixels: three in the scene's data, one cut in two by its edge, one mostly beyond, two beyond
SEEN = [(10, 10, 40, 34), (60, 12, 88, 40), (20, 70, 52, 96)]
EDGE = [(100, 20, 130, 44), (112, 70, 142, 94)]
BEYOND = [(150, 20, 172, 44), (190, 10, 220, 40)]
ROOFS = [*SEEN, *EDGE, *BEYOND]
DATA = 120  # columns


def truth(path: Path, boxes=ROOFS, crs=None) -> Path:
    outlines = [
        shapely.box(*(ON.transform * (x0, y1)), *(ON.transform * (x1, y0)))
        for x0, y0, x1, y1 in boxes
    ]
    table = gpd.GeoDataFrame(geometry=outlines, crs=ON.crs)
    (table.to_crs(crs) if crs else table).to_file(path)
    return path


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Without data to the right of column 120."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for x0, y0, x1, y1 in ROOFS:
        mask[y0:y1, x0:x1] = True
    image = picture(mask)
    image[:, :, DATA:] = 0
    write_array(tmp_path / "scene.tif", image, ON, nodata=0)
    return tmp_path / "scene.tif"


@pytest.fixture
def found(scene: Path, model: Path) -> Path:
    path = scene.with_name("found.gpkg")
    extract.run([str(scene)], path, PredictSpec(precision="fp32"), ExtractSpec(), model=model)
    return path


def counts(report):
    return tuple(report.object[name] for name in ("tp", "fp", "fn"))


def test_the_scene_of_the_provenance_bounds_the_truth(scene, found, tmp_path):
    """A footprint that is cut in two counts by its part, one mostly beyond may be found too."""
    report = evaluate.run(found, truth(tmp_path / "t.gpkg"))
    assert counts(report) == (5, 0, 0) and report.object["matched_iou"] > 0.95
    assert report.ground == {
        "scenes": (str(scene),),
        "named_by": "provenance",
        "beyond": {"prediction": 0, "truth": 2},
    }
    everywhere = evaluate.run(found, truth(tmp_path / "w.gpkg", crs=4326))
    assert counts(everywhere) == (5, 0, 0)
    scene.rename(tmp_path / "moved.tif")
    without = evaluate.run(found, tmp_path / "t.gpkg")
    assert counts(without) == (4, 1, 3) and without.ground == {}
    assert "scene.tif, which is not there" in without.warnings[0]
    named = evaluate.run(
        found, tmp_path / "t.gpkg", ground=ComparedGround(image=str(tmp_path / "moved.tif"))
    )
    assert counts(named) == (5, 0, 0) and named.ground["named_by"] == "image"


def test_a_truth_mostly_beyond_is_not_missed(scene, model, tmp_path):
    """Nothing is found of the last, of which 8 of 30 columns are seen."""
    report = evaluate.run(
        truth(tmp_path / "p.gpkg", [*SEEN, EDGE[0]]),
        truth(tmp_path / "t.gpkg"),
        ground=ComparedGround(image=str(scene)),
    )
    assert counts(report) == (4, 0, 0) and report.ground["beyond"]["truth"] == 3


def test_an_area_of_interest_bounds_both(found, tmp_path):
    aoi = truth(tmp_path / "aoi.geojson", [(0, 0, 95, 60)], crs=4326)
    ground = ComparedGround(aoi=str(aoi))
    report = evaluate.run(found, truth(tmp_path / "t.gpkg"), ground=ground)
    assert counts(report) == (2, 0, 0) and report.ground["aoi"] == str(aoi)
    assert report.ground["beyond"] == {"prediction": 3, "truth": 5}
    truth(tmp_path / "none.gpkg", [])
    with pytest.raises(UnsuitableError, match="holds no polygons"):
        evaluate.run(
            found, tmp_path / "t.gpkg", ground=ComparedGround(aoi=str(tmp_path / "none.gpkg"))
        )


def test_pixels_count_where_there_is_data_too(scene, found, tmp_path):
    report = evaluate.run(found, truth(tmp_path / "t.gpkg"), ground=ComparedGround(like=str(scene)))
    assert sum(report.pixel[name] for name in ("tp", "fp", "fn", "tn")) == HEIGHT * DATA
    assert report.pixel["recall"] > 0.97
    aoi = truth(tmp_path / "aoi.gpkg", [(0, 0, 95, 60)])
    masks = [tmp_path / "a.tif", tmp_path / "b.tif"]
    for path in masks:
        write_array(path, np.ones((1, HEIGHT, WIDTH), np.uint8), ON)
    pixel = evaluate.run(*masks, ground=ComparedGround(aoi=str(aoi))).pixel
    assert (pixel["tp"], pixel["tn"]) == (95 * 60, 0)


@pytest.mark.parametrize("swapped", [False, True])
def test_the_data_of_a_raster_bounds_the_footprints(scene, model, tmp_path, swapped):
    predict.run([str(scene)], tmp_path / "p.tif", PredictSpec(precision="fp32"), model=model)
    paths = [tmp_path / "p.tif", truth(tmp_path / "t.gpkg")]
    report = evaluate.run(*(paths[::-1] if swapped else paths))
    assert counts(report) == (5, 0, 0)
    assert report.ground["beyond"] == {"truth": 2 * (not swapped), "prediction": 2 * swapped}


def test_footprints_of_several_scenes_are_bounded_by_all_of_them(scene, model, tmp_path):
    """The second scene lies to the right of the first, and nothing is found in it."""
    right = grid(HEIGHT, WIDTH)
    right = type(right)(
        right.crs, right.transform * right.transform.translation(WIDTH, 0), 120, 180
    )
    write_array(tmp_path / "right.tif", picture(np.zeros((HEIGHT, WIDTH), bool)), right)
    scenes = [str(scene), str(tmp_path / "right.tif")]
    extract.run(scenes, tmp_path / "f.gpkg", PredictSpec(precision="fp32"), model=model)
    report = evaluate.run(tmp_path / "f.gpkg", truth(tmp_path / "t.gpkg"))
    assert report.ground["scenes"] == tuple(scenes) and counts(report) == (5, 0, 1)
    other = scene.with_name("other.tif")
    write_array(other, picture(np.zeros((HEIGHT, WIDTH), bool)), ON)
    table = gpd.read_file(tmp_path / "f.gpkg")
    table["scene"] = "other"
    table.to_file(tmp_path / "f.gpkg", layer="footprints", mode="a")
    added = evaluate.run(tmp_path / "f.gpkg", tmp_path / "t.gpkg")
    assert added.ground == {} and "scenes that its provenance does not name" in added.warnings[0]


def test_a_source_that_may_not_be_opened_is_not(scene, found, tmp_path):
    """A file that took the scene's place is opened by geoseg's rules alone."""
    scene.write_text("<VRTDataset><SRS/><x>/etc/passwd</x></VRTDataset>")
    report = evaluate.run(found, truth(tmp_path / "t.gpkg"))
    assert report.ground == {} and counts(report) == (4, 1, 3)
    assert "cannot be opened" in report.warnings[0]


def test_traced_masks_are_bounded_by_the_mask_not_by_its_buildings(tmp_path):
    mask = np.zeros((1, HEIGHT, WIDTH), np.uint8)
    for x0, y0, x1, y1 in SEEN[:2]:
        mask[0, y0:y1, x0:x1] = 1
    write_array(tmp_path / "mask.tif", mask, ON, nodata=0)
    polygonize.run(tmp_path / "mask.tif", tmp_path / "p.gpkg")
    report = evaluate.run(tmp_path / "p.gpkg", truth(tmp_path / "t.gpkg"))
    assert counts(report) == (2, 0, 4) and report.ground["beyond"]["truth"] == 1


def test_preview_counts_what_the_scene_shows(scene, found, tmp_path):
    report = preview.run(
        str(scene),
        [str(found)],
        tmp_path / "p.png",
        PreviewSpec(size=400),
        truth=str(truth(tmp_path / "t.gpkg")),
    )
    (row,) = report.metrics
    assert (row["tp"], row["fp"], row["fn"]) == (5, 0, 0)
    aoi = truth(tmp_path / "aoi.gpkg", [(0, 0, 95, 60)])
    report = preview.run(
        str(scene),
        [str(found)],
        tmp_path / "q.png",
        PreviewSpec(size=400),
        truth=str(tmp_path / "t.gpkg"),
        aoi=str(aoi),
    )
    assert (report.metrics[0]["tp"], report.metrics[0]["fn"]) == (2, 0)


def test_a_part_of_the_scene_and_nodata_that_it_does_not_declare(scene, tmp_path):
    """Black is nodata only if the user says so; columns up to 95 of rows up to 60 are the part."""
    image, _, on = read_array(scene)
    write_array(tmp_path / "plain.tif", image, on)
    pair = truth(tmp_path / "p.gpkg", SEEN), truth(tmp_path / "t.gpkg")
    ground = ComparedGround(image=str(tmp_path / "plain.tif"))
    assert counts(evaluate.run(*pair, ground=ground)) == (3, 0, 3)
    black = evaluate.run(*pair, ground=ground, scene_spec=SceneSpec(nodata=0))
    assert counts(black) == (3, 0, 1)
    part = evaluate.run(*pair, ground=ground, scene_spec=SceneSpec(window=(0, 0, 95, 60)))
    assert counts(part) == (2, 0, 0) and part.ground["beyond"]["prediction"] == 1
    with pytest.raises(SettingError, match="image"):
        evaluate.run(*pair, scene_spec=SceneSpec(window=(0, 0, 95, 60)))


def test_the_command_says_where_it_compared(scene, found, tmp_path, capsys):
    command = ["evaluate", str(found), str(truth(tmp_path / "t.gpkg"))]
    assert geoseg([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ground"]["scenes"] == [str(scene)]
    assert geoseg(command) == 0
    assert "scene.tif" in capsys.readouterr().out
    assert geoseg([*command, "--image", str(tmp_path / "none.tif")]) == 3


def test_an_image_elsewhere_does_not_bound(scene, tmp_path):
    write_array(tmp_path / "far.tif", picture(np.zeros((20, 30), bool)), grid(20, 30, epsg=32701))
    report = evaluate.run(
        truth(tmp_path / "p.gpkg", SEEN),
        truth(tmp_path / "t.gpkg"),
        EvaluateSpec(),
        ground=ComparedGround(image=str(tmp_path / "far.tif")),
    )
    assert counts(report) == (3, 0, 4) and "no footprint lies on it" in report.warnings[0]
