import subprocess
import sys
import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import CRS
from rasterio.enums import ColorInterp
from rasterio.warp import transform as transform_points
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.errors import InputError, OutputError, UnsuitableError, UsageError
from geoseg.io.raster.scene import open_scene, read_array
from geoseg.io.raster.write import create_raster, write_array

UTM = CRS.from_epsg(32737)
GRID = Grid(UTM, Affine(0.5, 0, 512_000, 0, -0.5, 9_300_000), 90, 140)
HOLE = (slice(10, 25), slice(100, 130))


def noise(bands=1, dtype="uint8", shape=GRID.shape, low=1, high=255):
    return np.random.default_rng(5).uniform(low, high, (bands, *shape)).astype(dtype)


def write(path, image, grid=GRID, **profile):
    """``image`` as a plain rasterio client writes it."""
    with rasterio.open(
        path,
        "w",
        **{
            "driver": "GTiff",
            "count": len(image),
            "height": grid.height,
            "width": grid.width,
            "dtype": image.dtype,
        }
        | {"crs": grid.crs.to_wkt() if grid.crs else None, "transform": grid.transform}
        | profile,
    ) as out:
        out.write(image)
    return path


def holes(chip):
    return np.argwhere(~chip.valid).tolist()


IN_HOLE = [[row, col] for row in range(10, 25) for col in range(100, 130)]


# What is valid


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        ("uint8", 0),
        ("uint16", 0),
        ("int16", 0),
        ("int16", -9999),
        ("float32", 0),
        ("float32", np.nan),
    ],
)
def test_nodata_is_not_valid(tmp_path, dtype, nodata):
    image = noise(2, dtype)
    image[:, *HOLE] = nodata
    image[0, 60, 20] = nodata if nodata == nodata else 7  # valid, for the other band has data there
    with open_scene(write(tmp_path / "a.tif", image, nodata=nodata)) as scene:
        chip = scene.read()
        assert (
            scene.dtype == dtype
            and scene.has_mask
            and (scene.nodata == nodata or np.isnan(scene.nodata))
        )
        assert (
            holes(chip)
            == IN_HOLE
            == np.argwhere(~scene.read_validity(Window(0, 0, 140, 90))).tolist()
        )
        np.testing.assert_array_equal(chip.image[:, chip.valid], image[:, chip.valid])
        assert not chip.image[:, ~chip.valid].any() and chip.image.dtype == dtype


def test_validity_is_that_of_the_bands_read(tmp_path):
    image = noise(3, "uint16")
    image[1, 70, 30] = 0
    with open_scene(write(tmp_path / "a.tif", image, nodata=0)) as scene:
        assert holes(scene.read()) == [] and holes(scene.read(bands=(2,))) == [[70, 30]]
        np.testing.assert_array_equal(scene.read(bands=(3, 1)).image, image[[2, 0]])


def test_an_alpha_band_is_validity_and_no_band(tmp_path):
    image = noise(4)
    image[3] = 255
    image[3][HOLE] = 0
    with open_scene(write(tmp_path / "a.tif", image, photometric="RGB", alpha="YES")) as scene:
        assert scene.bands == 3 and holes(scene.read()) == IN_HOLE
        assert holes(scene.read(Window(120, 5, 15, 9))) == [
            [r, c] for r in range(5, 9) for c in range(10)
        ]
    with open_scene(tmp_path / "a.tif", gsd=1) as scene:
        valid = scene.read().valid
        assert (
            valid.shape == (45, 70)
            and not valid[6:12, 51:64].any()
            and valid[20:, :].all()
            and valid[:, :48].all()
        )


def test_an_internal_mask(tmp_path):
    mask = np.ones(GRID.shape, bool)
    mask[HOLE] = False
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(write(tmp_path / "a.tif", noise(3)), "r+") as out,
    ):
        out.write_mask(mask)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
    with open_scene(tmp_path / "a.tif") as scene:
        assert scene.nodata is None and scene.bands == 3 and holes(scene.read()) == IN_HOLE
    with open_scene(tmp_path / "a.tif", gsd=0.25) as scene:
        valid = scene.read().valid
        assert valid.shape == (180, 280) and not valid[22:48, 202:258].any() and valid[52:].all()


