"""Files that end before their pixels do."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geoseg.errors import InputError
from geoseg.inference import session
from geoseg.io.raster import whole
from geoseg.io.raster.scene import open_scene
from geoseg.specs import PolygonSpec, PredictSpec
from geoseg.tools import extract, info
from tests.io.raster.pictures import picture, save

LAYOUTS = {
    "strips": {},
    "bands": {"interleave": "band"},
    "tiles": {"tiled": True, "blockxsize": 16, "blockysize": 32},
    "deflate": {"compress": "deflate", "tiled": True, "blockxsize": 16, "blockysize": 16},
    "lzw": {"compress": "lzw", "blockysize": 3},
    "bigtiff": {"bigtiff": "yes", "interleave": "band"},
}


@pytest.mark.parametrize("share", [0.4, 0.7, 0.97])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_that_is_cut_off_is_not_opened(tmp_path: Path, layout: str, share: float) -> None:
    path = save(tmp_path / "cut.tif", picture(), **LAYOUTS[layout])
    with open_scene(path) as scene:
        np.testing.assert_array_equal(scene.read().image, picture())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InputError, match=r"cut\.tif: cannot be read") as caught, open_scene(path):
        pass
    assert caught.value.exit_code == 3
    with pytest.raises(InputError, match=r"cut\.tif: cannot be read"):
        info.run(str(path))


def test_a_cut_scene_is_refused_before_a_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "cut.tif", picture())
    path.write_bytes(path.read_bytes()[:-700])

    def load(*_: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(session, "open_runtime", load)
    with pytest.raises(InputError, match=r"cut\.tif: cannot be read"):
        extract.run([str(path)], tmp_path / "a.gpkg", PredictSpec(), PolygonSpec())


def test_a_cut_picture_is_found_by_info(tmp_path: Path) -> None:
    with rasterio.open(save(tmp_path / "a.tif", picture())) as whole:
        rasterio.shutil.copy(whole, tmp_path / "a.png", driver="PNG")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(InputError, match=r"a\.png: cannot be read"):
        info.run(str(tmp_path / "a.png"))


def test_blocks_that_are_left_away_are_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"
    profile = {"count": 1, "dtype": "uint8", "height": 500, "width": 700, "sparse_ok": True}
    with rasterio.open(path, "w", driver="GTiff", tiled=True, **profile):
        pass
    with open_scene(path) as scene:
        assert not scene.read().image.any()


def test_few_blocks_of_many_are_looked_at_the_last_among_them(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", picture(), blockysize=1)
    path.write_bytes(path.read_bytes()[:-1])
    with rasterio.open(path) as dataset:
        looked: list[str] = []

        class Counted:
            def __getattr__(self, name: str) -> object:
                return getattr(dataset, name)

            def get_tag_item(self, item: str, *rest: object) -> object:
                looked.append(item)
                return dataset.get_tag_item(item, *rest)

        with pytest.raises(InputError, match="row 49"):
            whole.check_whole("a.tif", Counted(), most=3)
    assert len(looked) == 6 and looked[-1] == "BLOCK_SIZE_0_49"


WIDTH, HEIGHT, OFFSETS = 256, 257, 273  # TIFF's tags


def claimed(path: Path, tag: int, claim: int, big: bool = False) -> None:
    """Let the first directory of a TIFF claim another value, of two bytes, for ``tag``."""
    data = bytearray(path.read_bytes())
    first = struct.unpack_from("<Q" if big else "<I", data, 8 if big else 4)[0]
    count = struct.unpack_from("<Q" if big else "<H", data, first)[0]
    for index in range(count):
        entry = first + (8 + 20 * index if big else 2 + 12 * index)
        if struct.unpack_from("<H", data, entry)[0] == tag:
            struct.pack_into("<H", data, entry + (12 if big else 8), claim)
    path.write_bytes(data)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("tag", "claim"), [(HEIGHT, 90), (HEIGHT, 9000), (WIDTH, 700)])
def test_a_file_that_claims_more_than_it_holds(
    tmp_path: Path, layout: str, tag: int, claim: int
) -> None:
    path = save(tmp_path / "lie.tif", picture(), **LAYOUTS[layout])
    claimed(path, tag, claim, big=layout == "bigtiff")
    with pytest.raises(InputError, match=r"lie\.tif: cannot be read"), open_scene(path) as scene:
        assert scene.grid.shape != (50, 70)
        scene.read()
    with pytest.raises(InputError, match=r"lie\.tif: cannot be read"):
        info.run(str(path))


def test_no_pixels_are_read_from_the_header(tmp_path: Path) -> None:
    path = save(tmp_path / "lie.tif", picture(), blockysize=50)
    claimed(path, OFFSETS, 4)
    with pytest.raises(InputError, match=r"lie\.tif: .*in the header"), open_scene(path):
        pass
