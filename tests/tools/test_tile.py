import json
import tracemalloc
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyproj import CRS
from rasterio.warp import reproject, transform_bounds

from geoseg.chips import cut
from geoseg.core.grid import Grid
from geoseg.errors import InputError, OutputError, SafetyError, UnsuitableError, UsageError
from geoseg.geometry.burn import burn
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import Scene, read_array
from geoseg.io.raster.write import create_raster, write_array
from geoseg.specs import ChipSpec
from geoseg.tools import stitch, tile

UTM = CRS.from_epsg(32737)
GRID = Grid(UTM, Affine(0.5, 0, 512_000, 0, -0.5, 9_300_000), 90, 140)
READ = Scene.read
HOLE = (slice(20, 60), slice(60, 110))


def noise(bands=3, dtype="uint8", shape=GRID.shape, high=200):
    return np.random.default_rng(bands).uniform(1, high, (bands, *shape)).astype(dtype)


def scene(path, image=None, grid=GRID, **keywords):
    image = noise() if image is None else image
    write_array(path, image, grid and Grid(grid.crs, grid.transform, *image.shape[1:]), **keywords)
    return str(path)


def plain(path):
    """Image and profile as a plain client reads them."""
    with rasterio.open(path) as chip:
        return chip.read(), SimpleNamespace(**chip.profile, valid=chip.dataset_mask() > 0)


def ground(x0, y0, x1, y1):
    return shapely.box(*(GRID.transform * (x0, y1)), *(GRID.transform * (x1, y0)))


def windows(folder):
    """(col, row, width, height) in the scene's pixels of each chip, from its own georeference."""
    found = {}
    for name in read_index(folder).table["image"]:
        with rasterio.open(folder / name) as chip:
            col, row = ~GRID.transform * (chip.transform.c, chip.transform.f)
            found[Path(name).stem] = (round(col), round(row), chip.width, chip.height)
    return found


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# Pixels and places


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_chips_are_the_scene_cut_up(tmp_path, dtype):
    image = noise(4, dtype)
    report = tile.run(
        [scene(tmp_path / "a.tif", image)],
        tmp_path / "chips",
        ChipSpec(size=40, overlap=8, split=(1, 0, 0)),
    )
    assert (report.chips, report.skipped, report.dropped, report.splits) == (
        15,
        0,
        0,
        {"train": 15},
    )
    for name, (col, row, width, height) in windows(tmp_path / "chips").items():
        pixels, chip = plain(tmp_path / f"chips/images/{name}.tif")
        np.testing.assert_array_equal(pixels, image[:, row : row + height, col : col + width])
        assert chip.crs.to_epsg() == 32737 and pixels.dtype == dtype and chip.nodata is None
        assert (width, height) == (40, 40) and chip.valid.all()
    assert windows(tmp_path / "chips")["a_r0001_c0003"] == (96, 32, 40, 40)


@pytest.mark.parametrize(
    ("edge", "last", "shape"),
    [
        ("shift", (100, 50), (40, 40)),
        ("pad", (128, 64), (40, 40)),
        ("partial", (128, 64), (26, 12)),
        ("drop", (96, 32), (40, 40)),
    ],
)
def test_what_happens_at_the_edge(tmp_path, edge, last, shape):
    image = noise()
    tile.run(
        [scene(tmp_path / "a.tif", image)],
        tmp_path / "chips",
        ChipSpec(size=40, overlap=8, edge=edge, split=(1, 0, 0)),
    )
    found = windows(tmp_path / "chips")
    name = max(found)
    assert found[name] == (*last, *shape[::-1])
    pixels, chip = plain(tmp_path / f"chips/images/{name}.tif")
    inside = image[:, last[1] :, last[0] :][:, : shape[0], : shape[1]]
    np.testing.assert_array_equal(pixels[:, : inside.shape[1], : inside.shape[2]], inside)
    if edge == "pad":
        assert not pixels[:, 26:].any() and not pixels[:, :, 12:].any()
        assert chip.valid[:26, :12].all() and chip.valid.sum() == 26 * 12
        assert (
            read_index(tmp_path / "chips").table.set_index("id").loc[name, "valid_fraction"]
            == 26 * 12 / 1600
        )