def test_floats_that_are_not_finite(tmp_path):
    image = noise(2, "float32")
    image[1, *HOLE] = np.nan
    image[0, 70, 30] = np.inf
    with open_scene(write(tmp_path / "a.tif", image)) as scene:
        assert not scene.has_mask and holes(scene.read()) == [*IN_HOLE, [70, 30]]
        assert not scene.read_validity(Window(95, 8, 10, 4))[2:, 5:].any()
        assert np.isfinite(scene.read().image).all() and holes(scene.read(bands=(1,))) == [[70, 30]]


def test_all_is_valid_where_nothing_says_otherwise(tmp_path):
    image = noise(1, "uint8", low=0)
    with open_scene(write(tmp_path / "a.tif", image)) as scene:
        assert (
            not scene.has_mask
            and scene.read().valid.all()
            and scene.read_validity(Window(3, 4, 20, 30)).shape == (30, 20)
        )


def test_a_nodata_that_the_dtype_cannot_hold(tmp_path):
    (tmp_path / "a.tif").write_bytes(
        write(tmp_path / "b.tif", noise(1, low=0), nodata=99).read_bytes()
    )
    data = (tmp_path / "a.tif").read_bytes()
    assert data.count(b"99\0") == 1
    (tmp_path / "a.tif").write_bytes(data.replace(b"99\0", b"-9\0"))
    with open_scene(tmp_path / "a.tif") as scene:
        assert scene.nodata is None and scene.read().valid.all()


# Where one reads


@pytest.mark.parametrize(
    "window",
    [(-20, -7, 50, 30), (120, 70, 50, 40), (-5, -6, 170, 120), (60, 95, 20, 8), (150, 3, 9, 20)],
)
def test_beyond_the_edge_nothing_is_valid(tmp_path, window):
    image = noise(2)
    write(tmp_path / "a.tif", image)
    col, row, width, height = window
    padded = np.zeros((3, 390, 440), np.uint8)
    padded[:2, 150:240, 150:290], padded[2, 150:240, 150:290] = image, 1
    expected = padded[:, 150 + row : 150 + row + height, 150 + col : 150 + col + width]
    with open_scene(tmp_path / "a.tif") as scene:
        chip = scene.read(Window(*window))
    np.testing.assert_array_equal(chip.image, expected[:2])
    np.testing.assert_array_equal(chip.valid, expected[2] == 1)
    assert chip.grid.transform * (0, 0) == GRID.transform * (col, row)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["uint8", "uint16", "int16", "float32"]),
    st.fixed_dictionaries(
        {
            "compress": st.sampled_from(["none", "none", "deflate"]),
            "interleave": st.sampled_from(["pixel", "band"]),
            "endianness": st.sampled_from(["little", "big"]),
            "sparse_ok": st.booleans(),
        },
        optional={"blockysize": st.just(16), "blockxsize": st.just(48)},
    ),
    st.tuples(st.integers(-9, 130), st.integers(-9, 80), st.integers(10, 80), st.integers(10, 80)),
    st.sampled_from([None, (3, 1), (2,)]),
)
def test_windows_of_any_layout_are_what_gdal_reads(tmp_path_factory, dtype, layout, place, bands):
    path = tmp_path_factory.mktemp("layout") / "a.tif"
    image = noise(3, dtype)
    image[:, 16:48, 48:96] = 0  # blocks that are left away where they may be
    options = layout | ({"tiled": True, "blockysize": 16} if "blockxsize" in layout else {})
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=90, width=140, dtype=dtype, **options
    ) as out:
        out.write(image)
    padded = np.pad(image, ((0, 0), (10, 80), (10, 80)))
    col, row, width, height = place
    with open_scene(path) as scene:
        chip = scene.read(Window(col, row, width, height), bands)
    np.testing.assert_array_equal(
        chip.image,
        padded[[band - 1 for band in bands or (1, 2, 3)], row + 10 :, col + 10 :][
            :, :height, :width
        ],
    )
    assert chip.image.dtype == dtype


