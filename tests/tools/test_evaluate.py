import sqlite3
from contextlib import closing

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.errors import InputError, OutputError, UnsuitableError, UsageError
from geoseg.evaluation.metrics import boundary_count, count
from geoseg.evaluation.sweep import THRESHOLDS
from geoseg.specs import ComparedGround, EvaluateSpec, EvaluationOutput
from geoseg.tools import evaluate
from tests.tools.compared import FOUND, GRID, TRUTH, UTM, mask, raster, vector


def test_two_rasters(tmp_path):
    found, real = mask(*FOUND), mask(*TRUTH)
    report = evaluate.run(raster(tmp_path / "p.tif", found), raster(tmp_path / "t.tif", real))
    counts = count(found[0] > 0, real[0] > 0)
    assert {name: report.pixel[name] for name in ("tp", "fp", "fn", "tn")} == vars(counts)
    assert report.pixel["iou"] == counts.iou and report.pixel["f1"] == counts.f1
    assert report.pixel["classes"]["building"]["iou"] == counts.iou
    background = count(found[0] == 0, real[0] == 0)
    assert report.pixel["mean_iou"] == pytest.approx((counts.iou + background.iou) / 2)
    assert report.pixel["boundary_iou"] == boundary_count(found[0] > 0, real[0] > 0, 3).iou
    assert report.object == {} and report.failed == () and report.command == "evaluate"


def test_invalid_pixels_of_either_do_not_count(tmp_path):
    found, real = mask(*FOUND), mask(*TRUTH)
    found[0, :, 64:66] = 9
    real[0, 45:48] = 9
    paths = [raster(tmp_path / f"{n}.tif", a, nodata=9) for n, a in (("p", found), ("t", real))]
    pixel = evaluate.run(*paths).pixel
    valid = (found[0] != 9) & (real[0] != 9)
    assert {name: pixel[name] for name in ("tp", "fp", "fn", "tn")} == vars(
        count(found[0] == 1, real[0] == 1, valid)
    )


def test_several_classes(tmp_path):
    real, found = mask(*TRUTH), mask(*TRUTH)
    real[0, 30:55, 5:25] = found[0, 30:55, 5:20] = 3
    report = evaluate.run(raster(tmp_path / "p.tif", found), raster(tmp_path / "t.tif", real))
    classes = report.pixel["classes"]
    assert set(classes) == {"0", "1", "3"}
    assert classes["3"]["iou"] == 15 / 20 and classes["1"]["iou"] == 216 / (216 + 125)
    assert report.pixel["mean_iou"] == pytest.approx(
        np.mean([row["iou"] for row in classes.values()])
    )
    assert report.pixel["f1"] == pytest.approx(np.mean([row["f1"] for row in classes.values()]))
    assert report.pixel["accuracy"] == 1 - 125 / (60 * 95) and "tp" not in report.pixel


def test_rasters_of_different_grids(tmp_path):
    fine = Grid(CRS.from_epsg(32736), GRID.transform * Affine.scale(0.5), 120, 190)
    found = np.repeat(np.repeat(mask(*TRUTH), 2, axis=1), 2, axis=2)
    report = evaluate.run(
        raster(tmp_path / "p.tif", mask(*TRUTH)), raster(tmp_path / "t.tif", found, fine)
    )
    assert report.pixel["iou"] == 1 and "another grid" in report.warnings[0]
    assert sum(report.pixel[name] for name in ("tp", "fp", "fn", "tn")) == 60 * 95


def test_two_vectors(tmp_path):
    prediction = vector(tmp_path / "p.gpkg", FOUND, confidence=[0.9, 0.8, 0.7])
    report = evaluate.run(prediction, vector(tmp_path / "t.gpkg", TRUTH))
    found = report.object
    assert (found["tp"], found["fp"], found["fn"]) == (2, 1, 1)
    assert found["precision"] == found["recall"] == found["f1"] == pytest.approx(2 / 3)
    assert found["matched_iou"] == pytest.approx((18 / 22 + 0.8) / 2)
    assert found["by_iou"]["0.50"] == pytest.approx(67 / 101) and found["by_iou"]["0.85"] == 0
    assert found["by_size"]["medium"]["tp"] == 2 and found["by_size"]["small"]["fn"] == 1
    assert report.pixel == {} and report.warnings == ()
    assert evaluate.run(prediction, tmp_path / "t.gpkg", EvaluateSpec(iou=0.81)).object["tp"] == 1