@pytest.mark.parametrize("options", [None, {"COMPRESS": "NONE"}, {"COMPRESS": "DEFLATE"}])
@pytest.mark.parametrize("layout", [{}, {"COMPRESS": "NONE"}, {"BLOCKXSIZE": 32, "BLOCKYSIZE": 16}])
@settings(
    max_examples=4,
    phases=set(Phase) - {Phase.shrink},
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.tuples(st.integers(20, 60), st.integers(61, 100)),
    st.integers(9, 70),
    st.floats(0, 0.7),
    st.sampled_from(["shift", "pad", "partial", "drop"]),
    st.sampled_from(["uint8", "uint16", "int16", "float32"]),
    st.sampled_from([None, 0, 7]),
)
def test_stitched_chips_are_the_scene(
    tmp_path_factory, layout, options, shape, size, share, edge, dtype, nodata
):
    folder = tmp_path_factory.mktemp("round")
    image = noise(2, dtype, shape) + 10
    image[:, 5:18, 11:50] = nodata or image[:, 5:18, 11:50]
    path = scene(folder / "a.tif", image, nodata=nodata, options=layout)
    spec = ChipSpec(size=size, overlap=int(size * share), edge=edge, split_by="random")
    whole = [(side - size) // spec.tiling.stride * spec.tiling.stride + size for side in shape]
    if edge == "drop" and size > min(shape):
        with pytest.raises(UnsuitableError, match="no tile"):
            tile.run([path], folder / "chips", spec)
        return
    tile.run([path], folder / "chips", spec, creation_options=options)
    stitch.run(sorted((folder / "chips/images").iterdir()), folder / "b.tif")
    pixels, valid, grid = read_array(folder / "b.tif")
    col, row = (round(place) for place in ~GRID.transform * (grid.transform.c, grid.transform.f))
    seen = np.zeros((2, *shape), bool)
    height, width = min(shape[0] - row, grid.height), min(shape[1] - col, grid.width)
    seen[:, row : row + height, col : col + width] = valid[:height, :width]
    np.testing.assert_array_equal(pixels[:, valid], image[seen].reshape(2, -1))
    expected = image[0] != nodata if nodata else np.ones(shape, bool)
    if edge == "drop":
        expected[whole[0] :], expected[:, whole[1] :] = False, False
    np.testing.assert_array_equal(seen[0], expected)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([16, 24, 40]),
    st.sampled_from([0.0, 0.3, 0.9]),
    st.sampled_from(["shift", "pad", "partial"]),
    st.sampled_from(
        [("tif", None), ("tif", {"COMPRESS": "NONE"}), ("tif", {"COMPRESS": "LZW"}), ("png", None)]
    ),
    st.sampled_from([{}, {"COMPRESS": "NONE"}, {"BLOCKXSIZE": 32, "BLOCKYSIZE": 16}]),
)
def test_every_chip_holds_its_own_window(
    tmp_path_factory, seed, size, share, edge, written, layout
):
    """Whatever tiles are left out, and however many threads write while others are read."""
    folder = tmp_path_factory.mktemp("own")
    random = np.random.default_rng(seed)
    image = random.integers(1, 255, (3, 190, 330), "uint8")
    for _ in range(12):
        row, col = random.integers(0, 190), random.integers(0, 330)
        image[:, row : row + random.integers(1, 90), col : col + random.integers(1, 90)] = 0
    path = scene(folder / "a.tif", image, nodata=0, options=layout)
    kind, options = written
    spec = ChipSpec(size=size, edge=edge, max_nodata=share, format=kind)
    tile.run([path], folder / "chips", spec, creation_options=options)
    padded = np.pad(image, ((0, 0), (0, size), (0, size)))
    for name in read_index(folder / "chips").table["image"]:
        pixels, chip = plain(folder / "chips" / name)
        left, top = (round(v) for v in ~GRID.transform * (chip.transform.c, chip.transform.f))
        expected = padded[:, top : top + pixels.shape[1], left : left + pixels.shape[2]]
        np.testing.assert_array_equal(pixels, expected, name)


