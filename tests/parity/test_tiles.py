"""The grid of tiles against ``solaris.tile.raster_tile``."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from geoseg.io.raster.scene import open_scene, read_array
from geoseg.io.raster.write import write_array
from geoseg.specs import ChipSpec
from geoseg.tools import tile
from tests.scenes import grid

pytestmark = pytest.mark.slow

HEIGHT, WIDTH = 600, 1000


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    path = tmp_path / "scene.tif"
    image = np.random.default_rng(5).integers(1, 4000, (2, HEIGHT, WIDTH), dtype=np.uint16)
    write_array(path, image, grid(HEIGHT, WIDTH, gsd=0.5), nodata=0)
    return path


def cut(paths: list[Path], scene: Path) -> dict[tuple[int, int], np.ndarray]:
    """Pixels of chips by the row and column of the scene at which they begin."""
    found = {}
    with open_scene(scene) as whole:
        origin = whole.grid.transform
        for path in paths:
            with rasterio.open(path) as chip:
                col, row = ~origin * (chip.transform.c, chip.transform.f)
                assert (row, col) == pytest.approx((round(row), round(col)), abs=1e-6)
                assert (
                    chip.transform.a == pytest.approx(origin.a, rel=1e-9)
                    and chip.dtypes[0] == whole.dtype
                )
                found[round(row), round(col)] = chip.read()
                window = Window(round(col), round(row), chip.width, chip.height)
                np.testing.assert_array_equal(
                    found[round(row), round(col)], whole.read(window).image
                )
    return found


def both(
    solaris: ModuleType, scene: Path, tmp_path: Path, size: int
) -> list[dict[tuple[int, int], np.ndarray]]:
    tiler = solaris.tile.raster_tile.RasterTiler(
        dest_dir=str(tmp_path / "theirs"), src_tile_size=(size, size)
    )
    tiler.tile(str(scene))
    tile.run([str(scene)], tmp_path / "ours", ChipSpec(size=size, edge="pad", split=(1, 0, 0)))
    return [
        cut(list(map(Path, tiler.tile_paths)), scene),
        cut(sorted((tmp_path / "ours/images").iterdir()), scene),
    ]


def test_tiles_that_divide_the_scene_are_equal(solaris, scene, tmp_path):
    theirs, ours = both(solaris, scene, tmp_path, 200)
    assert ours.keys() == theirs.keys() and len(ours) == 3 * 5
    for place, image in ours.items():
        np.testing.assert_array_equal(image, theirs[place])


def test_other_tiles_begin_at_opposite_edges(solaris, scene, tmp_path):
    """Both cover the scene with as many tiles and stick out to the right; solaris counts rows from
    the bottom and sticks out above, geoseg as pixels are counted, from the top.
    """
    theirs, ours = both(solaris, scene, tmp_path, 256)
    assert len(theirs) == len(ours) == 3 * 4
    assert {col for _, col in theirs} == {col for _, col in ours} == {0, 256, 512, 768}
    assert {row for row, _ in ours} == {0, 256, 512}
    assert {row for row, _ in theirs} == {HEIGHT - 256, HEIGHT - 512, HEIGHT - 768}


@pytest.mark.parametrize(
    ("name", "size", "rows", "cols"),
    [
        ("spacenet4_atlanta_pan/images/sample_geotiff.tif", 180, 5, 5),
        ("oam_banepa_centre/images/oam_banepa_centre_train.tif", 1024, 4, 3),
    ],
)
def test_tiles_of_real_scenes_are_equal(solaris, shared_data, tmp_path, name, size, rows, cols):
    """16 bits with nodata 0 in UTM, and RGB in Mercator, without its JPEG, which solaris would
    apply anew to each tile.
    """
    image, _, own = read_array(shared_data / name)
    write_array(tmp_path / "scene.tif", image, own, nodata=0)
    theirs, ours = both(solaris, tmp_path / "scene.tif", tmp_path, size)
    places = {(row * size, col * size) for row in range(rows) for col in range(cols)}
    assert ours.keys() == theirs.keys() == places
    assert sum(int(np.count_nonzero(image != theirs[place])) for place, image in ours.items()) == 0
