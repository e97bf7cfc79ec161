import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from geoseg.evaluation.matching import (
    assign,
    average_precision,
    coco_ap,
    counts_by_size,
    match,
    overlaps,
)
from geoseg.evaluation.metrics import Counts

TRUTH = [
    shapely.box(0, 0, 10, 4),
    shapely.box(20, 0, 30, 4),
    shapely.box(40, 0, 60, 30),
    shapely.box(80, 5, 83, 6),
]


def test_one_to_one():
    prediction = [
        shapely.box(41, 0, 60, 30),
        shapely.box(0, 0, 9, 4),
        shapely.box(0, 0, 10, 4),
        shapely.box(20, 0, 30, 1),
        shapely.box(90, 90, 95, 91),
    ]
    matches = match(prediction, TRUTH)
    assert {tuple(p) for p in matches.pairs.tolist()} == {(0, 2), (2, 0)}
    np.testing.assert_allclose(sorted(matches.ious), [0.95, 1])
    assert matches.counts == Counts(tp=2, fp=3, fn=2)
    np.testing.assert_array_equal(matches.false_positives, [1, 3, 4])
    np.testing.assert_array_equal(matches.false_negatives, [1, 3])
    assert match(prediction, TRUTH, iou=0.2).counts.tp == 3


def test_the_confident_choose_first():
    prediction = [shapely.box(0, 0, 10, 4), shapely.box(0, 0, 9, 4)]
    assert match(prediction, TRUTH, np.array([0.6, 0.9])).pairs.tolist() == [[1, 0]]
    assert match(prediction, TRUTH, np.array([0.9, 0.6])).pairs.tolist() == [[0, 0]]
    assert match(prediction[::-1], TRUTH).pairs.tolist() == [[1, 0]]


def test_the_next_best_truth_where_the_best_is_taken():
    truth = [shapely.box(0, 0, 10, 4), shapely.box(1, 0, 11, 4)]
    prediction = [shapely.box(0, 0, 10.2, 4), shapely.box(0, 0, 10.1, 4)]
    matches = match(prediction, truth, np.array([0.9, 0.8]))
    assert {tuple(p) for p in matches.pairs.tolist()} == {(0, 0), (1, 1)}


@pytest.mark.parametrize(("ours", "theirs"), [([], TRUTH), (TRUTH, []), ([], [])])
def test_empty_layers(ours, theirs):
    matches = match(ours, theirs)
    assert matches.counts == Counts(0, len(ours), len(theirs))
    assert average_precision(overlaps(ours, theirs)) == float(not ours and not theirs)


def test_footprints_without_area_match_nothing():
    nothing = [shapely.Polygon(), shapely.Polygon([(0, 0), (1, 0), (0, 0)]), None]
    assert match(nothing, [*TRUTH, shapely.Polygon()]).counts == Counts(0, 3, 5)


boxes = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 9), st.integers(1, 9), st.integers(1, 6)).map(
        lambda b: shapely.box(b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
    max_size=12,
)


def slow_match(prediction, truth, confidence, iou):
    """SpaceNet's rule, word for word."""
    free, tp = list(range(len(truth))), 0
    for p in sorted(range(len(prediction)), key=lambda p: -confidence[p]):
        ious = [
            prediction[p].intersection(truth[t]).area / prediction[p].union(truth[t]).area
            for t in free
        ]
        if ious and max(ious) >= iou:
            free.pop(int(np.argmax(ious)))
            tp += 1
    return Counts(tp, len(prediction) - tp, len(truth) - tp)


@settings(max_examples=150, deadline=None)
@given(boxes, boxes, st.sampled_from([0.1, 0.35, 0.5, 0.75]), st.randoms(use_true_random=False))
def test_agrees_with_the_slow_way(prediction, truth, iou, random):
    confidence = random.sample(range(100), len(prediction))
    # Equal IoUs leave the choice open, and with it what later predictions find
    pairs = overlaps(prediction, truth, iou)
    for p in range(len(prediction)):
        ious = pairs.iou[pairs.prediction == p]
        if len(np.unique(np.round(ious, 9))) < len(ious):
            return
    assert match(prediction, truth, confidence, iou).counts == slow_match(
        prediction, truth, confidence, iou
    )


@settings(max_examples=100, deadline=None)
@given(boxes, boxes, st.floats(0.05, 1))
def test_no_overlap_is_missed(prediction, truth, floor):
    found = overlaps(prediction, truth, floor)
    got = {(i, j): iou for i, j, iou in zip(found.prediction, found.truth, found.iou, strict=True)}
    for i, ours in enumerate(prediction):
        for j, theirs in enumerate(truth):
            common = ours.intersection(theirs).area
            share = common / min(ours.area, theirs.area)
            if share >= floor + 1e-9:
                assert got[i, j] == pytest.approx(common / ours.union(theirs).area)
            elif share < floor - 1e-9:
                assert (i, j) not in got


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(boxes, boxes), min_size=1, max_size=3))
def test_images_are_matched_each_for_itself(pairs):
    """Footprints in the pixels of several images, all of which begin at 0, 0."""
    ours, theirs = ([shape for pair in pairs for shape in pair[side]] for side in (0, 1))
    images = tuple(
        np.repeat(np.arange(len(pairs)), [len(pair[side]) for pair in pairs]) for side in (0, 1)
    )
    found = overlaps(ours, theirs, 0.5, images)
    assert (images[0][found.prediction] == images[1][found.truth]).all()
    single = [overlaps(*pair, 0.5) for pair in pairs]
    np.testing.assert_allclose(
        np.sort(found.iou), np.sort(np.concatenate([one.iou for one in single]))
    )


