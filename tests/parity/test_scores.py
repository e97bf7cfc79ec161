"""Scores of footprints against ``solaris.eval``: the rules of the SpaceNet challenges, one-to-one
at an IoU of 0.5.

solaris matches where the IoU is above 0.5, not at it, and leaves out truths below and predictions
up to the least area.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from geoseg.specs import EvaluateSpec
from geoseg.tools import evaluate

pytestmark = pytest.mark.slow

MIN_AREA = 20


def theirs(solaris: ModuleType, prediction: Path, truth: Path) -> dict[str, tuple[int, int, int]]:
    """Counts (tp, fp, fn) by image, of those with any."""
    evaluator = solaris.eval.base.Evaluator(str(truth))
    evaluator.load_proposal(str(prediction), conf_field_list=["Confidence"], proposalCSV=True)
    rows = evaluator.eval_iou_spacenet_csv(imageIDField="ImageId", min_area=MIN_AREA)
    counts = {row["imageID"]: (row["TruePos"], row["FalsePos"], row["FalseNeg"]) for row in rows}
    return {image: row for image, row in counts.items() if any(row)}


def ours(prediction: Path, truth: Path) -> dict[str, tuple[int, int, int]]:
    report = evaluate.run(prediction, truth, EvaluateSpec(profile="spacenet2"))
    return {place["image"]: (place["tp"], place["fp"], place["fn"]) for place in report.places}


def test_the_challenges_own_sample(solaris, solaris_data):
    """Images of Las Vegas and Khartoum with the results that are published with them."""
    files = solaris_data / "SN2_sample_preds.csv", solaris_data / "SN2_sample_truth.csv"
    counts = ours(*files)
    assert counts == theirs(solaris, *files)
    known = pd.read_csv(solaris_data / "SN2_test_results_full.csv").set_index("imageID")[
        ["TruePos", "FalsePos", "FalseNeg"]
    ]
    published = {
        image: tuple(row) for image, row in zip(known.index, known.to_numpy().tolist(), strict=True)
    }
    assert counts == {image: row for image, row in published.items() if any(row)}
    assert counts["AOI_5_Khartoum_img130"] == (22, 13, 32)


def write(path: Path, geometry: Any, image: str = "img1", **columns: Any) -> Path:
    """A table in SpaceNet's form."""
    wkt = shapely.to_wkt(np.asarray(geometry), rounding_precision=-1)
    table = {"ImageId": image, "BuildingId": range(len(wkt)), "PolygonWKT_Pix": wkt, **columns}
    pd.DataFrame(table).to_csv(path, index=False)
    return path


def test_moved_footprints(solaris, shared_data, tmp_path):
    """Real footprints, and the same shifted, missed, cut in two and invented, in an order of
    confidence without ties.
    """
    labels = shared_data / "oam_banepa_centre/labels/oam_banepa_centre_train.geojson"
    truth = gpd.read_file(labels).to_crs(3857).geometry.to_numpy()[:400]
    truth = shapely.transform(
        truth[shapely.get_type_id(truth) == 3], lambda xy: (xy - xy.min(axis=0)) * (7, -7)
    )
    rng = np.random.default_rng(3)
    size = np.sqrt(shapely.area(truth))
    moved = [
        shapely.affinity.translate(g, *rng.normal(0, s / 5, 2))
        for g, s in zip(truth, size, strict=True)
    ]
    halves = [
        shapely.intersection(g, shapely.box(*g.bounds[:2], g.centroid.x, g.bounds[3]))
        for g in moved[::7]
    ]
    wrong = [shapely.affinity.translate(g, s) for g, s in zip(truth[::5], size[::5], strict=True)]
    found = np.array([g for g in moved[3:] + halves + wrong if g.geom_type == "Polygon"])
    confidence = rng.permutation(len(found)) / len(found)
    files = (
        write(tmp_path / "found.csv", found, Confidence=confidence),
        write(tmp_path / "truth.csv", truth),
    )
    counts = ours(*files)
    assert counts == theirs(solaris, *files)
    tp, fp, fn = counts["img1"]
    assert min(tp, fp, fn) > 50


@pytest.mark.parametrize(("width", "expected"), [(50.0, (0, 1, 1)), (50.5, (1, 0, 0))])
def test_an_iou_of_exactly_a_half_is_no_match_to_solaris(solaris, tmp_path, width, expected):
    """It matches above 0.5, geoseg from 0.5 on, as the challenge's rules have it: "at least"."""
    truth = [shapely.box(0, 0, 100, 30)]
    files = (
        write(tmp_path / "found.csv", [shapely.box(0, 0, width, 30)], Confidence=1.0),
        write(tmp_path / "truth.csv", truth),
    )
    assert theirs(solaris, *files) == {"img1": expected}
    assert ours(*files) == {"img1": (1, 0, 0)}


def test_the_least_area_counts_for_the_truth_alone(solaris, tmp_path):
    """At exactly 20 pixels a truth counts and a prediction does not, so that the one is missed."""
    box = [shapely.box(10, 3, 15, 7)]
    files = write(tmp_path / "found.csv", box, Confidence=1.0), write(tmp_path / "truth.csv", box)
    assert theirs(solaris, *files) == ours(*files) == {"img1": (0, 0, 1)}
