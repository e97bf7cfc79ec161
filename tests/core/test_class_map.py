from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.core.class_map import ClassMap, colour_codes
from geoseg.core.encoding import VOID
from geoseg.errors import UnsuitableError, UsageError

LABELS = np.array([[0, 1, 7], [255, 1, 0]], np.uint8)


def test_values_become_classes_and_the_others_are_ignored_and_counted() -> None:
    classes, unknown = ClassMap(("a", "b"), {0: 1, 1: 0}).classify(LABELS[None])
    assert classes.tolist() == [[1, 0, VOID], [VOID, 0, 1]]
    assert (classes.dtype, unknown) == (np.uint8, 1)  # 255 is void by itself


def test_255_may_be_a_class() -> None:
    classes, unknown = ClassMap(("a", "b"), {0: 0, 255: 1}).classify(LABELS[None])
    assert classes.tolist() == [[0, VOID, VOID], [1, VOID, 0]]
    assert unknown == 3


@given(
    st.dictionaries(
        st.tuples(*[st.integers(0, 255)] * 3), st.integers(0, 11), min_size=1, max_size=20
    ),
    st.data(),
)
def test_every_colour_gets_its_class(
    colours: dict[tuple[int, int, int], int], data: st.DataObject
) -> None:
    drawn = data.draw(st.lists(st.sampled_from(sorted(colours)), min_size=6, max_size=6))
    image = np.array(drawn, np.uint8).reshape(2, 3, 3).transpose(2, 0, 1)
    classes, unknown = ClassMap(("a", "b"), colours=colours).classify(image)
    assert classes.ravel().tolist() == [colours[colour] for colour in drawn]
    assert unknown == 0


def test_a_colour_without_a_class_is_ignored() -> None:
    image = np.array([[[255, 9]], [[0, 9]], [[255, 9]]], np.uint8)
    classes, unknown = ClassMap(("a", "b"), colours={(255, 0, 255): 1}).classify(image)
    assert (classes.tolist(), unknown) == ([[1, VOID]], 1)
    assert colour_codes(image).tolist() == [[0xFF00FF, 0x090909]]


def test_a_palette_stands_for_its_colours() -> None:
    legend = ClassMap(("a", "b"), colours={(255, 0, 0): 1, (0, 0, 0): 0})
    classes, _ = legend.classify(LABELS[None], {0: (0, 0, 0), 1: (255, 0, 0), 7: (1, 2, 3)})
    assert classes.tolist() == [[0, 1, VOID], [VOID, 1, 0]]


def test_grey_in_three_bands_is_values() -> None:
    classes, _ = ClassMap(("a", "b"), {0: 0, 1: 1}).classify(np.stack([LABELS] * 3))
    assert classes.tolist() == [[0, 1, VOID], [VOID, 1, 0]]


@pytest.mark.parametrize(
    "labels, legend",
    [
        (np.zeros((2, 4, 5), np.uint8), ClassMap(("a", "b"), {0: 0})),
        (np.full((1, 4, 5), 300, np.uint16), ClassMap(("a", "b"), {0: 0})),
        (np.arange(60, dtype=np.uint8).reshape(3, 4, 5), ClassMap(("a", "b"), {0: 0})),
        (LABELS[None], ClassMap(("a", "b"), colours={(1, 2, 3): 0})),
    ],
    ids=["two bands", "beyond 255", "colours without names", "values without names"],
)
def test_what_no_legend_fits_is_refused(labels: np.ndarray, legend: ClassMap) -> None:
    with pytest.raises(UnsuitableError):
        legend.classify(labels)


@pytest.mark.parametrize(
    "values, classes",
    [
        ({0, 1}, {0: 0, 1: 1}),
        ({0}, {0: 0, 255: 1}),
        ({0, 255}, {0: 0, 255: 1}),
        ({0, 1, 255}, {0: 0, 1: 1}),
        ({1, 3, 255}, {0: 0, 1: 1, 2: 2, 3: 3}),
    ],
)
def test_masks_tell_their_legend(values: set[int], classes: dict[int, int]) -> None:
    assert ClassMap.infer(values, ()).values == classes


def test_two_colours_are_background_and_building() -> None:
    assert ClassMap.infer((), {(0, 0, 0), (200, 1, 2)}).colours == {(0, 0, 0): 0, (200, 1, 2): 1}
    with pytest.raises(UnsuitableError, match="#0a0b0c,NAME=#c80102"):
        ClassMap.infer((), {(0, 0, 0), (200, 1, 2), (10, 11, 12)})


def test_a_legend_is_typed() -> None:
    assert ClassMap.parse("ground, roof") == ClassMap(("ground", "roof"), {0: 0, 1: 1})
    typed = ClassMap.parse("land=2,roof=#3c1098,void=9,land=#010203")
    assert typed == ClassMap(("land", "roof"), {2: 0, 9: VOID}, {(60, 16, 152): 1, (1, 2, 3): 0})


@pytest.mark.parametrize("text", ["roof", "a,b=#12", "a=300,b", "a,,b", "a,void"])
def test_a_bad_legend_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        ClassMap.parse(text)
