"""What counts of footprints at the edge of the data."""

import numpy as np
import pytest
import shapely
from pyproj import CRS

from geoseg.core.layer import Layer
from geoseg.errors import UnsuitableError
from geoseg.evaluation.extent import Extent, cut_at, meets
from geoseg.evaluation.footprints import compare_layers
from geoseg.specs import EvaluateSpec

UTM = CRS.from_epsg(32736)
RULES = EvaluateSpec()
# 60 m wide, 40 m high
GROUND = shapely.box(0, 0, 60, 40)


def layer(*boxes, crs=UTM, **columns):
    geometry = np.array([shapely.box(*box) for box in boxes], object)
    return Layer(geometry, crs, {name: np.array(values) for name, values in columns.items()})


def counts(prediction, truth, ground=GROUND):
    found = compare_layers(*cut_at(prediction, truth, ground, RULES), RULES).matches.counts
    return found.tp, found.fp, found.fn


# a truth 10 m wide that reaches from the left of x = 60 to its right, and what is predicted there
@pytest.mark.parametrize(
    ("left", "predicted", "expected"),
    [
        (45, [], (0, 0, 1)),  # whole, missed
        (52, [], (0, 0, 1)),  # 8 of 10 m inside
        (57, [], (0, 0, 0)),  # 3 of 10 m inside: nothing is missed
        (70, [], (0, 0, 0)),  # beyond
        (57, [(57, 5, 60, 15)], (1, 0, 0)),  # its part is found
        (57, [(57, 5, 67, 15)], (1, 0, 0)),  # as a whole, too
        (57, [(59, 5, 60, 15)], (0, 0, 0)),  # on it, though not enough for a match
        (52, [(52, 5, 62, 15)], (1, 0, 0)),
        (45, [(45, 5, 55, 15), (57, 5, 67, 15)], (1, 0, 0)),  # less than half of it inside
        (45, [(45, 5, 55, 15), (54, 5, 64, 15)], (1, 1, 0)),
        (45, [(45, 5, 55, 15), (80, 5, 90, 15)], (1, 0, 0)),  # beyond
        (57, [(40, 5, 60, 15)], (0, 1, 0)),  # mainly elsewhere
    ],
)
def test_a_truth_at_the_edge(left, predicted, expected):
    assert counts(layer(*predicted), layer((left, 5, left + 10, 15))) == expected


def test_what_is_inside_counts_as_it_did():
    random = np.random.default_rng(4)
    corners = random.uniform(0, 25, (40, 2))
    boxes = [
        (x, y, x + w, y + h) for (x, y), (w, h) in zip(corners, corners[::-1] / 3, strict=True)
    ]
    prediction = layer(*boxes, confidence=random.random(40))
    truth = layer(*(np.array(boxes) + random.normal(0, 0.5, (40, 1))))
    before = compare_layers(prediction, truth, RULES)
    after = compare_layers(*cut_at(prediction, truth, shapely.box(-9, -9, 90, 60), RULES), RULES)
    assert (after.matches.pairs == before.matches.pairs).all() and len(after.truth) == 40


def test_grounds_meet_in_any_crs():
    """A scene in UTM and an area of interest in degrees: what lies in both."""
    scene = layer((512_000, 9_300_000, 512_060, 9_300_040))
    aoi = layer((512_020, 9_299_000, 513_000, 9_300_030)).to_crs(CRS.from_epsg(4326))
    both = Extent((scene, aoi)).in_crs(UTM)
    assert both.symmetric_difference(shapely.box(512_020, 9_300_000, 512_060, 9_300_030)).area < 0.1
    with pytest.raises(UnsuitableError, match="without a CRS"):
        Extent((scene,)).in_crs(None)


def test_longitudes_are_those_of_the_footprints():
    scene = layer((189.9, 10, 190.1, 10.1), crs=CRS.from_epsg(4326))
    left, _, right, _ = Extent((scene,)).in_crs(CRS.from_epsg(4326), -170).bounds
    assert (left, right) == pytest.approx((-170.1, -169.9))


def test_a_scene_elsewhere_is_noticed():
    assert meets([layer((50, 30, 70, 50))], GROUND) and meets([layer()], GROUND)
    assert not meets([layer((70, 30, 90, 50)), layer()], GROUND)
