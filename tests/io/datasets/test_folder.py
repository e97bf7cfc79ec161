from __future__ import annotations

from pathlib import Path

import pytest

from geoseg.errors import InputError, UsageError
from geoseg.io import datasets


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def paired(root: Path, **settings: str) -> dict[str, tuple[str | None, str]]:
    """Name -> (split, label) of the pairs found."""
    found = datasets.read("folder", root, **settings).pairs
    return {pair.name: (pair.split, pair.labels[0].relative_to(root).as_posix()) for pair in found}


def test_pictures_meet_the_labels_of_their_name(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "images/a.jpg",
        "images/b_sat.tif",
        "images/c.tif",
        "images/notes.txt",
        "images/.hidden.tif",
    )
    touch(tmp_path, "masks/a.png", "masks/b_mask.png", "masks/c.geojson", "masks/c_mask.tif")
    assert paired(tmp_path) == {
        "a": (None, "masks/a.png"),
        "b_sat": (None, "masks/b_mask.png"),
        "c": (None, "masks/c.geojson"),
    }


def test_the_whole_name_of_a_picture_comes_before_a_part_of_it(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "images/a_p.png", "images/A_rgb.png", "images/a_sat.png")
    touch(tmp_path, "masks/a_mask.png", "masks/a_p_mask.png", "masks/a_rgb_gt.png")
    assert paired(tmp_path) == {
        "a": (None, "masks/a_mask.png"),
        "a_p": (None, "masks/a_p_mask.png"),
        "A_rgb": (None, "masks/a_rgb_gt.png"),
        "a_sat": (None, "masks/a_mask.png"),
    }


@pytest.mark.parametrize("place", ["{split}/images/{name}", "Images/{split}/{name}"])
def test_published_splits_are_kept(tmp_path: Path, place: str) -> None:
    for split, name in (("training", "a.tif"), ("valid", "b.tif"), ("test", "c.tif")):
        image = place.format(split=split, name=name)
        touch(
            tmp_path,
            image,
            image.replace("mages", "abels").replace("I", "L").replace("iabels", "labels"),
        )
    assert {name: split for name, (split, _) in paired(tmp_path).items()} == {
        "a": "train",
        "b": "val",
        "c": "test",
    }


def test_one_vector_file_is_for_all_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "images/north.tif", "images/south.tif", "labels/footprints.gpkg")
    assert {label for _, label in paired(tmp_path).values()} == {"labels/footprints.gpkg"}
    legend = datasets.read("folder", tmp_path).legend
    assert legend is not None and legend.classes == ("background", "building")


def test_one_of_several_folders_of_labels(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "labels/a.png", "labels_multiclass/a.png")
    assert paired(tmp_path)["a"] == (None, "labels/a.png")
    assert paired(tmp_path, labels="labels_multiclass")["a"] == (None, "labels_multiclass/a.png")


def test_a_pattern_makes_scenes(tmp_path: Path) -> None:
    touch(
        tmp_path,
        *(
            f"{side}/{name}.png"
            for side in ("images", "masks")
            for name in ("t1_a", "t1_b", "t2_a", "x")
        ),
    )
    found = datasets.read("folder", tmp_path, pattern=r"^t\d").pairs
    assert {pair.name: pair.scene for pair in found} == {
        "t1_a": "t1",
        "t1_b": "t1",
        "t2_a": "t2",
        "x": "x",
    }
    with pytest.raises(UsageError, match="regular expression"):
        datasets.read("folder", tmp_path, pattern="(")


def test_one_error_lists_all_that_is_missing(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "train/images/a.tif",
        "train/images/b.tif",
        "train/masks/a.tif",
        "val/images/c.tif",
        "test/masks/d.tif",
    )
    with pytest.raises(InputError) as error:
        datasets.read("folder", tmp_path)
    assert error.value.message.endswith(
        "incomplete folder data set; missing: val/masks/; test/images/; labels in "
        "train/masks/ for b.tif"
    )
    assert error.value.hint and error.value.hint.startswith("expected: images/NAME.tif")


def test_a_long_list_ends(tmp_path: Path) -> None:
    touch(tmp_path, "masks/other.tif", *(f"images/{i:02}.tif" for i in range(30)))
    with pytest.raises(InputError, match=r"00.tif, 01.tif, .*11.tif and 18 more"):
        datasets.read("folder", tmp_path)


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "labels/footprints.gpkg")
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="missing: images in images/"):
        datasets.read("folder", tmp_path)


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing: images/; masks/"):
        datasets.read("folder", tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        datasets.read("folder", tmp_path / "none")
    with pytest.raises(UsageError, match="target: does not apply"):
        datasets.read("folder", tmp_path, target="road")
    with pytest.raises(UsageError, match="no layout"):
        datasets.read("inria", tmp_path)
