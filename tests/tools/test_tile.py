"""Which pixels chips hold, and where they lie."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geoseg.chips import cut
from geoseg.errors import UnsuitableError
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import Scene
from geoseg.io.raster.write import create_raster
from geoseg.specs import ChipSpec, FolderTarget
from geoseg.tools import tile
from tests.tools.tiles import GRID, HOLE, noise, plain, scene, windows

READ = Scene.read


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


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    image = random.integers(1, 255, (3, 130, 230), "uint8")
    for _ in range(8):
        row, col = random.integers(0, 130), random.integers(0, 230)
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
        tile.run(
            [path],
            FolderTarget(tmp_path / "chips", overwrite=True),
            ChipSpec(size=32, split=(1, 0, 0)),
        )
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