def test_an_image_without_footprints_of_one_layer():
    nothing = [shapely.Polygon(), None]
    found = overlaps(
        [*TRUTH, *nothing], TRUTH, 0.5, (np.array([0, 0, 1, 1, 0, 2]), np.array([0, 0, 0, 1]))
    )
    assert found.prediction.tolist() == found.truth.tolist() == [0, 1, 3]


@settings(max_examples=60, deadline=None)
@given(boxes, boxes, st.randoms(use_true_random=False))
def test_the_order_of_the_layers_does_not_matter(prediction, truth, random):
    pairs = overlaps(prediction, truth, 0.3)
    # equal ones leave the choice open
    assume(len(np.unique(np.round(pairs.iou, 9))) == len(pairs.iou))
    shuffled = random.sample(prediction, len(prediction))
    ious = lambda a, b: np.sort(match(a, b, iou=0.3).ious)  # noqa: E731
    np.testing.assert_allclose(ious(prediction, truth), ious(shuffled, truth))


def test_the_best_pairs_are_matched_first():
    """The second copy of a footprint does not take the truth of another one."""
    copies, wide = [shapely.box(3, 7, 6, 10)] * 2, shapely.box(3, 7, 10, 10)
    assert match([*copies, wide], [copies[0], wide], iou=0.3).ious.tolist() == [1, 1]


def test_average_precision():
    """Right, wrong, right: precision 1 up to a recall of 1/4, then 2/3 up to 2/4, then nothing."""
    prediction = [TRUTH[0], shapely.box(90, 90, 91, 92), TRUTH[1]]
    found = overlaps(prediction, TRUTH)
    assert average_precision(found, np.array([0.9, 0.8, 0.7])) == pytest.approx(
        (26 * 1 + 25 * 2 / 3) / 101
    )
    assert average_precision(found, np.array([0.9, 0.6, 0.7])) == pytest.approx(51 / 101)
    assert average_precision(found) == pytest.approx(51 * (2 / 3) / 101)
    assert average_precision(overlaps(TRUTH, TRUTH)) == 1


def test_coco_ap_falls_with_the_iou():
    found = overlaps(
        [shapely.box(0, 0, 10, 3), TRUTH[1], shapely.box(40, 0, 60, 28), TRUTH[3]], TRUTH
    )
    by_iou = coco_ap(found, np.array([0.9, 0.8, 0.7, 0.6]))
    assert list(by_iou) == [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    assert by_iou[0.5] == by_iou[0.75] == 1 and by_iou[0.8] < 1
    assert list(by_iou.values()) == sorted(by_iou.values(), reverse=True)


def test_by_size():
    prediction = [
        TRUTH[0],
        shapely.box(40, 0, 60, 29),
        shapely.box(100, 0, 120, 10),
        shapely.box(70, 0, 71, 2),
    ]
    matches = assign(overlaps(prediction, TRUTH))
    by_size = counts_by_size(matches, shapely.area(prediction), shapely.area(TRUTH))
    assert by_size == {
        "small": Counts(1, 1, 2),
        "medium": Counts(0, 1, 0),
        "large": Counts(1, 0, 0),
    }
    assert sum(by_size.values(), Counts()) == matches.counts
