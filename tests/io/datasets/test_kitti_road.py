from __future__ import annotations

from pathlib import Path

import pytest

from geoseg.core.encoding import VOID
from geoseg.errors import InputError
from geoseg.io import datasets


def tree(root: Path, *labels: str) -> Path:
    for side in ("image_2", "gt_image_2"):
        (root / "training" / side).mkdir(parents=True)
    for name in ("um_000000", "umm_000000", "uu_000001"):
        (root / "training" / "image_2" / f"{name}.png").touch()
    for name in labels:
        (root / "training" / "gt_image_2" / f"{name}.png").touch()
    return root


ROADS = ("um_road_000000", "umm_road_000000", "uu_road_000001")


@pytest.mark.parametrize("below", ["", "training"])
def test_roads_of_the_three_categories(tmp_path: Path, below: str) -> None:
    dataset = datasets.read("kitti-road", tree(tmp_path, "um_lane_000000", *ROADS) / below)
    assert {pair.name: pair.labels[0].stem for pair in dataset.pairs} == {
        "um_000000": "um_road_000000",
        "umm_000000": "umm_road_000000",
        "uu_000001": "uu_road_000001",
    }
    assert [pair.group for pair in dataset.pairs] == ["um", "umm", "uu"]
    assert dataset.legend is not None and dataset.legend.classes == ("background", "road")
    assert dataset.legend.colours == {(255, 0, 255): 1, (255, 0, 0): 0, (0, 0, 0): VOID}


def test_lanes_are_labelled_on_marked_streets_alone(tmp_path: Path) -> None:
    dataset = datasets.read("kitti-road", tree(tmp_path, "um_lane_000000", *ROADS), target="lane")
    assert [pair.labels[0].stem for pair in dataset.pairs] == ["um_lane_000000"]
    assert dataset.legend is not None and dataset.legend.classes == ("background", "lane")


def test_lanes_stand_in_where_no_road_is_labelled(tmp_path: Path) -> None:
    dataset = datasets.read("kitti-road", tree(tmp_path, "um_lane_000000"))
    assert dataset.warnings == (f"{tmp_path}: labels no road, its lanes are taken",)


def test_labels_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"missing: labels in gt_image_2/: umm_road_000000.png, uu_road_000001.png \(expected",
    ):
        datasets.read("kitti-road", tree(tmp_path, ROADS[0]))


def test_photos_of_which_none_is_wanted(tmp_path: Path) -> None:
    tree(tmp_path, *ROADS)
    (tmp_path / "training" / "image_2" / "um_000000.png").unlink()
    with pytest.raises(InputError, match="holds no pair of image and labels"):
        datasets.read("kitti-road", tmp_path, target="lane")


def test_folders_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing: image_2/; gt_image_2/"):
        datasets.read("kitti-road", tmp_path)