def test_bands_in_the_order_asked_for(tmp_path):
    image = noise(4)
    tile.run(
        [scene(tmp_path / "a.tif", image)], tmp_path / "chips", ChipSpec(size=70, bands=(4, 1))
    )
    pixels, _ = plain(tmp_path / "chips/images/a_r0000_c0001.tif")
    np.testing.assert_array_equal(pixels, image[[3, 0], :70, 70:])
    assert read_index(tmp_path / "chips").info.bands == 2
    with pytest.raises(UnsuitableError, match=r"a\.tif: has 4 bands, not 7"):
        tile.run([str(tmp_path / "a.tif")], tmp_path / "more", ChipSpec(size=70, bands=(7,)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "chips"]


def test_strips_are_decoded_for_many_tiles_at_once(tmp_path, monkeypatch):
    read: list[int] = []
    monkeypatch.setattr(
        Scene,
        "read",
        lambda self, window, *more: read.append(window.width) or READ(self, window, *more),
    )
    image = noise(1, shape=(90, 700))
    for layout, widths in (({}, {320, 60}), ({"BLOCKXSIZE": 32, "BLOCKYSIZE": 16}, {32})):
        read.clear()
        path = scene(tmp_path / "a.tif", image, options=layout, overwrite=True)
        monkeypatch.setattr(cut, "RUN", 10 * 32 * 32)
        tile.run([path], tmp_path / "chips", ChipSpec(size=32, split=(1, 0, 0)), overwrite=True)
        assert set(read) == widths
        pixels, _ = plain(tmp_path / "chips/images/a_r0001_c0021.tif")
        np.testing.assert_array_equal(pixels, image[:, 32:64, 668:])


# Data that is not there


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint8", 0), ("uint16", 0), ("int16", -9999), ("float32", np.nan)]
)
def test_nodata_is_kept(tmp_path, dtype, nodata):
    image = noise(2, dtype)
    image[:, *HOLE] = nodata
    tile.run(
        [scene(tmp_path / "a.tif", image, nodata=nodata)], tmp_path / "chips", ChipSpec(size=70)
    )
    pixels, chip = plain(tmp_path / "chips/images/a_r0000_c0000.tif")
    assert str(chip.nodata) == str(float(nodata))
    np.testing.assert_array_equal(pixels, image[:, :70, :70])
    assert (~chip.valid).sum() == 40 * 10


def test_a_mask_band_is_kept(tmp_path):
    valid = np.ones(GRID.shape, bool)
    valid[HOLE] = False
    with create_raster(tmp_path / "a.tif", GRID, count=3) as out:
        out.write(noise())
        out.write_mask(valid)
    tile.run([str(tmp_path / "a.tif")], tmp_path / "chips", ChipSpec(size=70))
    np.testing.assert_array_equal(
        plain(tmp_path / "chips/images/a_r0000_c0001.tif")[1].valid, valid[:70, 70:]
    )
    table = read_index(tmp_path / "chips").table.set_index("id")
    assert table.loc["a_r0000_c0001", "valid_fraction"] == valid[:70, 70:].mean()
    assert sorted(path.suffix for path in (tmp_path / "chips/images").iterdir()) == [".tif"] * len(
        table
    )


@pytest.mark.parametrize(("most", "kept"), [(1.0, 5), (0.3, 4), (0.29, 3), (0.0, 2)])
def test_max_nodata(tmp_path, most, kept):
    """Six tiles with 0, 0, 10, 30, 60 and 100% of nodata."""
    image = np.ones((1, 20, 30), np.uint8)
    for index, rows in enumerate((0, 0, 1, 3, 6, 10)):
        row, col = divmod(index, 3)
        image[0, row * 10 : row * 10 + rows, col * 10 : col * 10 + 10] = 0
    report = tile.run(
        [scene(tmp_path / "a.tif", image, nodata=0)],
        tmp_path / "chips",
        ChipSpec(size=10, max_nodata=most, split=(1, 0, 0)),
    )
    assert (report.chips, report.skipped) == (kept, 6 - kept)


