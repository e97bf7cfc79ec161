"""Splits share no pixel; what several processes, failures and full disks leave."""

from collections import Counter
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geoseg.errors import InputError, OutputError
from geoseg.io.chip_index import read_index
from geoseg.specs import ChipSpec, FolderTarget
from geoseg.tools import tile
from tests.tools.tiles import HOLE, UTM, contents, ground, noise, scene, windows

# Splits


def split_count(folder, shape):
    """How many splits each pixel of the scene lies in."""
    places = windows(folder)
    seen = {split: np.zeros(shape, bool) for split in ("train", "val", "test")}
    for name, split in zip(
        *(read_index(folder).table[key] for key in ("id", "split")), strict=True
    ):
        col, row, width, height = places[name]
        seen[split][row : row + height, col : col + width] = True
    return sum(each.astype(int) for each in seen.values())


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(14, 30),
    st.floats(0, 0.6),
    st.integers(1, 3),
    st.sampled_from(["shift", "pad", "partial", "drop"]),
    st.integers(0, 5),
)
def test_no_pixel_lies_in_two_splits(tmp_path_factory, size, share, block, edge, seed):
    folder = tmp_path_factory.mktemp("leak")
    path = scene(folder / "a.tif", noise(1, shape=(70, 110)))
    spec = ChipSpec(
        size=size,
        overlap=int(size * share),
        edge=edge,
        block_size=block,
        seed=seed,
        split=(0.6, 0.2, 0.2),
    )
    report = tile.run([path], folder / "chips", spec)
    # square: larger than the scene, for pad
    assert split_count(folder / "chips", (150, 150)).max() == 1
    table = read_index(folder / "chips").table
    assert (
        table.groupby([table["row"] // block, table["col"] // block])["split"].nunique().max() == 1
    )
    assert sorted(table["image"]) == sorted(
        f"images/{path.name}" for path in (folder / "chips/images").iterdir()
    )
    assert report.chips == len(table) == sum(report.splits.values()) and report.splits == Counter(
        table["split"]
    )


def test_dropped_chips_leave_no_masks(tmp_path):
    path, mask = scene(tmp_path / "a.tif"), scene(tmp_path / "m.tif", noise(1) // 128)
    spec = ChipSpec(size=20, overlap=10, block_size=2, split=(0.6, 0.2, 0.2))
    report = tile.run([path], tmp_path / "chips", spec, labels=Path(mask))
    assert report.dropped > 0 and report.chips + report.dropped == 8 * 13
    for kind in ("images", "masks"):
        assert len(list((tmp_path / "chips" / kind).iterdir())) == report.chips


def test_random_splits_keep_all_and_say_so(tmp_path):
    path = scene(tmp_path / "a.tif")
    report = tile.run([path], tmp_path / "chips", ChipSpec(size=20, overlap=10, split_by="random"))
    assert (report.chips, report.dropped) == (8 * 13, 0)
    assert report.warnings == (
        "chips of different splits overlap; `split_by` block keeps them apart",
    )
    report = tile.run([path], tmp_path / "apart", ChipSpec(size=20, edge="drop", split_by="random"))
    assert report.warnings == () and report.splits == {"train": 22, "val": 3, "test": 3}


def test_splits_by_scene(tmp_path):
    paths = [scene(tmp_path / f"{name}.tif") for name in "abcde"]
    report = tile.run(
        paths,
        tmp_path / "chips",
        ChipSpec(size=30, overlap=10, split_by="scene", split=(0.6, 0.2, 0.2)),
    )
    table = read_index(tmp_path / "chips").table
    assert report.dropped == 0 and (table.groupby("scene")["split"].nunique() == 1).all()
    assert Counter(table.groupby("scene")["split"].first()) == {"train": 3, "val": 1, "test": 1}


def test_a_split_that_stays_empty_is_said(tmp_path):
    spec = ChipSpec(size=70, split=(0.8, 0.1, 0.1))
    report = tile.run([scene(tmp_path / "a.tif")], tmp_path / "chips", spec)
    assert [
        f"the {split} split is empty; a smaller `block_size` makes more blocks"
        for split in ("val", "test")
    ] == [*report.warnings]


# Processes


def test_processes_give_the_same(tmp_path):
    boxes = gpd.GeoSeries([ground(100, 10, 120, 22), ground(5, 60, 17, 85)], crs=UTM)
    gpd.GeoDataFrame(geometry=boxes.to_crs(4326)).to_file(tmp_path / "f.gpkg")
    image = noise()
    image[:, *HOLE] = 0
    paths = [scene(tmp_path / "a.tif", image, nodata=0), scene(tmp_path / "b.tif", nodata=0)]
    spec = ChipSpec(
        size=20, overlap=4, split=(0.6, 0.2, 0.2), block_size=2, rescale="percentile:2,98"
    )
    reports = [
        tile.run(paths, tmp_path / f"j{jobs}", spec, labels=tmp_path / "f.gpkg", jobs=jobs)
        for jobs in (1, 2)
    ]
    one, two = contents(tmp_path / "j1"), contents(tmp_path / "j2")
    assert list(one) == list(two) and len(one) > 80
    assert [name for name in one if one[name] != two[name]] == []
    for key in ("chips", "skipped", "dropped", "splits", "warnings"):
        assert getattr(reports[0], key) == getattr(reports[1], key)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failure_in_the_middle_leaves_nothing(tmp_path, jobs):
    good, bad = scene(tmp_path / "a.tif", noise(shape=(300, 470))), tmp_path / "b.tif"
    data = Path(scene(bad, noise(shape=(300, 470)), options={"compress": "deflate"})).read_bytes()
    middle = len(data) // 2
    bad.write_bytes(data[:middle] + b"\xff" * 9000 + data[middle + 9000 :])
    with pytest.raises(InputError, match=r"b\.tif: cannot be read at row \d+, column \d+"):
        tile.run([good, str(bad)], tmp_path / "chips", ChipSpec(size=32), jobs=jobs)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "b.tif"]


@pytest.mark.parametrize("options", [None, {"COMPRESS": "NONE"}])
def test_a_full_disk_leaves_nothing(tmp_path, options):
    resource = pytest.importorskip("resource")
    path = scene(tmp_path / "a.tif", noise(shape=(90, 400)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="chips: the disk is full"):
            tile.run([path], tmp_path / "chips", ChipSpec(size=80), creation_options=options)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_an_existing_folder(tmp_path):
    path, out = scene(tmp_path / "a.tif"), tmp_path / "chips"
    tile.run([path], out, ChipSpec(size=40))
    with pytest.raises(OutputError, match="exists already"):
        tile.run([path], out, ChipSpec(size=50))
    assert (
        tile.run([path], FolderTarget(out, overwrite=True), ChipSpec(size=50)).chips
        == len(list((out / "images").iterdir()))
        == 6
    )
    (tmp_path / "other").mkdir()
    (tmp_path / "other/letter.txt").write_text("dear")
    with pytest.raises(OutputError, match=r"holds no index\.parquet"):
        tile.run([path], FolderTarget(tmp_path / "other", overwrite=True), ChipSpec(size=50))
