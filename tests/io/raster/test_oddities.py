"""What a picture declares that is not heeded: a warning says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from geoseg.io.raster.scene import open_scene
from geoseg.tools import info
from tests.io.raster.pictures import picture, save


def image() -> Image.Image:
    return Image.fromarray(picture()[:3].transpose(1, 2, 0))


def test_pages_beyond_the_first(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    image().save(path, save_all=True, append_images=[image().rotate(180), image()])
    with open_scene(path) as scene:
        assert scene.warnings == (f"{path}: holds 3 pictures, the first is read",)
        np.testing.assert_array_equal(scene.read().image, picture()[:3])
    assert scene.warnings[0] in info.run(str(path)).warnings


def test_overviews_and_masks_are_no_pages(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", picture())
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(np.arange(file.width) > np.zeros((file.height, 1)))
        file.build_overviews([2, 4])
    with open_scene(path) as scene:
        assert scene.warnings == () and scene.has_mask


@pytest.mark.parametrize(("turn", "warned"), [(1, False), (6, True)])
def test_turned_by_exif(tmp_path: Path, turn: int, warned: bool) -> None:
    path = tmp_path / "a.jpg"
    exif = image().getexif()
    exif[0x112] = turn
    image().save(path, exif=exif)
    with open_scene(path) as scene:
        # as QGIS and all programs on GDAL read it: footprints lie on the picture there
        assert scene.grid.shape == picture().shape[1:]
        assert ["EXIF" in warning for warning in scene.warnings] == [True] * warned


def test_white_is_0(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", picture()[:1], photometric="MINISWHITE")
    with open_scene(path) as scene:
        assert ["0 as white" in warning for warning in scene.warnings] == [True]
        np.testing.assert_array_equal(scene.read().image, picture()[:1])