@pytest.mark.parametrize("epsg", [4326, 3857])
def test_vectors_of_different_crs(tmp_path, epsg):
    truth = vector(tmp_path / "t.gpkg", TRUTH, to=epsg)
    report = evaluate.run(vector(tmp_path / "p.gpkg", FOUND), truth)
    assert report.object["tp"] == 2 and report.object["matched_iou"] == pytest.approx(
        (18 / 22 + 0.8) / 2, abs=1e-3
    )
    assert f"reprojected from EPSG:32736 to EPSG:{epsg}" in report.warnings[0]
    # areas are metres on the ground whatever the CRS
    assert (
        report.object["by_size"]["medium"]["tp"] == 2
        and report.object["by_size"]["small"]["fn"] == 1
    )


@pytest.mark.parametrize("swapped", [False, True])
def test_raster_and_vector(tmp_path, swapped):
    paths = [vector(tmp_path / "t.gpkg", TRUTH, to=4326), raster(tmp_path / "p.tif", mask(*FOUND))]
    pixel = evaluate.run(*(paths if swapped else paths[::-1])).pixel
    counts = count(mask(*FOUND)[0] > 0, mask(*TRUTH)[0] > 0)
    missed = (counts.fp, counts.fn) if swapped else (counts.fn, counts.fp)
    assert pixel["tp"] == pytest.approx(counts.tp, abs=4)
    assert (pixel["fn"], pixel["fp"]) == pytest.approx(missed, abs=4)


@pytest.mark.parametrize("swapped", [False, True])
def test_footprints_of_a_raster(tmp_path, swapped):
    """The truth reaches beyond the raster: what lies there is not missed, what is cut there is
    compared as it is cut.
    """
    beyond = [(92, 50, 99, 56), (200, 10, 210, 15)]
    paths = [
        vector(tmp_path / "t.gpkg", [*TRUTH, *beyond]),
        raster(tmp_path / "p.tif", mask(*FOUND, beyond[0])),
    ]
    found = evaluate.run(*(paths if swapped else paths[::-1])).object
    assert (found["tp"], found["fp"], found["fn"]) == (3, 1, 1)
    assert found["matched_iou"] == pytest.approx((18 / 22 + 0.8 + 1) / 3)


def test_footprints_of_probabilities_rank_by_confidence(tmp_path):
    probability = np.zeros((1, *GRID.shape), np.float32)
    for (x0, y0, x1, y1), value in zip(FOUND, (0.6, 0.7, 0.9), strict=True):
        probability[0, y0:y1, x0:x1] = value
    paths = (
        raster(tmp_path / "p.tif", probability, tags={"GEOSEG_MIN_AREA": "1"}),
        vector(tmp_path / "t.gpkg", TRUTH),
    )
    found = evaluate.run(*paths).object
    # wrong, right, right
    assert (found["tp"], found["fp"], found["fn"]) == (2, 1, 1) and found["by_iou"][
        "0.50"
    ] == pytest.approx(2 / 3 * 67 / 101)
    assert evaluate.run(*paths, EvaluateSpec(threshold=0.65)).object["tp"] == 1


def test_several_classes_have_no_footprints_to_compare(tmp_path):
    image = mask(*FOUND)
    image[0, 50:, 60:70] = 2
    report = evaluate.run(raster(tmp_path / "p.tif", image), vector(tmp_path / "t.gpkg", TRUTH))
    assert report.object == {} and "2" in report.pixel["classes"]


def test_two_vectors_on_the_grid_of_a_scene(tmp_path):
    scene = raster(tmp_path / "s.tif", np.zeros((3, *GRID.shape), np.uint8))
    paths = vector(tmp_path / "p.gpkg", FOUND), vector(tmp_path / "t.gpkg", TRUTH)
    report = evaluate.run(*paths, ground=ComparedGround(like=str(scene)))
    counts = count(mask(*FOUND)[0] > 0, mask(*TRUTH)[0] > 0)
    assert report.pixel["iou"] == counts.iou and report.object["tp"] == 2


def test_empty_layers(tmp_path):
    nothing = vector(tmp_path / "n.gpkg", [])
    truth = vector(tmp_path / "t.gpkg", TRUTH)
    assert evaluate.run(nothing, truth).object["f1"] == 0
    both = evaluate.run(nothing, nothing).object
    assert both["f1"] == both["ap"] == 1 and both["tp"] == 0


def test_pictures_without_a_crs(tmp_path):
    found = raster(tmp_path / "p.png", mask(*FOUND), Grid(None, Affine.identity(), *GRID.shape))
    real = raster(
        tmp_path / "t.png", mask(*TRUTH) * 255, Grid(None, Affine.identity(), *GRID.shape)
    )
    counts = count(mask(*FOUND)[0] > 0, mask(*TRUTH)[0] > 0)
    assert evaluate.run(found, real).pixel["iou"] == counts.iou


