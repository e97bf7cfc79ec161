"""Files beside a raster: read as GDAL does where they name no other file, else a warning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from geoseg.errors import InputError, SafetyError
from geoseg.io.raster.scene import open_scene
from geoseg.specs import ChipSpec
from geoseg.tools import tile
from tests.io.raster.pictures import CRS, PLACE, SHAPE, picture, save

VALID = np.ones(SHAPE, bool)
VALID[:, :15] = False


def mask_beside(path: Path) -> Path:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as out:
        out.write_mask(VALID)
    assert Path(f"{path}.msk").exists()
    return path


def pam(path: Path, content: str) -> Path:
    Path(f"{path}.aux.xml").write_text(f"<PAMDataset>{content}</PAMDataset>")
    return path


def test_a_mask_beside_a_scene_counts(tmp_path: Path) -> None:
    path = mask_beside(save(tmp_path / "ext.tif", picture()))
    with open_scene(path) as scene:
        assert scene.has_mask and not scene.warnings
        chip = scene.read()
        np.testing.assert_array_equal(chip.valid, VALID)
        np.testing.assert_array_equal(scene.read_validity(Window(10, 3, 20, 9)), VALID[3:12, 10:30])
        np.testing.assert_array_equal(chip.image, picture() * VALID)
    report = tile.run([str(path)], tmp_path / "chips", ChipSpec(size=16, max_nodata=0.5))
    assert report.skipped == 4  # the first of five columns is masked


def test_nodata_place_and_colour_beside_a_scene_count(tmp_path: Path) -> None:
    image = picture()
    path = save(tmp_path / "a.tif", image, crs=None, transform=Affine.identity())
    transform = ", ".join(map(str, PLACE.to_gdal()))
    pam(
        path,
        f"<SRS>{CRS}</SRS><GeoTransform>{transform}</GeoTransform>"
        + "".join(
            f'<PAMRasterBand band="{band}"><NoDataValue>{image[band - 1, 7, 9]}</NoDataValue>'
            f"<ColorInterp>{colour}</ColorInterp></PAMRasterBand>"
            for band, colour in ((1, "Blue"), (2, "Green"), (3, "Red"))
        ),
    )
    with open_scene(path) as scene:
        assert scene.grid.crs is not None and scene.grid.crs.to_epsg() == 32633
        assert scene.grid.transform == PLACE and scene.nodata == image[0, 7, 9]
        assert scene.rgb == (3, 2, 1) and not scene.read().valid[7, 9] and not scene.warnings


def test_overviews_beside_a_scene_are_read(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", picture())
    save(Path(f"{path}.ovr"), np.full((3, 25, 35), 77, "uint8"), crs=None)
    with open_scene(path) as scene:
        assert (scene.read_preview(Window(0, 0, 70, 50), (25, 35)).image == 77).all()


NAMING = '<Metadata domain="{}"><MDI key="OVERVIEW_FILE">{}</MDI></Metadata>'


@pytest.mark.parametrize("domain", ["OVERVIEWS", "overviews", "GEOLOCATION"])
def test_a_file_beside_that_names_others_is_not_looked_at(tmp_path: Path, domain: str) -> None:
    secret = save(tmp_path / "secret.tif", np.full((3, 25, 35), 77, "uint8"))
    path = save(tmp_path / "a.tif", np.zeros((3, *SHAPE), "uint8"))
    pam(path, NAMING.format(domain, secret))
    with open_scene(path) as scene:
        assert scene.warnings == (f"{path}.aux.xml: is not looked at: it names other files",)
        assert not scene.read_preview(Window(0, 0, 70, 50), (25, 35)).image.any()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tif.msk", '<VRTDataset rasterXSize="70" rasterYSize="50"/>', "it is no TIFF"),
        ("a.tif.MSK", "nonsense", "it is no TIFF"),
        ("a.tif.ovr", "nonsense", "it is no TIFF"),
        ("a.tif.aux.xml", "<PAMDataset>", "it is no valid XML"),
        ("a.tif.aux.xml", '<!DOCTYPE x [<!ENTITY s "t">]><PAMDataset>&s;</PAMDataset>', "entities"),
        ("a.aux", "EHFA_HEADER_TAG", "it may name other files"),
    ],
)
def test_odd_files_beside_are_told(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = save(tmp_path / "a.tif", picture())
    (tmp_path / name).write_text(content)
    with open_scene(path) as scene:
        assert len(scene.warnings) == 1 and message in scene.warnings[0]
        assert scene.warnings[0].startswith(f"{tmp_path / name}: is not looked at")
        assert scene.read().valid.all()


def test_a_mask_is_not_read_beside_one_that_is_not_looked_at(tmp_path: Path) -> None:
    path = mask_beside(save(tmp_path / "a.tif", picture()))
    Path(f"{path}.msk.aux.xml").write_text(NAMING.format("OVERVIEWS", "/etc/passwd"))
    with open_scene(path) as scene:
        assert len(scene.warnings) == 2 and not scene.has_mask


def test_a_mask_that_names_other_files_itself(tmp_path: Path) -> None:
    path = mask_beside(save(tmp_path / "a.tif", picture()))
    with rasterio.open(f"{path}.msk", "r+") as out:
        out.update_tags(ns="OVERVIEWS", OVERVIEW_FILE="/etc/passwd")
    with open_scene(path) as scene:
        assert len(scene.warnings) == 1 and not scene.has_mask


@pytest.mark.parametrize("inside_a_vrt", [False, True])
def test_a_scene_that_names_other_files_in_its_metadata(tmp_path: Path, inside_a_vrt: bool) -> None:
    """GDAL takes such a file for the scene's overviews, also over the network."""
    secret = save(tmp_path / "secret.tif", np.full((1, 25, 35), 77, "uint8"))
    path = save(tmp_path / "a.tif", np.zeros((1, *SHAPE), "uint8"))
    with rasterio.open(path, "r+") as out:
        out.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(secret))
    if inside_a_vrt:
        path = vrt_over(tmp_path, "a.tif")
    with pytest.raises(SafetyError, match=r"a\.tif: names other files") as caught, open_scene(path):
        pass
    assert caught.value.exit_code == 8


