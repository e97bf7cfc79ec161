import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import CRS
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.core.tiling import tiles
from geoseg.errors import OutputError, UnsuitableError
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import create_raster, write_array
from geoseg.specs import TilingSpec
from geoseg.tools import stitch

CRS_UTM = CRS.from_epsg(32736)
BLENDS = ["hann", "mean", "max", "first", "last"]


def grid_of(height, width, crs=CRS_UTM):
    return Grid(crs, Affine(0.3, 0, 512_000.1, 0, -0.3, 9_300_000.7), height, width)


def cut(folder, scene, grid, spec, edge="shift", **keywords):
    folder.mkdir(exist_ok=True)
    paths = []
    for tile in tiles(grid.shape, spec, edge):
        w = tile.window
        chip = scene[:, w.row_off : w.row_off + w.height, w.col_off : w.col_off + w.width]
        chip = np.pad(chip, ((0, 0), (0, w.height - chip.shape[1]), (0, w.width - chip.shape[2])))
        paths.append(folder / f"{tile.id}.tif")
        write_array(paths[-1], chip, grid.window(w), overwrite=True, **keywords)
    return paths


def random_scene(height, width, bands=2, dtype="uint8", seed=0):
    return np.random.default_rng(seed).integers(1, 255, (bands, height, width)).astype(dtype)


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("edge", ["shift", "pad", "partial", "drop"])
def test_stitched_tiles_are_the_scene(tmp_path, blend, edge):
    grid, spec = grid_of(53, 87), TilingSpec(24, 7)
    scene = random_scene(53, 87, dtype="uint16" if blend == "hann" else "uint8")
    paths = cut(tmp_path / "chips", scene, grid, spec, edge, nodata=0)
    report = stitch.run(paths, tmp_path / "out.tif", blend=blend)
    image, valid, got = read_array(tmp_path / "out.tif")
    height, width = image.shape[1:]
    seen = min(53, height), min(87, width)
    assert got.crs == grid.crs and got.transform.almost_equals(grid.transform)
    assert image.dtype == scene.dtype and (report.height, report.width, report.bands) == (
        height,
        width,
        2,
    )
    np.testing.assert_array_equal(image[:, : seen[0], : seen[1]], scene[:, : seen[0], : seen[1]])
    assert valid[: seen[0], : seen[1]].all() and not valid[53:].any() and not valid[:, 87:].any()
    assert seen == ((41, 75) if edge == "drop" else (53, 87))
    assert report.chips == len(paths) and report.valid_fraction == pytest.approx(valid.mean())


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 2**32 - 1), st.sampled_from(BLENDS))
def test_any_order_and_any_sizes(tmp_path, seed, blend):
    """Chips anywhere, of any size, some of whose pixels are nodata; the mosaic begins where the
    first of them begins.
    """
    rng = np.random.default_rng(seed)
    grid, scene = grid_of(60, 91), random_scene(60, 91, seed=seed)
    scene[:, rng.random((60, 91)) < 0.1] = 0
    expected, paths, corners = np.zeros_like(scene), [], []
    for index in range(rng.integers(1, 6)):
        top, left = rng.integers(0, 50), rng.integers(0, 80)
        bottom, right = rng.integers(top, 60) + 1, rng.integers(left, 91) + 1
        expected[:, top:bottom, left:right] = scene[:, top:bottom, left:right]
        paths.append(tmp_path / f"{index}.tif")
        window = rasterio.windows.Window(left, top, right - left, bottom - top)
        write_array(
            paths[-1],
            scene[:, top:bottom, left:right],
            grid.window(window),
            nodata=0,
            overwrite=True,
        )
        corners.append((top, left, bottom, right))
    stitch.run(paths, tmp_path / "out.tif", blend=blend, overwrite=True)
    top, left = np.min(corners, axis=0)[:2]
    bottom, right = np.max(corners, axis=0)[2:]
    image, valid, got = read_array(tmp_path / "out.tif")
    np.testing.assert_array_equal(image, expected[:, top:bottom, left:right])
    np.testing.assert_array_equal(valid, expected[0, top:bottom, left:right] > 0)
    assert got.transform.almost_equals(grid.transform * Affine.translation(left, top))