def test_nothing_but_nodata(tmp_path):
    path = scene(tmp_path / "a.tif", np.zeros((1, 20, 30), np.uint8), nodata=0)
    with pytest.raises(UnsuitableError, match="no tile holds enough data"):
        tile.run([path], tmp_path / "chips", ChipSpec(size=10))
    with pytest.raises(UnsuitableError, match="no tile holds enough data"):
        tile.run([path], tmp_path / "chips", ChipSpec(size=40, edge="drop"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


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
    report = tile.run([scene(tmp_path / "a.tif")], tmp_path / "chips", ChipSpec(size=70))
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
        tile.run([path], out, ChipSpec(size=50), overwrite=True).chips
        == len(list((out / "images").iterdir()))
        == 6
    )
    (tmp_path / "other").mkdir()
    (tmp_path / "other/letter.txt").write_text("dear")
    with pytest.raises(OutputError, match=r"holds no index\.parquet"):
        tile.run([path], tmp_path / "other", ChipSpec(size=50), overwrite=True)


# Scenes


def test_scenes_of_the_same_name(tmp_path):
    folders = [tmp_path / name for name in ("x", "y", "z")]
    for folder in folders:
        folder.mkdir()
    names = [(folders[0], "a"), (folders[1], "a"), (folders[2], "A"), (folders[2], "a_2")]
    paths = [
        scene(folder / f"{name}.tif", np.full((1, 20, 30), 10 + i, np.uint8))
        for i, (folder, name) in enumerate(names)
    ]
    tile.run(paths, tmp_path / "chips", ChipSpec(size=10, split_by="scene"))
    table = read_index(tmp_path / "chips").table
    assert (
        list(dict.fromkeys(table["scene"])) == ["a", "a_2", "A_3", "a_2_2"]
        and len(set(table["id"])) == 24
    )
    for scene_name, value in zip(("a", "a_2", "A_3", "a_2_2"), range(10, 14), strict=True):
        for name in table[table["scene"] == scene_name]["image"]:
            assert (plain(tmp_path / "chips" / name)[0] == value).all()


def test_scenes_that_do_not_go_together(tmp_path):
    first = scene(tmp_path / "a.tif")
    for path, said in (
        (scene(tmp_path / "b.tif", noise(4)), r"b\.tif: has 4 bands of uint8, .*a\.tif 3 of uint8"),
        (scene(tmp_path / "c.tif", noise(3, "uint16")), r"c\.tif: has 3 bands of uint16"),
        (scene(tmp_path / "d.png", grid=None), r"d\.png: scenes with and without a CRS"),
    ):
        with pytest.raises(UnsuitableError, match=said):
            tile.run([first, path], tmp_path / "chips", ChipSpec(size=40))
    assert (
        tile.run(
            [first, str(tmp_path / "b.tif")], tmp_path / "chips", ChipSpec(size=70, bands=(3, 2, 1))
        ).chips
        == 8
    )


def test_scenes_of_several_crs_are_outlined_in_wgs_84(tmp_path):
    other = Grid(CRS.from_epsg(3857), Affine(0.5, 0, 4_368_223, 0, -0.5, -673_868), 90, 140)
    paths = [scene(tmp_path / "a.tif"), scene(tmp_path / "b.tif", grid=other)]
    tile.run(paths, tmp_path / "chips", ChipSpec(size=70))
    table = gpd.read_parquet(tmp_path / "chips/index.parquet").set_index("id")
    assert table.crs.to_epsg() == 4326
    for name, crs, grid in (("a_r0000_c0001", UTM, GRID), ("b_r0000_c0001", other.crs, other)):
        corner = (
            gpd.GeoSeries([table.loc[name, "geometry"]], crs=4326).to_crs(crs).total_bounds[[0, 3]]
        )
        assert corner == pytest.approx(grid.transform * (70, 0), abs=0.05)


def test_a_turned_scene_has_turned_outlines(tmp_path):
    grid = Grid(UTM, GRID.transform * Affine.rotation(20), 90, 140)
    tile.run([scene(tmp_path / "a.tif", grid=grid)], tmp_path / "chips", ChipSpec(size=70))
    outline = read_index(tmp_path / "chips").table.set_index("id").loc["a_r0000_c0001", "geometry"]
    assert outline.area == pytest.approx(35 * 35) and outline.exterior.coords[1] == pytest.approx(
        grid.transform * (140, 0)
    )


def test_another_gsd(tmp_path):
    paths = [
        scene(tmp_path / "a.tif"),
        scene(tmp_path / "b.tif", grid=Grid(UTM, GRID.transform * Affine.scale(2), 90, 140)),
    ]
    report = tile.run(paths, tmp_path / "chips", ChipSpec(size=45, gsd=1.0))
    table = read_index(tmp_path / "chips").table
    assert (
        Counter(table["scene"]) == {"a": 2, "b": 8}
        and read_index(tmp_path / "chips").info.gsd == 1.0
    )
    with rasterio.open(tmp_path / "chips/images/a_r0000_c0001.tif") as chip:
        assert chip.res == pytest.approx((1, 1), rel=0.01) and chip.bounds.right == pytest.approx(
            512_070
        )
    assert not any("a pixel" in warning for warning in report.warnings)
    report = tile.run(paths, tmp_path / "native", ChipSpec(size=45))
    assert "the scenes have 0.5 to 1 m per pixel; `gsd` resamples them to one" in report.warnings


# Area of interest


@pytest.mark.parametrize("epsg", [32737, 4326])
def test_tiles_outside_the_area_are_left_away(tmp_path, epsg):
    area = gpd.GeoSeries([ground(45, 35, 79.5, 39.5), ground(125, 65, 128, 66)], crs=UTM).to_crs(
        epsg
    )
    gpd.GeoDataFrame(geometry=area).to_file(tmp_path / "aoi.gpkg")
    report = tile.run(
        [scene(tmp_path / "a.tif")],
        tmp_path / "chips",
        ChipSpec(size=40, edge="pad", split=(1, 0, 0)),
        aoi=tmp_path / "aoi.gpkg",
    )
    assert (
        set(windows(tmp_path / "chips")) == {"a_r0000_c0001", "a_r0001_c0003"}
        and report.skipped == 0
    )


def test_areas_that_do_not_fit(tmp_path):
    gpd.GeoDataFrame(geometry=[ground(400, 5, 420, 9)], crs=UTM).to_file(tmp_path / "aoi.gpkg")
    with pytest.raises(UnsuitableError, match=r"aoi\.gpkg: no tile of a scene lies in it"):
        tile.run(
            [scene(tmp_path / "a.tif")],
            tmp_path / "chips",
            ChipSpec(size=40),
            aoi=tmp_path / "aoi.gpkg",
        )
    with pytest.raises(
        UnsuitableError, match=r"aoi\.gpkg: an area of interest needs scenes with a CRS"
    ):
        tile.run(
            [scene(tmp_path / "b.png", grid=None)],
            tmp_path / "chips",
            ChipSpec(size=40),
            aoi=tmp_path / "aoi.gpkg",
        )


def test_a_scene_that_claims_more_than_it_holds(tmp_path):
    path, area = tmp_path / "bomb.tif", tmp_path / "aoi.gpkg"
    crs = {"crs": UTM.to_wkt(), "transform": GRID.transform}
    profile = {
        "height": 250_000,
        "width": 300_000,
        "count": 1,
        "dtype": "uint8",
        "blockxsize": 4096,
        "blockysize": 4096,
    }
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        tiled=True,
        sparse_ok=True,
        bigtiff="yes",
        compress="zstd",
        **profile,
        **crs,
    ):
        pass
    gpd.GeoDataFrame(geometry=[ground(150_000, 200_000, 150_100, 200_500)], crs=UTM).to_file(area)
    spec = ChipSpec(size=2048, split=(1, 0, 0))
    with pytest.raises(SafetyError, match=r"bomb\.tif: claims 70 GiB of pixels and holds"):
        tile.run([str(path)], tmp_path / "chips", spec, aoi=area)
    tracemalloc.start()
    report = tile.run([str(path)], tmp_path / "chips", spec, aoi=area, force=True)
    assert report.chips == 1 and list(windows(tmp_path / "chips")) == ["bomb_r0097_c0073"]
    assert tracemalloc.get_traced_memory()[1] < 30e6
    tracemalloc.stop()


