from contextlib import ExitStack

import numpy as np
import pytest
import rasterio
from affine import Affine

from geoseg.errors import InputError, SafetyError
from geoseg.io.raster.opening import open_dataset
from geoseg.io.raster.scene import open_scene
from geoseg.io.raster.write import write_array
from geoseg.io.safety import BOMB, check_claim, sniff, worldfile

BAND = """<VRTRasterBand dataType="Byte" band="{band}">{more}<SimpleSource>
<SourceFilename relativeToVRT="1">{name}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"""


def vrt(*bands, head="", size='rasterXSize="14" rasterYSize="9"'):
    return f"<VRTDataset {size}>{head}{''.join(bands)}</VRTDataset>"


def band(name="beside.tif", more="", number=1):
    return BAND.format(name=name, more=more, band=number)


@pytest.fixture
def folder(tmp_path):
    image = np.arange(126, dtype=np.uint8).reshape(9, 14)
    (tmp_path / "in").mkdir()
    write_array(tmp_path / "in" / "beside.tif", image)
    write_array(tmp_path / "secret.tif", image)
    (tmp_path / "in" / "text.tif").write_text("not at all")
    return tmp_path / "in"


@pytest.mark.parametrize("prefix", ["", "\ufeff", '<?xml version="1.0"?>\n', "\n  "])
def test_a_vrt_over_tiffs_beside_it_is_read(folder, prefix):
    text = vrt(band(more="<NoDataValue>7</NoDataValue><ColorInterp>Gray</ColorInterp>"))
    (folder / "a.vrt").write_text(prefix + text, "utf-8")
    with open_scene(folder / "a.vrt") as scene:
        chip = scene.read()
    assert chip.image[0, 3, 11] == 3 * 14 + 11 and scene.nodata == 7
    assert np.argwhere(~chip.valid).tolist() == [[0, 7]]


def test_what_gdal_writes_is_read(folder):
    with rasterio.open(folder / "beside.tif") as scene:
        rasterio.shutil.copy(scene, folder / "copy.vrt", driver="VRT")
    assert 'relativeToVRT="1"' in (folder / "copy.vrt").read_text()
    with open_scene(folder / "copy.vrt") as scene:
        assert scene.read().image[0, 2, 9] == 37


ELSEWHERE = '<SimpleSource><SourceFilename relativeToVRT="{0}">{1}</SourceFilename></SimpleSource>'
PIXEL = '<VRTRasterBand dataType="Byte" band="1" subClass="VRTDerivedRasterBand"><PixelFunctionType>f</PixelFunctionType>'


@pytest.mark.parametrize(
    "text",
    [
        vrt(band("../secret.tif")),
        vrt(band("..\\secret.tif")),
        vrt(band("..&#x2F;secret.tif")),
        vrt(band("/etc/passwd.tif")),
        vrt(band("https://example.org/a.tif")),
        vrt(band("/vsicurl/https:&#x2F;&#x2F;example.org/a.tif")),
        vrt(band("secret.gpkg")),
        vrt(band("<![CDATA[../secret.tif]]>")),
        vrt(
            band(),
            band(number=2)
            .replace("SourceFilename", "sourcefilename")
            .replace("beside", "../secret"),
        ),
        vrt(band(), band(number=2).replace('relativeToVRT="1"', 'relativeToVRT="0"')),
        vrt(band(), band(number=2).replace(' relativeToVRT="1"', "")),
        vrt(band().replace("<SimpleSource>", '<SimpleSource SourceFilename="../secret.tif">')),
        vrt(band(), PIXEL + ELSEWHERE.format(1, "beside.tif") + "</VRTRasterBand>"),
        vrt(
            band(),
            head='<Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">../secret.tif</MDI></Metadata>',
        ),
        vrt(
            band(),
            head='<Metadata domain="GEOLOCATION"><MDI key="X_DATASET">../secret.tif</MDI></Metadata>',
        ),
        vrt(
            band(),
            head="<GDALWarpOptions><SourceDataset>../secret.tif</SourceDataset></GDALWarpOptions>",
        ),
        vrt(band(), size='rasterXSize="14" rasterYSize="9" subClass="VRTProcessedDataset"'),
        vrt(),
        '<!DOCTYPE x [<!ENTITY s "../secret.tif">]>' + vrt(band("&s;")),
    ],
)
def test_a_vrt_that_reaches_elsewhere_is_refused(folder, text):
    (folder / "a.vrt").write_text(text)
    with pytest.raises(SafetyError) as caught, open_scene(folder / "a.vrt"):
        pass
    assert str(caught.value).startswith(f"{folder}/a.vrt: ") and caught.value.exit_code == 8


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (vrt(band("missing.tif")), InputError, r"missing\.tif: does not exist"),
        (vrt(band("text.tif")), InputError, r"text\.tif: is not a raster"),
        (vrt(band())[:-20], InputError, r"a\.vrt: is no valid XML"),
        (vrt(band("b.tif")), SafetyError, r"a\.vrt: names b\.tif, which is no TIFF"),
    ],
)
def test_a_vrt_over_what_is_no_tiff(folder, text, error, message):
    write_array(folder / "b.png", np.zeros((9, 14), np.uint8))
    (folder / "b.png").rename(folder / "b.tif")
    (folder / "a.vrt").write_text(text)
    with pytest.raises(error, match=message):
        sniff(str(folder / "a.vrt"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("http://example.org/a.tif", r"plain http is refused \(use https\)"),
        ("/vsicurl/http://example.org/a.tif", "neither a path nor"),
        ("/vsizip/a.zip/a.tif", "neither a path nor"),
        ("ftp://example.org/a.tif", "neither a path nor"),
        ("file:///etc/a.tif", "neither a path nor"),
    ],
)
def test_other_addresses_are_refused(name, message):
    with pytest.raises(SafetyError, match=message), open_scene(name):
        pass


