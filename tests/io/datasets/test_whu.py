from __future__ import annotations

from pathlib import Path

import pytest

from geoseg.errors import InputError
from geoseg.io import datasets


def tree(
    root: Path, image: str, label: str, splits: tuple[str, ...] = ("train", "val", "test")
) -> Path:
    for number, split in enumerate(splits):
        for side in (image, label):
            folder = root / side.format(split=split)
            folder.mkdir(parents=True)
            (folder / f"{number}.tif").touch()
    return root


@pytest.mark.parametrize(
    "image, label",
    [
        ("{split}/image", "{split}/label"),
        ("{split}/Image", "{split}/Label"),
        ("{split}/A", "{split}/B"),
        ("image/{split}", "label/{split}"),
    ],
)
def test_the_spellings_in_the_wild(tmp_path: Path, image: str, label: str) -> None:
    dataset = datasets.read("whu", tree(tmp_path, image, label))
    assert {pair.name: pair.split for pair in dataset.pairs} == {
        "0": "train",
        "1": "val",
        "2": "test",
    }
    for pair in dataset.pairs:
        assert (pair.image.parent, pair.labels[0].parent) == tuple(
            tmp_path / side.format(split=pair.split) for side in (image, label)
        )
    assert (dataset.gsd, dataset.size, dataset.warnings) == (0.3, (512, 512), ())


def test_255_is_building(tmp_path: Path) -> None:
    legend = datasets.read("whu", tree(tmp_path, "{split}/image", "{split}/label")).legend
    assert legend is not None
    assert (legend.classes, legend.values) == (("background", "building"), {0: 0, 1: 1, 255: 1})


def test_what_is_missing_is_told_at_once(tmp_path: Path) -> None:
    tree(tmp_path, "{split}/image", "{split}/label", ("val",))
    (tmp_path / "test" / "image").mkdir(parents=True)
    (tmp_path / "val" / "image" / "9.tif").touch()
    with pytest.raises(
        InputError,
        match=r"missing: test/label/; labels in val/label/ for 9.tif; train/ \(expected: train/image",
    ):
        datasets.read("whu", tmp_path)


def test_a_split_that_is_not_there_is_told(tmp_path: Path) -> None:
    dataset = datasets.read(
        "whu", tree(tmp_path, "{split}/image", "{split}/label", ("train", "val"))
    )
    assert dataset.warnings == (f"{tmp_path}: has no test split",)