def test_limits(tmp_path):
    paths = vector(tmp_path / "p.gpkg", FOUND), vector(tmp_path / "t.gpkg", TRUTH)
    assert evaluate.run(*paths, fail_under={"f1": 0.6}).failed == ()
    report = evaluate.run(*paths, fail_under={"f1": 0.7, "object.recall": 0.1, "ap": 0.99})
    assert len(report.failed) == 2 and report.failed[0] == "f1 is 0.6667, below 0.7"
    with pytest.raises(UsageError, match=r"pixel\.iou was not measured .*f1"):
        evaluate.run(*paths, fail_under={"pixel.iou": 0.1})


def test_the_footprints_limit_comes_first(tmp_path):
    scene = raster(tmp_path / "s.tif", np.zeros((3, *GRID.shape), np.uint8))
    paths = vector(tmp_path / "p.gpkg", FOUND), vector(tmp_path / "t.gpkg", TRUTH)
    report = evaluate.run(
        *paths,
        ground=ComparedGround(like=str(scene)),
        fail_under={"f1": 0.7, "pixel.f1": 0.7, "iou": 0.7},
    )
    assert [text.split()[0] for text in report.failed] == ["f1"]


def test_inputs_that_do_not_go_together(tmp_path):
    truth = vector(tmp_path / "t.gpkg", TRUTH)
    with pytest.raises(InputError, match=r"missing\.gpkg: does not exist"):
        evaluate.run(tmp_path / "missing.gpkg", truth)
    far = Grid(UTM, Affine(0.5, 0, 600_000, 0, -0.5, 9_300_000), *GRID.shape)
    with pytest.raises(UnsuitableError, match=r"t\.gpkg: no overlap"):
        evaluate.run(raster(tmp_path / "p.tif", mask(*FOUND), far), truth)
    with pytest.raises(UnsuitableError, match="no pixel has data in both"):
        evaluate.run(tmp_path / "p.tif", raster(tmp_path / "q.tif", mask(*FOUND)))


def test_a_real_mask_against_the_footprints_it_was_made_of(shared_data):
    labels = shared_data / "oam_zanzibar/labels"
    report = evaluate.run(
        labels / "oam_zanzibar_b_mask.tif",
        labels / "oam_zanzibar_b.geojson",
        fail_under={"iou": 0.97},
    )
    assert report.failed == () and report.pixel["boundary_iou"] > 0.9
    itself = evaluate.run(labels / "oam_zanzibar_b.geojson", labels / "oam_zanzibar_b.geojson")
    assert itself.object["f1"] == itself.object["ap"] == 1


def test_splits_merges_and_distances(tmp_path):
    halves = [(62, 5, 71, 15), (71, 5, 82, 15)]
    prediction = vector(tmp_path / "p.gpkg", [*halves, (5, 30, 80, 55)], confidence=[0.9, 0.8, 0.7])
    found = evaluate.run(
        prediction,
        vector(tmp_path / "t.gpkg", [(60, 5, 82, 15), (5, 30, 40, 55), (45, 30, 80, 55)]),
    ).object
    assert (found["splits"], found["merges"]) == (1, 1)
    swapped = evaluate.run(tmp_path / "t.gpkg", prediction).object
    assert (swapped["splits"], swapped["merges"]) == (1, 1) and swapped["tp"] == found["tp"] == 1
    moved = vector(tmp_path / "m.gpkg", [(60, 7, 82, 17)])
    outlines = evaluate.run(moved, vector(tmp_path / "o.gpkg", [(60, 5, 82, 15)], to=3857)).object[
        "outlines"
    ]
    # a metre across: half of the corners lie on the other's walls
    assert outlines["polis_m"]["median"] == pytest.approx(0.5, rel=1e-3)
    assert outlines["hausdorff_m"]["p90"] == pytest.approx(1, rel=1e-3)


def test_layers(tmp_path):
    split = [(62, 5, 70, 15), (70, 5, 82, 15)]
    prediction = vector(
        tmp_path / "p.gpkg",
        [*split, (5, 30, 25, 50), (40, 2, 44, 8)],
        confidence=[0.9, 0.8, 0.7, 0.6],
    )
    truth = vector(
        tmp_path / "t.gpkg", [(60, 5, 82, 15), (5, 30, 25, 55), (70, 40, 74, 44)], to=4326
    )
    out = tmp_path / "verdicts.gpkg"
    report = evaluate.run(prediction, truth, output=EvaluationOutput(layers=out))
    assert report.outputs == (str(out),)
    layers = {name: gpd.read_file(out, layer=name) for name in ("tp", "fp", "fn", "split", "merge")}
    assert {name: len(layer) for name, layer in layers.items()} == {
        "tp": 2,
        "fp": 2,
        "fn": 1,
        "split": 1,
        "merge": 0,
    }
    assert all(layer.crs.to_epsg() == 4326 for layer in layers.values())
    tp = layers["tp"].sort_values("confidence").iloc[0]
    assert (tp["confidence"], tp["iou"], tp["area_m2"]) == pytest.approx((0.7, 0.8, 100), rel=1e-3)
    assert (
        tp["truth_area_m2"] == pytest.approx(125, rel=1e-3)
        and 0 < tp["polis_m"] < tp["hausdorff_m"] < 3
    )
    assert sorted(layers["fp"]["iou"]) == pytest.approx([0, 80 / 220], abs=1e-3) and layers["fn"][
        "iou"
    ].tolist() == [0]
    assert layers["split"]["parts"].tolist() == [2] and layers["split"]["covered"][
        0
    ] == pytest.approx(200 / 220, abs=1e-3)
    assert list(layers["merge"].columns) == [
        "area_m2",
        "confidence",
        "parts",
        "covered",
        "geometry",
    ]
    with closing(sqlite3.connect(out)) as package:
        styles = package.execute(
            "SELECT f_table_name, useAsDefault, styleQML FROM layer_styles"
        ).fetchall()
    assert {
        name for name, default, qml in styles if default and "singleSymbol" in qml
    } == layers.keys()