# Values


def test_rescaling_is_one_stretch_over_all_scenes(tmp_path):
    images = [noise(2, "uint16", high=high) for high in (3000, 900)]
    images[0][:, *HOLE] = 0
    paths = [
        scene(tmp_path / f"{name}.tif", image, nodata=0)
        for name, image in zip("ab", images, strict=True)
    ]
    tile.run(paths, tmp_path / "chips", ChipSpec(size=70, rescale="percentile:2,98"))
    index = read_index(tmp_path / "chips")
    values = np.concatenate([image[:, image[0] > 0] for image in images], axis=1)
    low, high = np.percentile(values, [2, 98], axis=1, method="inverted_cdf").astype(float)
    assert (
        index.info.stretch.low == tuple(low)
        and index.info.stretch.high == tuple(high)
        and index.info.dtype == "uint16"
    )
    for name, image in (("a_r0000_c0001", images[0]), ("b_r0000_c0001", images[1])):
        pixels, chip = plain(tmp_path / f"chips/images/{name}.tif")
        expected = ((image[:, :70, 70:] - low[:, None, None]) / (high - low)[:, None, None]).clip(
            0, 1
        ) * 255
        assert chip.nodata is None and pixels.dtype == np.uint8
        np.testing.assert_array_equal(chip.valid, image[0, :70, 70:] > 0)
        np.testing.assert_allclose(pixels[:, chip.valid], expected[:, chip.valid], atol=0.51)


