import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from geoseg.core.layer import Layer
from geoseg.evaluation.footprints import compare_layers
from geoseg.evaluation.regions import footprint_regions, regional_errors
from geoseg.specs import EvaluateSpec, Length

boxes = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 40), st.integers(1, 9), st.integers(1, 6)).map(
        lambda b: shapely.box(b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
    max_size=25,
)


def layer(shapes, epsg=None, **columns):
    return Layer(np.array([*shapes, None], object)[:-1], epsg and CRS.from_epsg(epsg), columns)


@settings(max_examples=60)
@given(boxes, boxes, st.sampled_from([3, 11, 500]))
def test_blocks_share_out_all_there_is(prediction, truth, side):
    """Whatever their size: each match, miss and invention lies in one block, and so does each
    area.
    """
    matched = compare_layers(
        layer(prediction), layer(truth), EvaluateSpec(neighbourhood=Length(side))
    )
    counts = matched.matches.counts
    assert matched.counts.sum(axis=0).tolist() == [counts.tp, counts.fp, counts.fn]
    areas = [shapely.area(shapes).sum() for shapes in (prediction, truth)]
    assert matched.area_errors.sum() == pytest.approx(areas[0] - areas[1], abs=1e-9)
    places = footprint_regions(matched)
    assert all(place["found"] - place["truth"] == place["count_error"] for place in places)
    assert [place["f1"] for place in places] == sorted(place["f1"] for place in places)
    assert regional_errors(matched, side).get("blocks", 0) == len(matched.bounds)


def test_a_match_across_the_border_of_two_blocks():
    """It lies where its truth does, so that neither block is wrong."""
    truth = layer([shapely.box(0, 0, 8, 6), shapely.box(40, 0, 44, 6), shapely.box(16, 0, 19.5, 6)])
    prediction = layer(
        [shapely.box(0, 0, 8, 6), shapely.box(40, 0, 44, 6), shapely.box(16.5, 0, 24, 5.9)]
    )
    matched = compare_layers(prediction, truth, EvaluateSpec(iou=0.3, neighbourhood=Length(14)))
    assert (
        matched.blocks[0].tolist() == matched.blocks[1].tolist()
        and (matched.counts[:, 1:] == 0).all()
    )


def test_distances_are_metres_where_there_is_a_crs():
    """In Mercator a unit is half a metre of ground at 60 degrees north."""
    corner = np.array([2_783_000.0, 8_399_700.0])
    shapes = [
        shapely.transform(shapely.box(0, y, 40, 20 + y), lambda xy: xy + corner) for y in (0, 3)
    ]
    matched = compare_layers(layer(shapes[1:], 3857), layer(shapes[:1], 3857), EvaluateSpec())
    np.testing.assert_allclose(matched.distances, [[0.75], [1.5]], rtol=5e-3)
    assert matched.areas[0] == pytest.approx(200, rel=5e-3)


def test_images_are_blocks():
    house = [shapely.box(3, 2, 13, 8), shapely.box(30, 2, 40, 8)]
    truth = layer([house[0], house[0], house[1]], ImageId=np.array(["a", "b", "b"], object))
    prediction = layer([house[0], house[1]], ImageId=np.array(["b", "c"], object))
    matched = compare_layers(prediction, truth, EvaluateSpec(), by_image=True)
    assert matched.images == ("a", "b", "c")
    assert matched.counts.tolist() == [[0, 0, 1], [1, 0, 1], [0, 1, 0]]
    assert matched.bounds.tolist() == [[3, 2, 13, 8], [3, 2, 40, 8], [30, 2, 40, 8]]
    assert "neighbourhood_m" not in regional_errors(matched, 100)
