"""Class weights from the pixels that masks hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from geoseg.chips.examples import ChipFiles
from geoseg.errors import UnsuitableError, UsageError
from geoseg.io.raster.write import write_array
from geoseg.training.balance import class_weights, median_frequency, several_classes
from tests.scenes import grid

CLASSES = ("background", "building", "road")


def chip(path: Path, *labels: int) -> ChipFiles:
    """A chip whose mask has 6 by 4 pixels, a row a label."""
    write_array(
        path, np.repeat(np.array(labels, "uint8")[None, :, None], 4, 2), grid(len(labels), 4)
    )
    return ChipFiles(path, path)


@pytest.fixture
def chips(tmp_path: Path) -> list[ChipFiles]:
    rows = {"a": (0, 0, 0, 0, 0, 1), "b": (0, 0, 0, 255, 255, 255), "c": (0, 0, 2, 2, 2, 1)}
    return [chip(tmp_path / f"{name}.tif", *labels) for name, labels in rows.items()]


def test_the_median_frequency_over_a_classs_own(chips: list[ChipFiles]) -> None:
    # of the masks that hold them: background 10 of 15 rows, building 2 of 12, road 3 of 6
    frequency = np.array([10 / 15, 2 / 12, 3 / 6])
    assert class_weights("auto", chips, CLASSES) == pytest.approx(
        np.median(frequency) / frequency, abs=1e-5
    )


def test_a_class_that_never_occurs_weighs_one() -> None:
    assert median_frequency(np.array([[30, 10, 0], [20, 0, 0]]))[2] == 1
    assert median_frequency(np.zeros((2, 3), int)).tolist() == [1, 1, 1]


def test_weights_as_given(chips: list[ChipFiles]) -> None:
    assert class_weights("none", chips, CLASSES) is None
    assert class_weights("1, 2.5,0", chips, CLASSES) == [1, 2.5, 0]
    for wrong in ("1,2", "1,2,-3", "0,0,0", "some"):
        with pytest.raises(UsageError, match="class_weights: "):
            class_weights(wrong, chips, CLASSES)


def test_whether_there_is_more_than_one_class(chips: list[ChipFiles], tmp_path: Path) -> None:
    assert several_classes(chips, 3)
    assert not several_classes([chips[1]], 3)
    assert several_classes([chips[1], chip(tmp_path / "d.tif", 1, 1, 1, 1, 1, 1)], 3)


def test_a_class_without_a_name_is_refused(chips: list[ChipFiles]) -> None:
    with pytest.raises(
        UnsuitableError,
        match=r"c\.tif: its mask holds the class 2, but there are the classes 0 to 1",
    ):
        class_weights("auto", chips, CLASSES[:2])


def test_classes_told_each_by_itself_are_weighed_against_the_rest(tmp_path: Path) -> None:
    masks = {
        "a": ((0, 0, 0, 0, 0, 1), (1, 1, 255, 0, 0, 1)),
        "b": ((0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 255, 255)),
    }
    found = []
    for name, bands in masks.items():
        write_array(
            tmp_path / f"{name}.tif",
            np.repeat(np.array(bands, "uint8")[..., None], 4, 2),
            grid(6, 4),
        )
        found.append(ChipFiles(tmp_path / f"{name}.tif", tmp_path / f"{name}.tif"))
    # as two classes weigh, the one over the other
    rows = [
        [chip(tmp_path / f"{name}{i}.tif", *bands[i]) for name, bands in masks.items()]
        for i in range(2)
    ]
    alone = [class_weights("auto", own, ("rest", "own")) or [] for own in rows]
    assert class_weights("auto", found, ("footprint", "boundary")) == pytest.approx(
        [w[1] / w[0] for w in alone], abs=1e-5
    )
    assert class_weights("3,4", found, ("footprint", "boundary")) == [3, 4]
    assert several_classes(found, 2) and not several_classes(found[1:], 2)
    write_array(tmp_path / "c.tif", np.full((2, 6, 4), 2, "uint8"), grid(6, 4))
    with pytest.raises(UnsuitableError, match="holds the class 2"):
        several_classes([ChipFiles(tmp_path / "c.tif", tmp_path / "c.tif")], 2)
    with pytest.raises(UnsuitableError, match="has 2 bands, but there are 3 classes"):
        several_classes(found, 3)