def test_minmax(tmp_path):
    image = noise(1, "float32", high=90)
    image[0, 3, 100], image[0, 50, 7], image[0, 8, 8] = -40, 260, np.nan
    tile.run(
        [scene(tmp_path / "a.tif", image)], tmp_path / "chips", ChipSpec(size=70, rescale="minmax")
    )
    stretch = read_index(tmp_path / "chips").info.stretch
    assert (stretch.low, stretch.high) == ((-40,), (260,))


# PNG and pictures


def test_png_chips_have_worldfiles(tmp_path):
    image = noise()
    tile.run(
        [scene(tmp_path / "a.tif", image)], tmp_path / "chips", ChipSpec(size=70, format="png")
    )
    assert (
        sorted(path.suffix for path in (tmp_path / "chips/images").iterdir())
        == [".pgw"] * 4 + [".png"] * 4
    )
    with rasterio.open(tmp_path / "chips/images/a_r0001_c0001.png") as chip:
        np.testing.assert_array_equal(chip.read(), image[:, 20:, 70:])
        assert chip.driver == "PNG" and chip.transform.almost_equals(
            GRID.transform * Affine.translation(70, 20)
        )


def test_what_no_png_holds_is_refused_at_once(tmp_path):
    for image in (noise(1, "float32"), noise(5)):
        path = scene(tmp_path / "a.tif", image, overwrite=True)
        with pytest.raises(UnsuitableError, match=r"do not fit into PNG \(use `format` tif\)"):
            tile.run([path], tmp_path / "chips", ChipSpec(size=70, format="png"))
    assert (
        tile.run([path], tmp_path / "chips", ChipSpec(size=70, format="png", bands=(5, 1, 2))).chips
        == 4
    )


def test_pictures_are_outlined_in_pixels(tmp_path):
    image = noise()
    tile.run(
        [scene(tmp_path / "a.png", image, grid=None)],
        tmp_path / "chips",
        ChipSpec(size=70, gsd=0.3),
    )
    index = read_index(tmp_path / "chips")
    outline = index.table.set_index("id").loc["a_r0001_c0001", "geometry"]
    assert outline.bounds == (70, 20, 140, 90) and index.table.crs is None and index.info.gsd == 0.3
    np.testing.assert_array_equal(
        plain(tmp_path / "chips/images/a_r0001_c0001.tif")[0], image[:, 20:, 70:]
    )