@pytest.mark.parametrize("gsd", [0.2, 0.35, 1.3])
def test_resampled_reading_has_no_seams(tmp_path, gsd):
    image = noise(2, "uint16", (300, 470), high=60_000)
    image[:, 100:140, 200:260] = 0
    grid = Grid(UTM, GRID.transform, 300, 470)
    with open_scene(
        write(tmp_path / "a.tif", image, grid, nodata=0, tiled=True, blockxsize=64, blockysize=64),
        gsd=gsd,
    ) as scene:
        assert scene.grid.gsd == pytest.approx(gsd, rel=0.01) and scene.source == grid
        assert scene.grid.bounds == pytest.approx(grid.bounds)
        whole = scene.read()
        height, width = scene.grid.shape
        for row in range(0, height, 71):
            for col in range(0, width, 83):
                part = scene.read(Window(col, row, min(83, width - col), min(71, height - row)))
                # to the last of 16 bits, by how the warper rounds
                np.testing.assert_allclose(
                    part.image, whole.image[:, row : row + 71, col : col + 83], atol=1, rtol=0
                )
                np.testing.assert_array_equal(
                    part.valid, whole.valid[row : row + 71, col : col + 83]
                )
    middle = (
        whole.valid[round(120 * 0.5 / gsd), round(230 * 0.5 / gsd)],
        whole.valid[round(80 * 0.5 / gsd), 5],
    )
    assert middle == (False, True)


def test_resampled_values_lie_where_they_did(tmp_path):
    ramp = (
        np.broadcast_to(np.arange(140, dtype="float32"), (1, 90, 140))
        + np.arange(90, dtype="float32")[:, None] * 1000
    )
    write(tmp_path / "a.tif", ramp)
    for gsd in (0.25, 1.0):
        with open_scene(tmp_path / "a.tif", gsd=gsd) as scene:
            image = scene.read().image[0]
        factor = gsd / 0.5
        rows, cols = (np.arange(n) for n in image.shape)
        expected = ((cols + 0.5) * factor - 0.5) + ((rows + 0.5) * factor - 0.5)[:, None] * 1000
        np.testing.assert_allclose(image[2:-2, 2:-2], expected[2:-2, 2:-2], rtol=1e-4)
    with open_scene(tmp_path / "a.tif", gsd=0.5004) as scene:
        assert scene.grid == scene.source


def test_gsd_does_nothing_to_a_picture(tmp_path):
    write_array(tmp_path / "a.png", noise(3))
    with open_scene(tmp_path / "a.png", gsd=2) as scene:
        assert scene.grid.shape == (90, 140) and scene.grid.gsd is None


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


# What cannot be read


@pytest.mark.parametrize("compress", ["none", "deflate", "zstd", "lzw"])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize(
    "layout", [{"tiled": True}, {"tiled": False}, {"tiled": False, "blockysize": 600}]
)
def test_a_truncated_tiff_is_an_input_error(tmp_path, layout, interleave, compress):
    grid = Grid(UTM, GRID.transform, 600, 700)
    options = layout | {"interleave": interleave, "compress": compress}
    whole = write(tmp_path / "a.tif", noise(3, shape=grid.shape), grid, **options).read_bytes()
    for part in (0.98, 0.5, 0.01):
        (tmp_path / "cut.tif").write_bytes(whole[: int(len(whole) * part)])
        with (
            pytest.raises(InputError, match=r"cut\.tif: cannot be read") as caught,
            open_scene(tmp_path / "cut.tif") as scene,
        ):
            scene.read()
        assert "\n" not in str(caught.value) and caught.value.exit_code == 3


def test_numbers_that_are_no_image(tmp_path):
    write(tmp_path / "a.tif", noise(1, "complex64"))
    with (
        pytest.raises(UnsuitableError, match=r"a\.tif: holds complex64"),
        open_scene(tmp_path / "a.tif"),
    ):
        pass


