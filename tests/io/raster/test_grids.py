"""Rasters read on another grid than their own, as palettes, pictures and previews."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS
from rasterio.warp import transform as transform_points
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.errors import UnsuitableError
from geoseg.io.raster.scene import open_scene
from geoseg.io.raster.write import write_array
from tests.io.raster.samples import GRID, HOLE, IN_HOLE, UTM, holes, noise, write

# On another's grid


def test_like_reads_the_nearest_label_of_another_crs_and_grid(tmp_path):
    labels = np.zeros((1, 90, 140), np.uint8)
    labels[0, 30:60, 40:100] = 3
    labels[0, 30:60, 70:100] = 200
    write(tmp_path / "m.tif", labels)
    west, south, east, north = GRID.bounds
    corners = transform_points(UTM.to_wkt(), "EPSG:3857", [west, east], [north, south])
    other = Grid(
        CRS.from_epsg(3857),
        Affine(0.33, 0, corners[0][0] - 10, 0, -0.33, corners[1][0] + 10),
        220,
        300,
    )
    with open_scene(tmp_path / "m.tif", like=other) as scene:
        assert scene.grid == other and scene.source == GRID
        chip = scene.read()
        pieces = [
            scene.read(Window(0, row, 300, min(37, 220 - row))).image for row in range(0, 220, 37)
        ]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), chip.image)
    assert sorted(np.unique(chip.image).tolist()) == [0, 3, 200]
    xs, ys = np.meshgrid(np.arange(300) + 0.5, np.arange(220) + 0.5)
    x, y = transform_points(
        "EPSG:3857", UTM.to_wkt(), *(part.ravel() for part in other.transform * (xs, ys))
    )
    cols, rows = (
        np.floor(part).astype(int).reshape(220, 300)
        for part in ~GRID.transform * (np.array(x), np.array(y))
    )
    inside = (rows >= 0) & (rows < 90) & (cols >= 0) & (cols < 140)
    expected = np.where(inside, labels[0][rows.clip(0, 89), cols.clip(0, 139)], 0)
    assert (chip.image[0] != expected).mean() < 1e-3 and (chip.valid != inside).mean() < 1e-3


@pytest.mark.parametrize("shifted", [False, True])
def test_a_label_of_nodata_0_is_a_label(tmp_path, shifted):
    labels = np.zeros((1, 90, 140), np.uint8)
    labels[0, 30:60, 40:100] = 1
    write(tmp_path / "m.tif", labels, nodata=0)
    like = GRID.window(Window(20, 10, 150, 60)) if shifted else GRID
    with open_scene(tmp_path / "m.tif", like=like) as scene:
        chip = scene.read()
    assert (
        chip.valid[:, :120].all() and not chip.valid[:, 120:].any() if shifted else chip.valid.all()
    )
    assert (
        chip.image.sum() == 30 * 60
        and chip.image[0, 20 if shifted else 30, 20 if shifted else 40] == 1
    )


def test_another_nodata_of_a_label_stays_nodata(tmp_path):
    labels = np.ones((1, 90, 140), np.uint8)
    labels[0][HOLE] = 255
    write(tmp_path / "m.tif", labels, nodata=255)
    with open_scene(tmp_path / "m.tif", like=GRID) as scene:
        assert holes(scene.read()) == IN_HOLE
    with open_scene(tmp_path / "m.tif", like=GRID.window(Window(90, 5, 80, 70))) as scene:
        chip = scene.read()
    assert (
        not chip.valid[5:20, 10:40].any()
        and not chip.valid[:, 50:].any()
        and chip.valid[30:, :50].all()
    )


def test_a_mask_without_a_crs_covers_the_scene(tmp_path):
    labels = noise(1, high=9)
    write_array(tmp_path / "m.png", labels)
    with open_scene(tmp_path / "m.png", like=GRID) as scene:
        assert scene.grid == scene.source == GRID
        np.testing.assert_array_equal(scene.read().image, labels)
    with open_scene(tmp_path / "m.png", like=GRID.scaled(2)) as scene:
        np.testing.assert_array_equal(
            scene.read().image, labels.repeat(2, axis=1).repeat(2, axis=2)
        )
        assert scene.read().valid.all()
    with (
        pytest.raises(UnsuitableError, match=r"m\.png: has 90 x 140 pixels and the scene 90 x 160"),
        open_scene(tmp_path / "m.png", like=Grid(UTM, GRID.transform, 90, 160)),
    ):
        pass


# Pictures


def test_a_palette_and_a_one_bit_png(tmp_path):
    labels = noise(1, high=4)
    with rasterio.open(
        tmp_path / "p.png", "w", driver="PNG", count=1, height=90, width=140, dtype="uint8"
    ) as out:
        out.write(labels)
        out.write_colormap(1, {i: (60 * i, 0, 255 - 60 * i, 255) for i in range(4)})
    with open_scene(tmp_path / "p.png") as scene:
        assert scene.bands == 1 and scene.grid.crs is None
        np.testing.assert_array_equal(scene.read().image, labels)
    with rasterio.open(
        tmp_path / "b.tif",
        "w",
        driver="GTiff",
        count=1,
        height=90,
        width=140,
        dtype="uint8",
        nbits=1,
    ) as out:
        out.write(labels % 2)
    with rasterio.open(tmp_path / "b.tif") as one:
        rasterio.shutil.copy(one, tmp_path / "b.png", driver="PNG", NBITS=1)
    with open_scene(tmp_path / "b.png") as scene:
        np.testing.assert_array_equal(scene.read().image, labels % 2)


def test_a_jpeg_with_and_without_a_worldfile(tmp_path):
    flat = np.broadcast_to(np.array([200, 40, 90], np.uint8)[:, None, None], (3, 90, 140))
    with rasterio.open(
        tmp_path / "a.jpg",
        "w",
        driver="JPEG",
        count=3,
        height=90,
        width=140,
        dtype="uint8",
        quality=95,
    ) as out:
        out.write(flat)
    with open_scene(tmp_path / "a.jpg") as scene:
        assert scene.grid == Grid(None, Affine.identity(), 90, 140) and scene.bands == 3
        np.testing.assert_allclose(
            scene.read(Window(130, 20, 20, 8)).image[:, :, :10], flat[:, :8, :10], atol=3
        )
    (tmp_path / "a.jgw").write_text("0.5 0 0 -0.5 512000.25 9299999.75")
    with open_scene(tmp_path / "a.jpg") as scene:
        assert scene.grid == Grid(None, GRID.transform, 90, 140)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_picture_of_a_scene_averages_what_is_valid(tmp_path, dtype):
    image = noise(2, dtype)
    image[:, HOLE[0], HOLE[1]] = 0
    image[:, 0, 60] = 0  # part of a block of 2 x 2
    write(tmp_path / "s.tif", image, nodata=0)
    window = Window(40, 0, 100, 80)
    with open_scene(tmp_path / "s.tif") as scene:
        chip = scene.read_preview(window, (40, 50))
    blocks = image[:, :80, 40:].reshape(2, 40, 2, 50, 2).astype("float64")
    count = (blocks != 0).sum(axis=(2, 4))
    means = blocks.sum(axis=(2, 4)) / np.maximum(count, 1)
    np.testing.assert_array_equal(chip.valid, count[0] > 0)
    np.testing.assert_allclose(chip.image, means * chip.valid, atol=0.51)
    assert not chip.valid[6, 35] and chip.valid[0, 10]
    assert chip.image.dtype == dtype and chip.grid == Grid(
        UTM, GRID.window(window).transform * Affine.scale(2), 40, 50
    )


def test_a_picture_leaves_out_transparent_and_missing_pixels(tmp_path):
    image = noise(4)
    image[3] = 255
    image[3][HOLE] = 0
    write(tmp_path / "a.tif", image, photometric="RGB", alpha="yes")
    floats = noise(1, "float32")
    floats[0][HOLE] = np.nan
    write(tmp_path / "f.tif", floats)
    for name, bands in (("a.tif", 3), ("f.tif", 1)):
        with open_scene(tmp_path / name) as scene:
            chip = scene.read_preview(Window(0, 0, 140, 90), (18, 28))
        assert (
            len(chip.image) == bands and not chip.valid[2:5, 20:26].any() and chip.valid[6:].all()
        )
        assert np.isfinite(chip.image).all()


def test_a_picture_of_bands_that_are_not_there(tmp_path):
    write(tmp_path / "s.tif", noise(2))
    with (
        open_scene(tmp_path / "s.tif") as scene,
        pytest.raises(UnsuitableError, match="has 2 bands, not 3"),
    ):
        scene.read_preview(Window(0, 0, 140, 90), (9, 14), (1, 2, 3))