# Labels


def test_masks_beside_the_chips(tmp_path):
    boxes = [ground(100, 10, 120, 22), ground(5, 60, 17, 85)]
    gpd.GeoDataFrame(geometry=boxes, crs=UTM).to_crs(3857).to_file(tmp_path / "f.gpkg")
    image = noise()
    image[:, *HOLE] = 0
    spec = ChipSpec(size=40, overlap=8, edge="pad", split=(1, 0, 0))
    report = tile.run(
        [scene(tmp_path / "a.tif", image, nodata=0)],
        tmp_path / "chips",
        spec,
        labels=tmp_path / "f.gpkg",
    )
    expected = burn(boxes, GRID)
    expected[HOLE] = 255
    expected = np.pad(expected, ((0, 40), (0, 40)), constant_values=255)
    for name, (col, row, width, height) in windows(tmp_path / "chips").items():
        mask, profile = plain(tmp_path / f"chips/masks/{name}.tif")
        assert np.count_nonzero(mask[0] != expected[row : row + height, col : col + width]) <= 4
        assert (
            profile.transform == plain(tmp_path / f"chips/images/{name}.tif")[1].transform
            and profile.nodata is None
        )
    assert "reprojected from EPSG:3857 to EPSG:32737" in report.warnings[0]
    assert read_index(tmp_path / "chips").table["mask"].tolist() == [
        f"masks/{name}.tif" for name in windows(tmp_path / "chips")
    ]


def test_creation_options_are_for_images_alone(tmp_path):
    write_array(tmp_path / "mask.tif", np.ones((1, *GRID.shape), np.uint8), GRID)
    options = {"COMPRESS": "DEFLATE", "INTERLEAVE": "BAND"}
    paths = [scene(tmp_path / "a.tif")]
    tile.run(
        paths,
        tmp_path / "out",
        ChipSpec(size=32),
        labels=tmp_path / "mask.tif",
        creation_options=options,
        jobs=2,
    )
    image, mask = (next((tmp_path / "out" / name).iterdir()) for name in ("images", "masks"))
    assert (plain(image)[1].compress, plain(image)[1].interleave) == ("deflate", "band")
    assert plain(mask)[1].compress == "zstd"


def test_a_mask_raster_of_another_crs(tmp_path):
    truth = burn([ground(60, 10, 120, 50)], GRID)
    west, south, east, north = transform_bounds(UTM.to_wkt(), "EPSG:4326", *GRID.bounds)
    lonlat = Grid(
        CRS.from_epsg(4326),
        Affine((east - west) / 500, 0, west, 0, (south - north) / 400, north),
        400,
        500,
    )
    labels = np.full((400, 500), 9, np.uint8)
    reproject(
        truth,
        labels,
        GRID.transform,
        src_crs=UTM.to_wkt(),
        dst_transform=lonlat.transform,
        dst_crs="EPSG:4326",
        dst_nodata=9,
    )
    write_array(tmp_path / "m.tif", labels, lonlat, nodata=9)
    report = tile.run(
        [scene(tmp_path / "a.tif")],
        tmp_path / "chips",
        ChipSpec(size=70),
        labels=tmp_path / "m.tif",
    )
    assert "another grid" in report.warnings[0]
    mask, _ = plain(tmp_path / "chips/masks/a_r0000_c0001.tif")
    known = mask[0] != 255
    assert (
        known.mean() > 0.97
        and (mask[0][known] != truth[:70, 70:][known]).mean() < 0.03
        and mask[0][30, 30] == 1
    )