@pytest.mark.parametrize("blend", ["hann", "max", "last"])
def test_parts_of_any_size_give_the_same(tmp_path, monkeypatch, blend):
    """Whole rows, or parts of them where they are wide, across whose borders chips that disagree
    lie in any order.
    """
    grid, rng = grid_of(290, 300), np.random.default_rng(4)
    paths = cut(tmp_path / "chips", random_scene(290, 300), grid, TilingSpec(130, 45))
    for path in paths:
        image, _, own = read_array(path)
        write_array(
            path, (image * rng.uniform(0.5, 1)).astype("uint8"), own, overwrite=True, nodata=0
        )
    rng.shuffle(paths)
    mosaics = []
    for held, expected in (
        (1, [256 * 256, 256 * 44, 34 * 256, 34 * 44]),
        (2**18, [256 * 300, 34 * 300]),
        (2**23, [290 * 300]),
    ):
        monkeypatch.setattr(stitch, "HELD_VALUES", held)
        seen: list[int] = []
        stitch.run(
            paths,
            tmp_path / f"{held}.tif",
            blend=blend,
            progress=lambda stage, total, seen=seen: seen.append,
        )
        mosaics.append(read_array(tmp_path / f"{held}.tif")[0])
        assert seen == expected
    assert (
        (mosaics[0] == mosaics[1]).all()
        and (mosaics[1] == mosaics[2]).all()
        and mosaics[0].std() > 20
    )


@pytest.mark.parametrize(
    ("blend", "expected"), [("hann", 15), ("mean", 15), ("max", 20), ("first", 10), ("last", 20)]
)
def test_where_chips_disagree(tmp_path, blend, expected):
    grid = grid_of(8, 30)
    for name, left, value in (("a", 0, 10), ("b", 10, 20)):
        window = rasterio.windows.Window(left, 0, 20, 8)
        write_array(
            tmp_path / f"{name}.tif", np.full((1, 8, 20), value, np.uint8), grid.window(window)
        )
    stitch.run([tmp_path / "a.tif", tmp_path / "b.tif"], tmp_path / "out.tif", blend=blend)
    row = read_array(tmp_path / "out.tif")[0][0, 3].astype(int)
    assert (row[:10] == 10).all() and (row[20:] == 20).all()
    assert abs(row[14] + row[15] - 2 * expected) <= 1
    if blend == "hann":
        assert (np.diff(row[9:21]) >= 0).all() and row[10] == 10 and row[19] == 20


def test_gaps_are_masked_where_there_is_no_nodata(tmp_path):
    grid = grid_of(12, 40)
    for name, left in (("a", 0), ("b", 25)):
        window = rasterio.windows.Window(left, 0, 15, 12)
        write_array(tmp_path / f"{name}.tif", np.zeros((3, 12, 15), np.uint8), grid.window(window))
    report = stitch.run([tmp_path / "b.tif", tmp_path / "a.tif"], tmp_path / "out.tif")
    _, valid, got = read_array(tmp_path / "out.tif")
    assert (
        got.shape == (12, 40)
        and valid[:, :15].all()
        and valid[:, 25:].all()
        and not valid[:, 15:25].any()
    )
    assert report.valid_fraction == 30 / 40
    with rasterio.open(tmp_path / "out.tif") as out:
        assert out.nodata is None