def test_a_confidence_that_is_not_known_is_none_in_layers(tmp_path):
    prediction = vector(
        tmp_path / "p.gpkg", [(5, 30, 25, 50), (40, 2, 44, 8)], confidence=[np.nan, -0.5]
    )
    truth = vector(tmp_path / "t.gpkg", [(5, 30, 25, 55)])
    out = tmp_path / "outcomes.gpkg"
    evaluate.run(prediction, truth, output=EvaluationOutput(layers=out))
    found = {name: gpd.read_file(out, layer=name)["confidence"].tolist() for name in ("tp", "fp")}
    np.testing.assert_equal(found, {"tp": [np.nan], "fp": [-0.5]})


def test_layers_that_cannot_be(tmp_path):
    paths = vector(tmp_path / "p.gpkg", FOUND), vector(tmp_path / "t.gpkg", TRUTH)
    with pytest.raises(UsageError, match="go into a GeoPackage"):
        evaluate.run(*paths, output=EvaluationOutput(tmp_path / "out.geojson"))
    (tmp_path / "there.gpkg").touch()
    with pytest.raises(OutputError, match="exists already"):
        evaluate.run(
            tmp_path / "missing.gpkg", paths[1], output=EvaluationOutput(tmp_path / "there.gpkg")
        )
    rasters = [raster(tmp_path / f"{n}.tif", mask(*FOUND)) for n in "pt"]
    with pytest.raises(UnsuitableError, match="no footprints were compared"):
        evaluate.run(*rasters, output=EvaluationOutput(tmp_path / "out.gpkg"))
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_sweep_agrees_with_every_single_threshold(tmp_path, dtype):
    rng = np.random.default_rng(8)
    grid = Grid(UTM, GRID.transform, 300, 45)
    truth = (rng.random((1, *grid.shape)) < 0.3).astype(np.uint8)
    code = np.clip(rng.normal(90 + 70 * truth, 50), 0, 254)
    code[0, :, 40:] = 255
    if dtype == "uint8":
        image, keywords = np.rint(code).astype(np.uint8), {"nodata": 255, "scale": 1 / 254}
    else:
        image, keywords = np.where(code == 255, -1, code / 254).astype(np.float32), {"nodata": -1}
    paths = (
        raster(tmp_path / "p.tif", image, grid, **keywords),
        raster(tmp_path / "t.tif", truth, grid),
    )
    pixel = evaluate.run(*paths, EvaluateSpec(sweep=True)).pixel
    assert pixel["sweep"]["thresholds"] == THRESHOLDS.round(6).tolist()
    for k in (0, 99, 126, 200):
        direct = evaluate.run(*paths, EvaluateSpec(threshold=THRESHOLDS[k])).pixel
        for name in ("precision", "recall", "f1", "iou"):
            assert pixel["sweep"][name][k] == pytest.approx(direct[name], abs=1e-6)
    assert pixel["best_iou"] == pytest.approx(max(pixel["sweep"]["iou"]), abs=1e-6)
    best = evaluate.run(*paths, EvaluateSpec(threshold=pixel["best_threshold"])).pixel
    assert best["iou"] == pytest.approx(pixel["best_iou"]) and 0.3 < pixel["average_precision"] < 1


def test_a_sweep_needs_probabilities(tmp_path):
    paths = [raster(tmp_path / f"{n}.tif", mask(*FOUND)) for n in "pt"]
    with pytest.raises(UnsuitableError, match="holds no probabilities to sweep"):
        evaluate.run(*paths, EvaluateSpec(sweep=True))
    with pytest.raises(UnsuitableError, match="holds no probabilities to sweep"):
        evaluate.run(
            vector(tmp_path / "p.gpkg", FOUND),
            vector(tmp_path / "t.gpkg", TRUTH),
            EvaluateSpec(sweep=True),
        )
