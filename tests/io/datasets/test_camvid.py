from __future__ import annotations

from pathlib import Path

import pytest

from geoseg.core.encoding import VOID
from geoseg.errors import InputError
from geoseg.io import datasets
from geoseg.io.datasets.camvid import CLASSES, PUBLISHED


def tree(root: Path, *folders: str, name: str = "0001TP_006690") -> Path:
    for i, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        (root / folder / f"{name[:-1]}{i // 2}.png").touch()
    return root


def test_the_folders_of_segnet(tmp_path: Path) -> None:
    dataset = datasets.read(
        "camvid", tree(tmp_path, "train", "trainannot", "val", "valannot", "test", "testannot")
    )
    assert [pair.split for pair in dataset.pairs] == ["train", "val", "test"]
    assert dataset.pairs[1].labels == (tmp_path / "valannot" / "0001TP_006691.png",)
    assert dataset.legend is not None and dataset.legend.classes == CLASSES
    assert dataset.legend.values == {**{i: i for i in range(11)}, 11: VOID}


@pytest.mark.parametrize(
    "folders, splits",
    [
        (("images", "annotations"), [None]),
        (("images/train", "annotations/train", "images/val", "annotations/val"), ["train", "val"]),
        (("train/images", "train/labels", "test/images", "test/labels"), ["train", "test"]),
        (("images_prepped_train", "annotations_prepped_train"), ["train"]),
        (("701_StillsRaw_full", "LabeledApproved_full"), [None]),
    ],
)
def test_images_and_annotations(
    tmp_path: Path, folders: tuple[str, ...], splits: list[str | None]
) -> None:
    dataset = datasets.read("camvid", tree(tmp_path, *folders))
    assert [pair.split for pair in dataset.pairs] == splits
    assert {pair.scene for pair in dataset.pairs} == {"0001TP"}  # one video sequence


def test_labels_with_a_suffix_and_numbers_of_their_own(tmp_path: Path) -> None:
    tree(tmp_path, "images")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "0001TP_006690_P.png").touch()
    (tmp_path / "codes.txt").write_text("\n".join(PUBLISHED))
    dataset = datasets.read("camvid", tmp_path)
    assert dataset.pairs[0].labels[0].stem == "0001TP_006690_P"
    assert dataset.legend is not None
    assert [dataset.legend.values[i] for i in (0, 4, 17, 21, 30, 31)] == [9, 1, 3, 0, VOID, 1]


def test_colours_of_the_32_classes(tmp_path: Path) -> None:
    legend = datasets.read("camvid", tree(tmp_path, "images", "annotations")).legend
    assert legend is not None
    assert len(PUBLISHED) == 32 and {number for _, number in PUBLISHED.values()} == {
        *range(11),
        VOID,
    }
    assert legend.colours[128, 0, 192] == CLASSES.index("road")  # lane markings
    assert legend.colours[0, 0, 0] == VOID


def test_what_is_missing(tmp_path: Path) -> None:
    tree(tmp_path, "train", "trainannot", "val")
    (tmp_path / "train" / "x.png").touch()
    (tmp_path / "testannot").mkdir()
    with pytest.raises(
        InputError, match=r"missing: valannot/; test/; labels in trainannot/ for x.png \(expected"
    ):
        datasets.read("camvid", tmp_path)
    with pytest.raises(
        InputError, match="missing: train/ and trainannot/; or images/ and annotations/"
    ):
        datasets.read("camvid", tmp_path / "testannot")