def test_bands_that_are_not_there(tmp_path):
    mask = np.ones(GRID.shape, bool)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(write(tmp_path / "a.tif", noise(3)), "r+") as out,
    ):
        out.write_mask(mask)
    for gsd in (None, 1):
        with (
            open_scene(tmp_path / "a.tif", gsd=gsd) as scene,
            pytest.raises(
                UnsuitableError, match=r"a\.tif: has 3 bands, not 4 \(choose others with `bands`\)"
            ),
        ):
            scene.read(bands=(1, 4))


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


# Writing


def test_a_raster_as_a_plain_client_reads_it(tmp_path):
    image = noise(3, "uint16", (300, 1470))
    grid = Grid(UTM, GRID.transform, 300, 1470)
    with create_raster(
        tmp_path / "a.tif",
        grid,
        count=3,
        dtype="uint16",
        nodata=7,
        tags={"MADE": "here"},
        scale=0.5,
    ) as out:
        out.write(image[:, :200], window=Window(0, 0, 1470, 200))
        out.write(image[:, 200:], window=Window(0, 200, 1470, 100))
        assert not (tmp_path / "a.tif").exists()
    with rasterio.open(tmp_path / "a.tif") as made:
        np.testing.assert_array_equal(made.read(), image)
        assert (made.nodata, made.scales, made.tags()["MADE"]) == (7, (0.5,) * 3, "here")
        assert made.transform == grid.transform and made.crs.to_epsg() == 32737
        assert made.block_shapes == [(256, 256)] * 3 and made.compression.name == "zstd"
        assert made.colorinterp == (ColorInterp.gray, ColorInterp.undefined, ColorInterp.undefined)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_options_override_defaults(tmp_path):
    image = noise(1, shape=(300, 470))
    write_array(
        tmp_path / "a.tif",
        image,
        options={"COMPRESS": "LZW", "BLOCKXSIZE": 128, "blockysize": 64, "BIGTIFF": "YES"},
    )
    with rasterio.open(tmp_path / "a.tif") as made:
        assert made.compression.name == "lzw" and made.block_shapes == [(64, 128)]
        np.testing.assert_array_equal(made.read(), image)
    assert (tmp_path / "a.tif").read_bytes()[:4] == b"II+\0"
    write_array(tmp_path / "b.tif", image % 2, options={"NBITS": "1", "compress": "none"})
    with rasterio.open(tmp_path / "b.tif") as made:
        assert made.compression is None and made.tags(1, ns="IMAGE_STRUCTURE")["NBITS"] == "1"
        np.testing.assert_array_equal(made.read(), image % 2)
    write_array(
        tmp_path / "c.tif", image, cog=True, options={"compress": "deflate", "blocksize": 128}
    )
    with rasterio.open(tmp_path / "c.tif") as made:
        assert made.compression.name == "deflate" and made.block_shapes == [(128, 128)]
    write_array(tmp_path / "d.tif", image % 2, options={"nbits": 1, "sparse_ok": True})
    np.testing.assert_array_equal(read_array(tmp_path / "d.tif")[0], image % 2)


def test_a_raster_that_may_pass_4_gb_is_a_bigtiff(tmp_path):
    with create_raster(
        tmp_path / "a.tif", Grid(UTM, GRID.transform, 60_000, 70_000), options={"sparse_ok": True}
    ):
        pass
    assert (tmp_path / "a.tif").read_bytes()[:4] == b"II+\0"
    write_array(tmp_path / "b.tif", noise())
    assert (tmp_path / "b.tif").read_bytes()[:4] == b"II*\0"