def vrt_over(folder: Path, source: str) -> Path:
    path = folder / "mosaic.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="70" rasterYSize="50"><SRS>{CRS}</SRS><GeoTransform>'
        f'{", ".join(map(str, PLACE.to_gdal()))}</GeoTransform><VRTRasterBand dataType="Byte" '
        f'band="1"><SimpleSource><SourceFilename relativeToVRT="1">{source}</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return path


def test_a_mask_beside_the_source_of_a_vrt_is_told(tmp_path: Path) -> None:
    (tmp_path / "tiles").mkdir()
    mask_beside(save(tmp_path / "tiles/a.tif", picture(1)))
    with open_scene(vrt_over(tmp_path, "tiles/a.tif")) as scene:
        assert len(scene.warnings) == 1 and "a.tif.msk" in scene.warnings[0]
        np.testing.assert_array_equal(scene.read().image, picture(1))


def test_a_source_of_a_vrt_that_is_cut_off(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", picture(1))
    path.write_bytes(path.read_bytes()[:-900])
    with (
        pytest.raises(InputError, match=r"a\.tif: cannot be read"),
        open_scene(vrt_over(tmp_path, "a.tif")),
    ):
        pass


def test_a_source_of_a_vrt_with_a_file_beside_it_that_names_others(tmp_path: Path) -> None:
    pam(save(tmp_path / "a.tif", picture(1)), NAMING.format("OVERVIEWS", "/etc/passwd"))
    with (
        pytest.raises(SafetyError, match=r"a\.tif\.aux\.xml: it names other files"),
        open_scene(vrt_over(tmp_path, "a.tif")),
    ):
        pass
