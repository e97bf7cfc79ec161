"""Folders of map tiles are read as the scene that they were cut from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from geoseg.errors import InputError, SafetyError, UnsuitableError
from geoseg.io.raster.scene import open_scene
from geoseg.io.raster.write import write_array
from geoseg.specs import SceneSpec
from tests.io.raster.pictures import save
from tests.io.raster.tiling import COLUMN, ROW, SIDE, ZOOM, cut, place

IMAGE = np.random.default_rng(3).integers(1, 255, (3, 2 * SIDE, 3 * SIDE)).astype("uint8")


@pytest.mark.parametrize(
    "name", ["{z}/{x}/{y}.png", "{z}-{x}-{y}.png", "OAM-{x}-{y}-{z}.png", "{z}/{x}/{y}.tif"]
)
def test_tiles_are_the_scene_that_was_cut(tmp_path: Path, name: str) -> None:
    folder = cut(tmp_path / "tiles", IMAGE, name, without=((1, 0),))
    with open_scene(folder) as scene:
        chip = scene.read()
        assert scene.grid.crs and scene.grid.crs.to_epsg() == 3857
        assert (scene.grid.transform, scene.rgb) == (place(), (1, 2, 3))
    there = np.ones(IMAGE.shape[1:], bool)
    there[:SIDE, SIDE : 2 * SIDE] = False
    np.testing.assert_array_equal(chip.valid, there)
    np.testing.assert_array_equal(chip.image, IMAGE * there)


def test_a_part_of_it_across_tiles_and_another_resolution(tmp_path: Path) -> None:
    folder = cut(tmp_path / "tiles", IMAGE)
    with open_scene(folder, spec=SceneSpec(window=(50, 40, 90, 60))) as scene:
        np.testing.assert_array_equal(scene.read().image, IMAGE[:, 40:100, 50:140])
    write_array(
        tmp_path / "plain.tif",
        IMAGE,
        scene.grid.__class__(scene.grid.crs, place(), *IMAGE.shape[1:]),
    )
    with open_scene(folder, gsd=0.9) as tiles, open_scene(tmp_path / "plain.tif", gsd=0.9) as plain:
        assert tiles.grid == plain.grid
        np.testing.assert_array_equal(tiles.read().image, plain.read().image)


def test_alpha_grey_and_palettes_side_by_side(tmp_path: Path) -> None:
    names = [tmp_path / f"{ZOOM}-{COLUMN + i}-{ROW}.png" for i in range(4)]
    tile = IMAGE[:, :SIDE, :SIDE]
    clear = np.tri(SIDE, dtype="uint8")[None] * 255
    plain = {"driver": "PNG", "crs": None, "transform": None}
    save(names[0], np.concatenate([tile, clear]), **plain)
    save(names[1], tile[:1], **plain)
    palette = {0: (9, 8, 7, 255), 1: (90, 80, 70, 255), 2: (1, 2, 3, 0)}
    save(names[2], tile[:1] % 3, palette=palette, **plain)
    save(names[3], tile, **plain)
    with open_scene(tmp_path) as scene:
        chip = scene.read()
        part = scene.read(Window(2 * SIDE - 7, 11, 21, 9))
    expected = np.array([palette[i][:3] for i in range(3)])[tile[0] % 3].transpose(2, 0, 1)
    valid = np.hstack([clear[0] > 0, np.ones_like(clear[0], bool), tile[0] % 3 < 2, clear[0] >= 0])
    np.testing.assert_array_equal(chip.valid, valid)
    image = np.concatenate([tile, np.repeat(tile[:1], 3, 0), expected, tile], axis=2) * valid
    np.testing.assert_array_equal(chip.image, image)
    np.testing.assert_array_equal(part.image, image[:, 11:20, 2 * SIDE - 7 : 2 * SIDE + 14])


def test_several_zooms_are_named(tmp_path: Path) -> None:
    cut(tmp_path, IMAGE)
    cut(tmp_path, IMAGE, zoom=ZOOM + 1)
    with open_scene(tmp_path) as scene:
        assert scene.warnings == (f"{tmp_path}: tiles of zoom 21 are read, not those of 20",)
        assert scene.grid.transform == place(ZOOM + 1)


def test_a_tile_that_is_added_is_seen(tmp_path: Path) -> None:
    cut(tmp_path, IMAGE[:, :, : 2 * SIDE])
    with open_scene(tmp_path) as scene:
        assert scene.grid.width == 2 * SIDE
    cut(tmp_path, IMAGE, without=((0, 0), (0, 1), (1, 0), (1, 1)))
    with open_scene(tmp_path) as scene:
        assert scene.grid.width == 3 * SIDE


def test_tiles_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    cut(tmp_path / "two", IMAGE[:, :SIDE, : 2 * SIDE], "{z}-{x}-{y}.tif")
    other = tmp_path / "two" / f"{ZOOM}-{COLUMN + 1}-{ROW}.tif"
    for image, message in (
        (IMAGE[:, :32, :32], "is uint8 of 32 pixels a side"),
        (IMAGE[:, :SIDE, :SIDE].astype("uint16"), "is uint16 of 64"),
        (IMAGE[:2, :SIDE, :SIDE], "has 2 bands, others have 3"),
        (IMAGE[:, :SIDE, :70], "named as a map tile, but is 70 x 64"),
    ):
        write_array(other, image, overwrite=True)
        with pytest.raises(UnsuitableError, match=message), open_scene(tmp_path / "two"):
            pass
    other.write_bytes(b"<VRTDataset></VRTDataset>")
    with pytest.raises((InputError, SafetyError)), open_scene(tmp_path / "two"):
        pass


# Names that a tile or what lies beside it might give away


def vrt_of(path: Path) -> bytes:
    return (
        '<VRTDataset rasterXSize="64" rasterYSize="64"><VRTRasterBand dataType="Byte" band="1">'
        f'<SimpleSource><SourceFilename relativeToVRT="0">{path}</SourceFilename><SourceBand>1'
        "</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    ).encode()


def jpeg_that_is_a_vrt_too(path: Path, secret: Path) -> Path:
    """GDAL by itself opens it as the VRT, which reads ``secret``."""
    save(path, IMAGE[:, :SIDE, :SIDE], driver="JPEG", crs=None, transform=None)
    content = path.read_bytes()
    comment = b"a" * 300 + vrt_of(secret)
    length = (len(comment) + 2).to_bytes(2, "big")
    path.write_bytes(content[:2] + b"\xff\xfe" + length + comment + content[2:])
    with rasterio.open(path) as file:
        assert file.driver == "VRT"
    return path


def test_a_jpeg_with_a_vrt_in_a_comment_is_a_jpeg(tmp_path: Path) -> None:
    secret = tmp_path / "secret.tif"
    write_array(secret, np.zeros((1, SIDE, SIDE), "uint8"))  # square: a tile
    (tmp_path / "tiles").mkdir()
    name = f"{ZOOM}-{COLUMN}-{ROW}.jpg"
    path = jpeg_that_is_a_vrt_too(tmp_path / "tiles" / name, secret)
    for scene_name, spec in ((path, SceneSpec(window=(3, 5, 40, 30))), (tmp_path / "tiles", None)):
        with open_scene(scene_name, spec=spec or SceneSpec()) as scene:
            assert scene.bands == 3 and (scene.read().image > 0).mean() > 0.9
            assert scene.rgb == (1, 2, 3) and ColorInterp.gray.name not in scene.colours


def test_a_file_beside_a_tile_that_names_others_is_refused(tmp_path: Path) -> None:
    cut(tmp_path, IMAGE)
    beside = tmp_path / str(ZOOM) / str(COLUMN) / f"{ROW}.png.ovr"
    beside.write_bytes(vrt_of(tmp_path / "secret.tif"))
    with pytest.raises(SafetyError, match=r"\.png\.ovr: it is no TIFF"), open_scene(tmp_path):
        pass