def test_the_driver_comes_from_the_bytes(tmp_path):
    image = np.arange(126, dtype=np.uint8).reshape(9, 14)
    write_array(tmp_path / "a.png", image)
    (tmp_path / "a.png").rename(tmp_path / "a.tif")
    assert sniff(str(tmp_path / "a.tif")) == "PNG"
    with open_scene(tmp_path / "a.tif") as scene:
        np.testing.assert_array_equal(scene.read().image[0], image)
    assert sniff("https://example.org/a.tif") == sniff("s3://bucket/a.tif") == "GTiff"


def test_what_is_no_raster(tmp_path):
    (tmp_path / "a.tif").write_text("plain text")
    (tmp_path / "empty.tif").write_bytes(b"")
    for name, message in (
        ("a.tif", r"a\.tif: is not a raster we read \(GeoTIFF"),
        ("empty.tif", r"empty\.tif: is not a raster"),
        ("none.tif", r"none\.tif: does not exist"),
        (".", "is a folder, not a file"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            sniff(str(tmp_path / name))
        assert "\n" not in str(caught.value)


def test_worldfiles(tmp_path):
    assert (
        worldfile(str(tmp_path / "a.jpg")) is None
        and worldfile("https://example.org/a.jpg") is None
    )
    for suffix in (".wld", ".jpgw", ".jgw"):
        (tmp_path / "a").with_suffix(suffix).write_text("0.5\n0\n0\n-0.25\n100.25\n79.875\n")
        assert worldfile(str(tmp_path / "a.jpg")) == Affine(0.5, 0, 100, 0, -0.25, 80)
    (tmp_path / "a.jgw").write_text("0.5 0.1 0.2 -0.25 100 80")
    assert worldfile(str(tmp_path / "a.jpg")) * (0.5, 0.5) == pytest.approx((100, 80))
    assert worldfile(str(tmp_path / "a.jpg")) * (1.5, 0.5) == pytest.approx((100.5, 80.1))
    for text in ("0.5 0 0 -0.25 100", "a b c d e f"):
        (tmp_path / "a.jgw").write_text(text)
        with pytest.raises(InputError, match=r"a\.jgw: is no worldfile"):
            worldfile(str(tmp_path / "a.jpg"))


def test_claims_that_a_file_cannot_hold():
    check_claim("a.tif", BOMB - 1, 1)
    check_claim("a.tif", 4096 * 20_000_000, 20_000_000)
    check_claim("https://example.org/a.tif", 2**60, None)
    with pytest.raises(
        SafetyError, match=r"a\.tif: claims 76 GiB of pixels and holds 19\.1 MiB \(use `force`"
    ):
        check_claim("a.tif", 4096 * 20_000_000 + 1, 20_000_000)


# Folders below a VRT


@pytest.fixture
def mosaic(folder):
    (folder / "tiles" / "north").mkdir(parents=True)
    (folder / "beside.tif").rename(folder / "tiles" / "north" / "a.tif")
    return folder


def test_a_vrt_over_tiffs_in_folders_below_it_is_read(mosaic, monkeypatch):
    (mosaic / "a.vrt").write_text(vrt(band("tiles/north/a.tif")))
    with open_scene(mosaic / "a.vrt") as scene:
        assert scene.read().image[0, 3, 11] == 3 * 14 + 11
    monkeypatch.chdir(mosaic)
    with open_scene("a.vrt") as scene:
        assert scene.read().image[0, 3, 11] == 3 * 14 + 11


@pytest.mark.parametrize(
    "name",
    [
        "tiles/../../secret.tif",
        "tiles/north/../../../secret.tif",
        "./tiles/north/a.tif",
        "tiles//north/a.tif",
        "/tiles/north/a.tif",
        "link/secret.tif",
        "tiles/link.tif",
        "tiles/north\\a.tif",
        "vsicurl/https://example.org/a.tif",
    ],
)
def test_a_vrt_does_not_leave_its_folder(mosaic, name):
    (mosaic / "link").symlink_to(mosaic.parent)
    (mosaic / "tiles" / "link.tif").symlink_to(mosaic.parent / "secret.tif")
    (mosaic / "a.vrt").write_text(vrt(band(name)))
    with (
        pytest.raises(SafetyError, match="does not lie beside it or in a folder below it"),
        open_scene(mosaic / "a.vrt"),
    ):
        pass


def test_a_vrt_may_be_a_link_itself(mosaic, tmp_path):
    (mosaic / "a.vrt").write_text(vrt(band("tiles/north/a.tif")))
    (tmp_path / "whole").symlink_to(mosaic)
    with open_scene(tmp_path / "whole" / "a.vrt") as scene:
        assert scene.read().image[0, 3, 11] == 3 * 14 + 11


@pytest.mark.parametrize("bytes_of", ["utf-16", "utf-8"])
def test_entities_are_refused_in_any_encoding(folder, bytes_of):
    text = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY s "../secret.tif">]>' + vrt(band("&s;"))
    (folder / "a.vrt").write_bytes(text.encode(bytes_of))
    with pytest.raises((SafetyError, InputError)), open_scene(folder / "a.vrt"):
        pass


def test_a_mosaic_holds_what_its_tiles_in_folders_hold(mosaic):
    (mosaic / "a.vrt").write_text(vrt(band("tiles/north/a.tif"), band("tiles/north/a.tif")))
    files = [mosaic / "a.vrt", mosaic / "tiles" / "north" / "a.tif"]
    for path, parts in ((files[0], files), (files[1], files[1:])):
        with ExitStack() as stack:
            opened = open_dataset(str(path), stack)
            assert opened.held == sum(file.stat().st_size for file in parts)


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"EHFA_HEADER_TAG\0\1", "an ERDAS Imagine file"),
        (b"NITF02.10", "a NITF file"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 or netCDF file"),
        (b"GIF89a", "a GIF"),
        (b"PK\3\4\0\0", "a ZIP archive"),
    ],
)
def test_formats_that_are_not_read_are_named(tmp_path, head, what):
    (tmp_path / "a.img").write_bytes(head + bytes(2000))
    hint = r"unzip a\.img" if what == "a ZIP archive" else r"gdal_translate a\.img a\.tif"
    with pytest.raises(InputError, match=rf"a\.img: is {what}, .*{hint}"):
        sniff(str(tmp_path / "a.img"))


def test_an_envi_file_is_named(tmp_path):
    image = np.arange(126, dtype=np.uint8).reshape(1, 9, 14)
    with rasterio.open(
        tmp_path / "a.img", "w", driver="ENVI", width=14, height=9, count=1, dtype="uint8"
    ) as out:
        out.write(image)
    with pytest.raises(InputError, match=r"a\.img: is an ENVI file"):
        sniff(str(tmp_path / "a.img"))


def test_jpeg_2000_is_read(tmp_path):
    image = np.arange(126 * 16, dtype=np.uint8).reshape(1, 36, 56)
    write_array(tmp_path / "a.tif", image)
    with rasterio.open(tmp_path / "a.tif") as scene:
        rasterio.shutil.copy(
            scene, tmp_path / "a.jp2", driver="JP2OpenJPEG", QUALITY=100, REVERSIBLE="YES"
        )
    with open_scene(tmp_path / "a.jp2") as scene:
        np.testing.assert_array_equal(scene.read().image, image)
