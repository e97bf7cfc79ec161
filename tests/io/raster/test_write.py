"""Rasters written: as a plain client reads them, whole or not at all."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.errors import OutputError, UsageError
from geoseg.io.raster.scene import open_scene, read_array
from geoseg.io.raster.write import create_raster, write_array
from tests.io.raster.samples import GRID, UTM, noise


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
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.pgw",
        "a.png",
        "a.png.aux.xml",
    ]
    with rasterio.open(tmp_path / "a.png") as made:
        np.testing.assert_array_equal(made.read(), image)
        assert made.driver == "PNG" and made.transform.almost_equals(GRID.transform)
    assert read_array(tmp_path / "a.png")[2] == GRID
    (tmp_path / "a.png.aux.xml").unlink()  # what other programs know of
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
    printed = subprocess.run(
        [sys.executable, "-c", FULL, *paths], capture_output=True, text=True, check=True
    ).stdout
    assert [line.split(": ")[0] for line in printed.splitlines()] == paths * 2
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