def test_a_folder_of_labels(tmp_path):
    (tmp_path / "labels").mkdir()
    for name, rows in (("a", 10), ("b", 30)):
        scene(tmp_path / f"{name}.tif")
        labels = np.zeros((90, 140), np.uint8)
        labels[:rows, 100:] = 255
        write_array(tmp_path / f"labels/{name}.png", labels)
    paths = [str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]
    report = tile.run(
        paths, tmp_path / "chips", ChipSpec(size=70, format="png"), labels=tmp_path / "labels"
    )
    for name, rows in (("a", 10), ("b", 30)):
        mask = plain(tmp_path / f"chips/masks/{name}_r0000_c0001.png")[0][0]
        assert mask[:rows, 30:].all() and mask.sum() == rows * 40
    assert not any("grid" in warning for warning in report.warnings)
    with pytest.raises(InputError, match=r"has no labels for .*c\.tif"):
        tile.run(
            [scene(tmp_path / "c.tif")],
            tmp_path / "none",
            ChipSpec(size=70),
            labels=tmp_path / "labels",
        )


def test_the_same_warning_of_many_files_is_one_line(tmp_path):
    (tmp_path / "labels").mkdir()
    paths = [scene(tmp_path / f"{name}.tif") for name in "abc"]
    for name in "abc":
        gpd.GeoDataFrame(geometry=[ground(100, 10, 120, 22)], crs=UTM).to_crs(3857).to_file(
            tmp_path / f"labels/{name}.gpkg"
        )
    report = tile.run(
        paths, tmp_path / "chips", ChipSpec(size=70, split=(1, 0, 0)), labels=tmp_path / "labels"
    )
    assert report.warnings == (
        f"{tmp_path}/labels/a.gpkg: reprojected from EPSG:3857 to EPSG:32737 (and 2 more files)",
    )


# The index


def test_the_index_is_geoparquet(tmp_path):
    tile.run([scene(tmp_path / "a.tif")], tmp_path / "chips", ChipSpec(size=40, overlap=8))
    table = gpd.read_parquet(tmp_path / "chips/index.parquet")
    assert list(table.columns) == [
        "id",
        "scene",
        "row",
        "col",
        "image",
        "mask",
        "split",
        "valid_fraction",
        "geometry",
    ]
    assert table.crs == UTM and table["mask"].isna().all() and (table["valid_fraction"] == 1).all()
    metadata = pq.read_schema(tmp_path / "chips/index.parquet").metadata
    geo = json.loads(metadata[b"geo"])
    assert (
        geo["version"] == "1.1.0" and CRS.from_json_dict(geo["columns"]["geometry"]["crs"]) == UTM
    )
    for name, outline in zip(table["image"], table.geometry, strict=True):
        with rasterio.open(tmp_path / "chips" / name) as chip:
            assert outline.bounds == pytest.approx(
                tuple(chip.bounds)
            ) and outline.area == pytest.approx(400)


def test_specs_that_make_no_sense():
    for values in (
        {"size": 0},
        {"overlap": 512},
        {"edge": "wrap"},
        {"split": (0.5, 0.1, 0.1)},
        {"rescale": "percentile:9,2"},
    ):
        with pytest.raises(UsageError):
            ChipSpec(**values)


def test_progress_counts_tiles_and_rows(tmp_path):
    seen = Counter()

    def progress(stage, total):
        seen[f"{stage} of"] = total
        return lambda count: seen.update({stage: count})

    tile.run(
        [scene(tmp_path / "a.tif")],
        tmp_path / "chips",
        ChipSpec(size=10, rescale="minmax"),
        progress=progress,
    )
    assert seen == {"statistics of": 90, "statistics": 90, "cut of": 126, "cut": 126}


# Real scenes


def test_real_labels_agree_with_the_masks_beside_them(tmp_path, shared_data):
    folder = shared_data / "oam_banepa_centre"
    (path,), (labels,) = folder.glob("images/*.tif"), folder.glob("labels/*.geojson")
    spec = ChipSpec(size=1024, edge="drop", split=(1, 0, 0))
    tile.run([str(path)], tmp_path / "chips", spec, labels=labels)
    share = np.mean(
        [(read_array(mask)[0] == 1).mean() for mask in (tmp_path / "chips/masks").iterdir()]
    )
    truth = gpd.read_file(labels).to_crs(3857)
    with rasterio.open(path) as whole:
        covered = (
            truth.clip(shapely.box(*whole.bounds)).union_all().area
            / shapely.box(*whole.bounds).area
        )
    assert share == pytest.approx(covered, rel=0.01)
