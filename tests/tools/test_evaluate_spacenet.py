"""SpaceNet tables, scored as the challenge scored them."""

import pytest
import shapely

from geoseg.errors import UnsuitableError, UsageError
from geoseg.specs import EvaluateSpec, FootprintChoice
from geoseg.tools import evaluate
from tests.tools.compared import FOUND, TRUTH, mask, raster, vector


def spacenet(path, rows, header="ImageId,BuildingId,PolygonWKT_Pix,Confidence"):
    lines = [
        f'{image},{n},"{shapely.box(*box).wkt if box else "POLYGON EMPTY"}",{sure}'
        for n, (image, box, sure) in enumerate(rows)
    ]
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


VEGAS, PARIS = "AOI_2_Vegas_img7", "AOI_3_Paris_img9"


def test_spacenet_tables_are_compared_image_by_image(tmp_path):
    truth = [
        (VEGAS, (10, 10, 40, 20), 1),
        (VEGAS, (50, 10, 55, 14), 1),
        (PARIS, (10, 10, 40, 20), 1),
        (PARIS, None, 1),
    ]
    # the second lies on a building of the other city alone, the third and fourth have 20 pixels
    found = [
        (VEGAS, (10, 10, 40, 20), 0.9),
        (PARIS, (100, 30, 130, 60), 0.8),
        (VEGAS, (50, 10, 55, 14), 0.7),
    ]
    paths = spacenet(tmp_path / "p.csv", found), spacenet(tmp_path / "t.csv", truth)
    report = evaluate.run(*paths, EvaluateSpec(profile="spacenet2"))
    cities = {
        city: (row["tp"], row["fp"], row["fn"]) for city, row in report.object["cities"].items()
    }
    assert cities == {"AOI_2_Vegas": (1, 0, 1), "AOI_3_Paris": (0, 1, 1)}
    assert report.object["mean_f1"] == pytest.approx((2 / 3 + 0) / 2) and report.object[
        "f1"
    ] == pytest.approx(2 / 5)
    assert [place["image"] for place in report.places] == [PARIS, VEGAS] and report.places[0][
        "crs"
    ] is None
    # without the challenge's rules small ones count
    assert evaluate.run(*paths).object["cities"]["AOI_2_Vegas"]["tp"] == 2


def test_spacenet_proposals_rank_by_their_confidence(tmp_path):
    truth = spacenet(tmp_path / "t.csv", [(VEGAS, (10, 10, 40, 20), 1)])
    for sure, iou in ((0.9, 0.7), (0.5, 1.0)):
        found = [(VEGAS, (10, 10, 40, 17), sure), (VEGAS, (10, 10, 40, 20), 0.7)]
        report = evaluate.run(
            spacenet(tmp_path / "p.csv", found), truth, EvaluateSpec(profile="spacenet2")
        )
        assert (report.object["tp"], report.object["matched_iou"]) == (1, pytest.approx(iou))


@pytest.mark.parametrize("nothing", [[(VEGAS, None, 1)], []])
def test_spacenet_tables_without_a_building(tmp_path, nothing):
    some = [(VEGAS, (10, 10, 40, 20), 0.9), (PARIS, (50, 10, 75, 14), 0.8)]
    full, empty = spacenet(tmp_path / "full.csv", some), spacenet(tmp_path / "empty.csv", nothing)
    for spec in (EvaluateSpec(profile="spacenet2"), EvaluateSpec()):
        for paths, counts, f1 in (
            ((empty, full), (0, 0, 2), 0),
            ((full, empty), (0, 2, 0), 0),
            ((empty, empty), (0, 0, 0), 1),
        ):
            scores = evaluate.run(*paths, spec).object
            assert (scores["tp"], scores["fp"], scores["fn"]) == counts
            assert scores["f1"] == f1
    choice = FootprintChoice(where="confidence > 0.85")
    assert evaluate.run(empty, full, choice=choice).object["fn"] == 1


def test_the_profile_is_for_spacenet_tables(tmp_path):
    spec, truth = EvaluateSpec(profile="spacenet2"), vector(tmp_path / "t.gpkg", TRUTH)
    with pytest.raises(UnsuitableError, match="compares SpaceNet tables with PolygonWKT_Pix"):
        evaluate.run(truth, truth, spec)
    with pytest.raises(
        UnsuitableError, match=r"p\.tif: the profile spacenet2 compares SpaceNet tables"
    ):
        evaluate.run(raster(tmp_path / "p.tif", mask(*FOUND)), truth, spec)
    with pytest.raises(UsageError, match=r"iou: .* matches at 0\.5"):
        EvaluateSpec(profile="spacenet2", iou=0.6)
