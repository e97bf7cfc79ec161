import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geoseg.drawing.colours import rgb
from geoseg.drawing.pictures import (
    BUILDING,
    class_colours,
    ground,
    heat,
    opacity_of,
    outcomes,
    picture,
    tint,
)

GREY = np.full((7, 11, 3), 100, np.uint8)


def test_a_picture_has_the_first_three_bands_or_one_as_grey():
    image = np.arange(4 * 5 * 8, dtype=np.uint8).reshape(4, 5, 8)
    valid = np.ones((5, 8), bool)
    np.testing.assert_array_equal(picture(image, valid), image[:3].transpose(1, 2, 0))
    grey = picture(image[:1], valid)
    assert (grey == image[0][..., None]).all() and grey.shape == (5, 8, 3)


def test_what_is_not_valid_is_striped():
    valid = np.ones((20, 30), bool)
    valid[4:18, 10:28] = False
    drawn = picture(np.zeros((3, 20, 30), np.uint8), valid)
    assert (
        (drawn[valid] == 0).all()
        and (drawn[~valid] > 200).all()
        and len(np.unique(drawn[~valid])) == 2
    )
    np.testing.assert_array_equal(drawn[~valid], ground((20, 30))[~valid])


def test_labels_are_laid_over_by_their_share():
    labels = np.zeros((7, 11), np.uint8)
    labels[2:6, 3:9] = 1
    drawn = tint(GREY, labels, {1: "#ff0032"}, 0.6)
    assert (drawn[0, 0] == 100).all()
    np.testing.assert_array_equal(drawn[3, 4], np.rint(100 + (np.array([255, 0, 50]) - 100) * 0.6))


def test_faint_labels_have_outlines():
    labels = np.zeros((7, 11), np.uint8)
    labels[1:6, 2:9] = 1
    drawn = tint(GREY, labels, {1: "#ff0032"}, 0.2)
    assert tuple(drawn[1, 5]) == tuple(drawn[3, 2]) == (255, 0, 50)
    assert tuple(drawn[3, 5]) == (131, 80, 90) and (drawn[0] == 100).all()


@given(arrays(np.uint8, (7, 11)), st.floats(0, 1))
def test_labels_without_a_colour_leave_the_picture(labels, opacity):
    kept = (labels != 3) & (labels != 255)
    assert (tint(GREY, labels, {3: "#00ff00"}, opacity)[kept] == 100).all()


def test_heat_rises_from_dark_to_bright():
    drawn = heat(
        np.array([[0.0, 0.5, 1.0, 0.2]], np.float32), np.array([[True, True, True, False]])
    )
    sums = drawn.astype(int).sum(axis=2)[0]
    assert sums[0] < sums[1] < sums[2] and drawn[0, 3].min() > 200


def test_outcomes():
    found, real = (
        np.array([[1, 1, 0, 0, 255, 1]], np.uint8),
        np.array([[1, 0, 1, 0, 1, 255]], np.uint8),
    )
    assert outcomes(found, real).tolist() == [[1, 2, 3, 0, 255, 255]]


def test_colours_of_classes():
    assert (
        class_colours({}, (0, 1))
        == {1: BUILDING}
        == class_colours({0: "background", 1: "lane"}, (0, 1))
    )
    many = class_colours({0: "sky", 1: "building", 2: "unheard of", 4: "another"}, (0, 1, 2, 3, 4))
    assert list(many) == [0, 1, 2, 3, 4] and len(set(many.values())) == 5
    assert 0 not in class_colours({0: "Background", 1: "road", 2: "water"}, (0, 1, 2))
    assert all(
        len(rgb(colour)) == 3
        for colour in class_colours(dict(enumerate("abcdefgh" * 6)), tuple(range(48))).values()
    )


@pytest.mark.parametrize(
    ("classes", "wanted", "opacity"), [(1, None, 0.3), (4, None, 0.6), (4, 0.0, 0.0)]
)
def test_opacity(classes, wanted, opacity):
    assert opacity_of(classes, wanted) == opacity
