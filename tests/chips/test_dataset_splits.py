"""Which pictures go into which split: on a ground that they share, and where no split is
published.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.io.chip_index import read_index
from geoseg.io.raster.write import write_array
from geoseg.specs import PrepareSpec
from geoseg.tools import prepare

RNG = np.random.default_rng(11)


def beside(root: Path, places: list[tuple[int, int]], epsg: int | None = 32633) -> Path:
    """Pictures of 20 x 30 pixels, each with its upper left pixel at (row, col) of one ground, whose
    pixels count 1 to 254.
    """
    ground = RNG.integers(1, 255, (1, 400, 600), "uint8")
    for row, col in places:
        transform = Affine(0.5, 0, 500_000, 0, -0.5, 5_500_000) * Affine.translation(col, row)
        own = Grid(CRS.from_epsg(epsg) if epsg else None, transform, 20, 30)
        for folder, image in (("images", ground), ("masks", ground % 2)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            write_array(
                root / folder / f"r{row}_c{col}.tif", image[:, row : row + 20, col : col + 30], own
            )
    return root


def shared_ground(folder: Path) -> float:
    """Square metres that chips of different splits have in common."""
    table = read_index(folder).table
    ground = [
        shapely.union_all(table.geometry[table["split"] == split])
        for split in table["split"].unique()
    ]
    return sum(
        shapely.intersection(one, other).area
        for i, one in enumerate(ground)
        for other in ground[:i]
    )


@pytest.mark.parametrize("epsg", [32633, None])
def test_pictures_side_by_side_are_dealt_out_by_blocks_of_ground(
    tmp_path: Path, epsg: int | None
) -> None:
    """As those of a worldfile are, which have a place and no CRS."""
    root = beside(
        tmp_path / "in", [(row * 20, col * 30) for row in range(4) for col in range(10)], epsg
    )
    report = prepare.run(
        "folder", root, tmp_path / "out", PrepareSpec(block_size=2, split=(0.6, 0.2, 0.2))
    )
    table = read_index(tmp_path / "out").table
    blocks = table.groupby(
        [(table.geometry.centroid.x - 500_000) // 30, (table.geometry.centroid.y - 5_500_000) // 20]
    )["split"]
    assert len(blocks) == 2 * 5 and (blocks.nunique() == 1).all()
    assert report.chips == 40 and not report.dropped and not report.warnings
    assert sorted(report.splits.values()) == [8, 8, 24]
    assert shared_ground(tmp_path / "out") == 0


@pytest.mark.parametrize("by", ["block", "scene"])
def test_overlapping_pictures_of_two_splits_are_dropped(tmp_path: Path, by: str) -> None:
    root = beside(tmp_path / "in", [(row * 15, col * 25) for row in range(6) for col in range(6)])
    spec = PrepareSpec(block_size=2, split=(0.5, 0.25, 0.25), split_by=by)
    report = prepare.run("folder", root, tmp_path / "out", spec)
    assert (
        report.dropped > 0
        and report.chips + report.dropped == 36
        and set(report.splits) == {"train", "val", "test"}
    )
    assert shared_ground(tmp_path / "out") < 1e-6
    index = read_index(tmp_path / "out")
    for folder, column in (("images", "image"), ("masks", "mask")):
        assert sorted(path.name for path in (tmp_path / "out" / folder).iterdir()) == sorted(
            Path(name).name for name in index.table[column]
        )


def test_random_splits_keep_what_overlaps_and_say_so(tmp_path: Path) -> None:
    root = beside(tmp_path / "in", [(row * 15, col * 25) for row in range(5) for col in range(5)])
    report = prepare.run(
        "folder", root, tmp_path / "out", PrepareSpec(split_by="random", split=(0.5, 0.25, 0.25))
    )
    assert report.chips == 25 and report.splits == {"train": 13, "val": 6, "test": 6}
    assert "share ground" in report.warnings[0] and "`split_by` block" in report.warnings[0]


def test_a_published_split_is_kept_though_it_shares_ground(tmp_path: Path) -> None:
    for split, col in (("train", 0), ("val", 25), ("test", 90)):
        beside(tmp_path / "in" / split, [(0, col)])
    report = prepare.run("folder", tmp_path / "in", tmp_path / "out", PrepareSpec())
    assert report.splits == {"train": 1, "val": 1, "test": 1}
    assert report.warnings == ("1 chips share ground with chips of another split, as published",)


def test_a_pattern_names_scenes_that_no_split_parts(tmp_path: Path) -> None:
    root = beside(tmp_path / "in", [(row * 20, col * 30) for row in range(6) for col in range(5)])
    report = prepare.run(
        "folder", root, tmp_path / "out", PrepareSpec(pattern=r"^r\d+", split=(0.5, 0.25, 0.25))
    )
    table = read_index(tmp_path / "out").table
    assert (table.groupby("scene")["split"].nunique() == 1).all() and table["scene"].nunique() == 6
    assert sum(report.splits.values()) == 30


def test_pictures_of_several_crs_share_one_ground(tmp_path: Path) -> None:
    """A picture that another overlaps, in the neighbouring zone of UTM: of the two one goes."""
    for epsg, left, top in ((32633, 166_100, 5_500_000), (32632, 600_500, 5_486_500)):
        grid = Grid(CRS.from_epsg(epsg), Affine(1000, 0, left, 0, -1000, top), 20, 30)
        for folder in ("images", "masks"):
            (tmp_path / "in" / folder).mkdir(parents=True, exist_ok=True)
            write_array(
                tmp_path / "in" / folder / f"{epsg}.tif", np.ones((1, 20, 30), "uint8"), grid
            )
    spec = PrepareSpec(split_by="scene", split=(0.5, 0.5, 0))
    report = prepare.run("folder", tmp_path / "in", tmp_path / "out", spec)
    assert (report.chips, report.dropped, report.splits) == (1, 1, {"val": 1})
    assert read_index(tmp_path / "out").table.crs == CRS.from_epsg(4326)


@pytest.mark.parametrize(
    ("by", "hint"), [("auto", "scenes: 1"), ("block", "`block_size`"), ("random", "chips: 1")]
)
def test_an_empty_split_is_explained(tmp_path: Path, by: str, hint: str) -> None:
    (tmp_path / "in" / "images").mkdir(parents=True)
    (tmp_path / "in" / "masks").mkdir()
    write_array(tmp_path / "in" / "images" / "a.png", RNG.integers(1, 255, (3, 20, 30), "uint8"))
    write_array(tmp_path / "in" / "masks" / "a.png", np.ones((1, 20, 30), "uint8"))
    report = prepare.run("folder", tmp_path / "in", tmp_path / "out", PrepareSpec(split_by=by))
    assert report.splits == {"train": 1} and all(hint in warning for warning in report.warnings)
    assert [warning.split(" split")[0] for warning in report.warnings] == ["the val", "the test"]
