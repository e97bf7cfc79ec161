from __future__ import annotations

from pathlib import Path

import pytest

from geoseg.errors import InputError
from geoseg.io import datasets
from geoseg.io.datasets import solaris


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_a_list_by_itself_has_no_split(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "deep/a_mask.tif")
    listed = tmp_path / "anything.csv"
    listed.write_text(f"other,image,label\n1,a.tif,{tmp_path}/deep/a_mask.tif\n")
    pair = datasets.read("folder", listed).pairs[0]
    assert (pair.name, pair.split, pair.image, pair.labels) == (
        "a",
        None,
        tmp_path / "a.tif",
        (tmp_path / "deep/a_mask.tif",),
    )


def test_lists_of_a_folder_are_its_splits(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "a.png", "b.tif", "b.png")
    (tmp_path / "train.csv").write_text("image,label\na.tif,a.png\n")
    (tmp_path / "valid.csv").write_text("image, label\nb.tif, b.png\n")
    dataset = datasets.read("folder", tmp_path)
    assert [(pair.name, pair.split) for pair in dataset.pairs] == [("a", "train"), ("b", "val")]
    assert dataset.warnings == (f"{tmp_path}: has no test split",)


def test_other_lists_are_no_data_set(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.tif", "masks/a.tif")
    (tmp_path / "train.csv").write_text("id,score\n1,2\n")
    assert [pair.name for pair in datasets.read("folder", tmp_path).pairs] == ["a"]
    with pytest.raises(InputError, match="no columns image and label"):
        datasets.read("folder", tmp_path / "train.csv")


def test_all_absent_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("image,label\na.tif,a.png\nb.tif,\n")
    with pytest.raises(
        InputError, match=r"missing: a.tif, a.png, b.tif, the label of b.tif \(expected"
    ):
        datasets.read("folder", tmp_path / "x.csv")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.tif", "masks/a.tif", "images/b,c.tif", "masks/b,c.tif")
    rows = [
        {"image": f"images/{n}.tif", "mask": f"masks/{n}.tif", "split": s}
        for n, s in (("a", "train"), ("b,c", "test"))
    ]
    solaris.write(tmp_path, rows, tmp_path)
    assert (
        tmp_path / "train.csv"
    ).read_text() == f"image,label\n{tmp_path}/images/a.tif,{tmp_path}/masks/a.tif\n"
    assert not (tmp_path / "val.csv").exists()
    assert [(pair.image, pair.split) for pair in solaris.read(tmp_path).pairs] == [
        (tmp_path / "images/a.tif", "train"),
        (tmp_path / "images/b,c.tif", "test"),
    ]