@pytest.mark.parametrize("scale", [1 / 254, None])
def test_a_cog(tmp_path, scale):
    image = np.zeros((1, 1100, 1500), np.uint8)
    image[:, :, 1::2] = 200
    image[:, 900:, :] = 255
    grid = Grid(UTM, GRID.transform, 1100, 1500)
    write_array(
        tmp_path / "a.tif", image, grid, nodata=255, scale=scale, cog=True, tags={"MADE": "here"}
    )
    with rasterio.open(tmp_path / "a.tif") as made:
        assert made.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG" and made.tags()["MADE"] == "here"
        assert (
            made.block_shapes == [(512, 512)] and made.overviews(1) == [2, 4] and made.nodata == 255
        )
        assert made.scales == (scale or 1,)
        np.testing.assert_array_equal(made.read(), image)
        half = made.read(1, out_shape=(550, 750))
    assert (half[:440] == 100).all() if scale else set(np.unique(half[:440])) <= {0, 200}
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_a_png_with_its_worldfile(tmp_path):
    image = noise(3)
    write_array(tmp_path / "a.png", image, GRID)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pgw", "a.png"]
    with rasterio.open(tmp_path / "a.png") as made:
        np.testing.assert_array_equal(made.read(), image)
        assert made.driver == "PNG" and made.transform.almost_equals(GRID.transform)
    assert read_array(tmp_path / "a.png")[2] == Grid(None, GRID.transform, 90, 140)
    write_array(tmp_path / "b.png", image[0])
    assert not (tmp_path / "b.pgw").exists()


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.cog.tif"])
def test_an_exception_leaves_what_was_there(tmp_path, name):
    def fail(**keywords):
        with (
            pytest.raises(KeyboardInterrupt),
            create_raster(tmp_path / name, GRID, cog="cog" in name, **keywords) as out,
        ):
            out.write(noise()[:, :40], window=Window(0, 0, 140, 40))
            out.write_mask(np.ones((40, 140), bool), window=Window(0, 0, 140, 40))
            raise KeyboardInterrupt

    fail()
    assert list(tmp_path.iterdir()) == []
    write_array(tmp_path / name, noise(), GRID, cog="cog" in name)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    fail(overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    with pytest.raises(OutputError, match="exists already"):
        write_array(tmp_path / name, noise(), GRID)
    write_array(tmp_path / name, noise(high=9), GRID, overwrite=True)
    np.testing.assert_array_equal(read_array(tmp_path / name)[0], noise(high=9))


@pytest.mark.parametrize("name", ["mask.jp2", "mask", "mask.tif.gz"])
def test_a_raster_is_named_by_what_it_is(tmp_path, name):
    with pytest.raises(UsageError, match=r"is no \.tif"):
        write_array(tmp_path / name, np.zeros((1, 4, 7), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("bands", "dtype"), [(5, "uint8"), (1, "float32")])
def test_what_no_png_holds(tmp_path, bands, dtype):
    with pytest.raises(OutputError, match=r"a\.png: could not be written") as caught:
        write_array(tmp_path / "a.png", noise(bands, dtype))
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []


FULL = """
import resource, signal, sys
import numpy as np
from geoseg.errors import OutputError
from geoseg.io.raster.write import write_array
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
image = np.random.default_rng(0).integers(0, 255, (1, 900, 1400), dtype=np.uint8)
for limit in (300_000, 1_200_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for path in sys.argv[1:]:
        try:
            write_array(path, image, cog="cog" in path)
            print("written")
        except OutputError as error:
            print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_full_disk_leaves_nothing(tmp_path):
    """GDAL itself reports such files as written."""
    paths = [str(tmp_path / name) for name in ("a.tif", "a.png", "a.cog.tif")]
    said = subprocess.run(
        [sys.executable, "-c", FULL, *paths], capture_output=True, text=True, check=True
    ).stdout
    assert [line.split(": ")[0] for line in said.splitlines()] == paths * 2
    assert list(tmp_path.iterdir()) == []


def test_pictures_warn_of_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", rasterio.errors.NotGeoreferencedWarning)
        write_array(tmp_path / "a.tif", noise())
        write_array(tmp_path / "a.png", noise())
        read_array(tmp_path / "a.png")
        with open_scene(tmp_path / "a.png", like=Grid(None, Affine.identity(), 180, 280)) as scene:
            assert scene.read().valid.all()


def test_the_tags_of_a_png_stay(tmp_path):
    write_array(
        tmp_path / "m.png", noise(1), tags={"GEOSEG_KIND": "classes", "GEOSEG_CLASSES": "sky,road"}
    )
    with open_scene(tmp_path / "m.png") as scene:
        assert scene.tags == {"GEOSEG_KIND": "classes", "GEOSEG_CLASSES": "sky,road"}


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
