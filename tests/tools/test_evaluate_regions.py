"""Where a prediction is wrong, and how sure its scores are."""

import numpy as np
import pytest

from geoseg.evaluation.metrics import count
from geoseg.specs import ComparedGround, EvaluateSpec, Length
from geoseg.tools import evaluate
from tests.tools.compared import FOUND, GRID, TRUTH, mask, raster, vector


def test_places_of_footprints(tmp_path):
    prediction, truth = (
        vector(tmp_path / "p.gpkg", FOUND),
        vector(tmp_path / "t.gpkg", TRUTH, to=3857),
    )
    report = evaluate.run(prediction, truth, EvaluateSpec(neighbourhood=Length(12)))
    places = report.places
    assert [place["f1"] for place in places] == sorted(place["f1"] for place in places)
    assert (
        sum(place["tp"] for place in places) == 2 and sum(place["truth"] for place in places) == 3
    )
    assert places[0]["crs"] == "EPSG:3857" and (
        places[0]["count_error"],
        places[1]["count_error"],
    ) in ((1, -1), (-1, 1))
    assert sum(place["area_error_m2"] for place in places) == pytest.approx(
        (624 - 716) / 4, rel=1e-3
    )
    found = report.object
    assert found["neighbourhood_m"] == 12 and found["blocks"] == len(places)
    assert found["by_block"]["count_error"]["mean"] == 0
    for place in places:
        left, bottom, right, top = place["bounds"]
        assert right - left == pytest.approx(top - bottom, rel=0.02) and 12 < right - left < 12.3


def test_places_of_pixels(tmp_path):
    """A raster of 60 x 95 pixels of half a metre in blocks of 64 pixels, the least."""
    found, real = mask(*FOUND), mask(*TRUTH)
    report = evaluate.run(
        raster(tmp_path / "p.tif", found),
        raster(tmp_path / "t.tif", real),
        EvaluateSpec(neighbourhood=Length(1)),
    )
    left, right = sorted(report.places, key=lambda place: place["bounds"][0])
    assert (
        left["bounds"] == (512_000, 9_300_000 - 30, 512_032, 9_300_000)
        and right["bounds"][2] == 512_047.5
    )
    counts = count(found[0, :, :64] > 0, real[0, :, :64] > 0)
    assert (left["tp"], left["fp"], left["fn"], left["iou"]) == (
        counts.tp,
        counts.fp,
        counts.fn,
        counts.iou,
    )
    assert (
        left["area_error_m2"] == pytest.approx((counts.fp - counts.fn) / 4, rel=1e-3)
        and "count_error" not in left
    )


def test_many_places_are_cut_to_the_worst_and_the_best(tmp_path):
    truth = vector(tmp_path / "t.gpkg", [(x, 5, x + 4, 9) for x in range(0, 1200, 20)])
    prediction = vector(tmp_path / "p.gpkg", [(x, 5, x + 4, 9) for x in range(400, 1200, 20)])
    report = evaluate.run(prediction, truth, EvaluateSpec(neighbourhood=Length(10)))
    assert [place["f1"] for place in report.places] == [0] * 12 + [1] * 12 and report.object[
        "blocks"
    ] == 60


def test_intervals(tmp_path):
    scene = raster(tmp_path / "s.tif", np.zeros((3, *GRID.shape), np.uint8))
    paths = vector(tmp_path / "p.gpkg", FOUND), vector(tmp_path / "t.gpkg", TRUTH)
    assert evaluate.run(*paths).intervals == {}
    report = evaluate.run(
        *paths,
        EvaluateSpec(bootstrap=200, neighbourhood=Length(12)),
        ground=ComparedGround(like=str(scene)),
    )
    assert report.intervals.keys() == {"pixel", "object"}
    for kind, metrics in report.intervals.items():
        for name, (low, high) in metrics.items():
            assert low <= getattr(report, kind)[name] <= high, (kind, name)
    assert report.intervals["pixel"].keys() == {"f1", "precision", "recall", "iou"}
    again = evaluate.run(
        *paths,
        EvaluateSpec(bootstrap=200, neighbourhood=Length(12)),
        ground=ComparedGround(like=str(scene)),
    )
    assert (
        again.intervals == report.intervals
        and "only 4 ground blocks: confidence intervals are unreliable" in report.warnings[-1]
    )
    several = mask(*TRUTH)
    several[0, 50:, 60:70] = 2
    path = raster(tmp_path / "c.tif", several)
    assert evaluate.run(path, path, EvaluateSpec(bootstrap=20)).intervals["pixel"]["f1"] == (1, 1)