def test_without_gaps_there_is_neither_nodata_nor_mask(tmp_path):
    paths = cut(tmp_path / "chips", random_scene(20, 33), grid_of(20, 33), TilingSpec(16, 4))
    stitch.run(paths, tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as out:
        assert out.nodata is None and out.mask_flag_enums[0] == [rasterio.enums.MaskFlags.all_valid]


def test_different_nodata_become_a_mask(tmp_path):
    grid = grid_of(6, 20)
    for name, left, nodata in (("a", 0, 0), ("b", 10, 9)):
        chip = np.full((1, 6, 10), 9 - nodata, np.uint8)
        chip[0, 2, 3] = nodata
        write_array(
            tmp_path / f"{name}.tif",
            chip,
            grid.window(rasterio.windows.Window(left, 0, 10, 6)),
            nodata=nodata,
        )
    stitch.run([tmp_path / "a.tif", tmp_path / "b.tif"], tmp_path / "out.tif", blend="first")
    image, valid, _ = read_array(tmp_path / "out.tif")
    assert (~valid).sum() == 2 and not valid[2, 3] and not valid[2, 13]
    assert image[0, 4, 4] == 9 and image[0, 4, 14] == 0


def test_scale_and_tags_of_probabilities_are_kept(tmp_path):
    grid, path = grid_of(9, 14), tmp_path / "p.tif"
    with create_raster(path, grid, nodata=255, tags={"geoseg_model": "m"}) as out:
        out.write(np.full((1, 9, 14), 127, np.uint8))
        out.scales = (1 / 254,)
        out.set_band_description(1, "building")
    stitch.run([path], tmp_path / "out.tif", creation_options={"COMPRESS": "DEFLATE"})
    with rasterio.open(tmp_path / "out.tif") as out:
        assert (
            out.scales == (pytest.approx(1 / 254),)
            and out.descriptions == ("building",)
            and out.nodata == 255
        )
        assert out.tags()["geoseg_model"] == "m" and out.compression.name == "deflate"


def test_float_chips_with_nan(tmp_path):
    scene = np.random.default_rng(2).normal(0, 1, (1, 30, 47)).astype(np.float32)
    scene[0, 3, 5] = np.nan
    paths = cut(tmp_path / "chips", scene, grid_of(30, 47), TilingSpec(20, 6), nodata=np.nan)
    stitch.run(paths, tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as out:
        np.testing.assert_array_equal(out.read(), scene)


def shifted(grid, col=0.0, scale=1.0, crs=CRS_UTM):
    return Grid(
        crs,
        grid.transform * Affine.translation(col, 0) * Affine.scale(scale),
        grid.height,
        grid.width,
    )


@pytest.mark.parametrize(
    ("grid", "bands", "dtype", "message"),
    [
        (shifted(grid_of(6, 10), col=4.4), 1, "uint8", "do not fall on those"),
        (shifted(grid_of(6, 10), scale=2), 1, "uint8", "do not fall on those"),
        (shifted(grid_of(6, 10), crs=CRS.from_epsg(32737)), 1, "uint8", "its CRS is EPSG:32737"),
        (shifted(grid_of(6, 10)), 2, "uint8", "has 2 bands of uint8"),
        (shifted(grid_of(6, 10)), 1, "uint16", "has 1 bands of uint16"),
    ],
)
def test_a_chip_that_does_not_fit_is_named(tmp_path, grid, bands, dtype, message):
    write_array(tmp_path / "a.tif", np.ones((1, 6, 10), np.uint8), grid_of(6, 10))
    write_array(tmp_path / "b.tif", np.ones((bands, 6, 10), dtype), grid)
    with pytest.raises(UnsuitableError, match=rf"b\.tif: .*{message}"):
        stitch.run([tmp_path / "a.tif", tmp_path / "b.tif"], tmp_path / "out.tif")
    assert not (tmp_path / "out.tif").exists()


def test_chips_without_a_georeference_cannot_be_placed(tmp_path):
    for name in "ab":
        write_array(tmp_path / f"{name}.png", np.ones((1, 6, 10), np.uint8))
    with pytest.raises(UnsuitableError, match=r"a\.png: chips without a georeference"):
        stitch.run([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "out.tif")
    with pytest.raises(UnsuitableError, match="no chips"):
        stitch.run([], tmp_path / "out.tif")


def test_chips_of_different_places(tmp_path):
    write_array(tmp_path / "a.tif", np.ones((1, 6, 10), np.uint8), grid_of(6, 10))
    write_array(
        tmp_path / "b.tif", np.ones((1, 6, 10), np.uint8), shifted(grid_of(6, 10), col=300_000_000)
    )
    with pytest.raises(UnsuitableError, match="6 x 300,000,010 pixels"):
        stitch.run([tmp_path / "a.tif", tmp_path / "b.tif"], tmp_path / "out.tif")


def test_an_existing_output_is_refused(tmp_path):
    paths = cut(tmp_path / "chips", random_scene(20, 33), grid_of(20, 33), TilingSpec(16, 4))
    (tmp_path / "out.tif").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        stitch.run(paths, tmp_path / "out.tif")
    assert (tmp_path / "out.tif").read_text() == "mine"


def two(folder, left, right, **profiles):
    """Two chips of 60 x 80 pixels that overlap by 40 columns."""
    paths = []
    grid = grid_of(60, 120)
    for place, value in enumerate((left, right)):
        image = np.full((1, 60, 80), value, np.uint8)
        paths.append(folder / f"{place}.tif")
        own = {name: each[place] for name, each in profiles.items()}
        write_array(paths[-1], image, grid.window(Window(40 * place, 0, 80, 60)), **own)
    return paths


@pytest.mark.parametrize("blend", ["hann", "mean"])
def test_numbers_of_classes_are_not_averaged(tmp_path, blend):
    names = {"GEOSEG_CLASSES": "background,road,house,pool"}
    for tags in ({}, names) if blend == "hann" else (names,):
        out = tmp_path / f"{len(tags)}.tif"
        folder = tmp_path / f"chips{len(tags)}"
        folder.mkdir()
        stitch.run(two(folder, 1, 3, tags=(tags, tags)), out, blend=blend)
        image, valid, _ = read_array(out)
        middle = 60 if blend == "hann" else 80
        assert (image[:, :, :middle] == 1).all() and (image[:, :, middle:] == 3).all()
        assert valid.all()


def test_values_of_another_meaning_are_refused(tmp_path):
    swapped = "background,house,road", "background,road,house"
    tags = tuple({"GEOSEG_CLASSES": text} for text in swapped)
    with pytest.raises(UnsuitableError, match=r"1\.tif: has another list of classes than .*0\.tif"):
        stitch.run(two(tmp_path, 1, 2, tags=tags), tmp_path / "out.tif")
    paths = two(tmp_path, 1, 2, overwrite=(True, True))
    with rasterio.open(paths[1], "r+") as file:
        file.scales = (0.5,)
    with pytest.raises(UnsuitableError, match="has another scale than"):
        stitch.run(paths, tmp_path / "out.tif")


def test_a_palette_goes_into_the_mosaic(tmp_path):
    paths = two(tmp_path, 1, 2)
    palette = {1: (9, 8, 7, 255), 2: (200, 0, 3, 255)}
    for path in paths:
        with rasterio.open(path, "r+") as file:
            file.write_colormap(1, palette)
    stitch.run(paths, tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as file:
        assert {number: file.colormap(1)[number] for number in palette} == palette
        assert set(np.unique(file.read())) == {1, 2}
    with rasterio.open(paths[1], "r+") as file:
        file.write_colormap(1, {1: palette[2], 2: palette[1]})
    with pytest.raises(UnsuitableError, match="has another palette than"):
        stitch.run(paths, tmp_path / "other.tif")


def test_another_order_of_colours_is_refused(tmp_path):
    grid, scene = grid_of(30, 50), random_scene(30, 50, bands=3)
    colours = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
    for name, order in {"a.tif": colours, "b.tif": colours[::-1]}.items():
        write_array(tmp_path / name, scene, grid)
        with rasterio.open(tmp_path / name, "r+") as file:
            file.colorinterp = order
    with pytest.raises(UnsuitableError, match="another order of red, green and blue"):
        stitch.run([tmp_path / "a.tif", tmp_path / "b.tif"], tmp_path / "out.tif")
