"""Windows of a raster: what of them is valid, where they lie, what cannot be read."""

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.errors import InputError, UnsuitableError
from geoseg.io.raster.scene import open_scene
from geoseg.io.raster.write import write_array
from tests.io.raster.samples import GRID, HOLE, IN_HOLE, UTM, holes, noise, write

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
