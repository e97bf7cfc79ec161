"""Blocks that a sparse TIFF does not store are not read, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from geoseg.io.raster.scene import open_scene
from tests.io.raster.samples import GRID, noise, write

BLOCKS = {"tiled": True, "blockxsize": 16, "blockysize": 32}
KINDS = {
    "nodata": {"nodata": 0, **BLOCKS},
    "another value": {"nodata": 255, **BLOCKS},
    "rows": {"nodata": 0, "blockysize": 8},
    "bands apart": {"nodata": 0, "interleave": "band", **BLOCKS},
    "alpha": {"photometric": "RGB", "alpha": "YES", **BLOCKS},
    "no nodata": BLOCKS,
}


def write_sparse(path, kind):
    """Some pixels of some bands in a file that is empty else."""
    profile = KINDS[kind]
    count = 4 if kind == "alpha" else 3
    empty = np.zeros((count, *GRID.shape), np.uint8)[:, :0]
    write(path, empty, sparse_ok=True, **profile)
    image = noise(count, high=254)
    with rasterio.open(path, "r+") as out:
        out.write(image[:, 40:60, 20:50], window=Window(20, 40, 30, 20))
        out.write(image[1, 5:9, 100:104], 2, window=Window(100, 5, 4, 4))
    return path


def windows():
    rng = np.random.default_rng(3)
    for _ in range(60):
        top, left = rng.integers(-10, 85), rng.integers(-10, 135)
        yield Window(int(left), int(top), *map(int, rng.integers(1, 60, 2)))


@pytest.mark.parametrize("gsd", [None, 0.3, 1.7])
@pytest.mark.parametrize("kind", KINDS)
def test_windows_are_what_they_are_without_looking_at_blocks(kind, gsd, tmp_path):
    with open_scene(write_sparse(tmp_path / "a.tif", kind), gsd) as scene:
        absent = 0
        for window in windows():
            for bands in (None, (2,)):
                chip = scene.read(window, bands)
                plain = replace(scene, _stored=None).read(window, bands)
                np.testing.assert_array_equal(chip.image, plain.image)
                np.testing.assert_array_equal(chip.valid, plain.valid)
                assert chip.image.dtype == plain.image.dtype and chip.grid == plain.grid
            absent += not chip.valid.any() and scene._absent(window)
        assert absent > 0 or kind == "no nodata"
    assert kind != "no nodata" or scene._stored is None


def test_turned_scenes_look_at_the_blocks_that_they_show(tmp_path):
    turned = replace(GRID, transform=GRID.transform * Affine.rotation(90))
    path = write_sparse(tmp_path / "a.tif", "nodata")
    with rasterio.open(path, "r+") as out:
        out.transform = turned.transform
    for gsd in (None, 1.7):
        with open_scene(path, gsd) as scene:
            whole = replace(scene, _stored=None).read().valid
            seen = np.zeros_like(whole)
            for row in range(0, scene.grid.height, 10):
                for col in range(0, scene.grid.width, 10):
                    valid = scene.read(Window(col, row, 10, 10)).valid
                    part = seen[row : row + 10, col : col + 10]
                    part[:] = valid[: part.shape[0], : part.shape[1]]
            np.testing.assert_array_equal(seen, whole)
            assert whole.any()


def test_labels_of_0_are_not_missing(tmp_path):
    with open_scene(write_sparse(tmp_path / "a.tif", "nodata")) as scene:
        with open_scene(tmp_path / "a.tif", like=scene.grid) as labels:
            assert labels.read(Window(60, 70, 20, 10)).valid.all()
        with open_scene(tmp_path / "a.tif", like=scene.grid.window(Window(3, 2, 99, 80))) as labels:
            assert labels.read(Window(60, 65, 20, 10)).valid.all()
        assert not scene.read_validity(Window(60, 70, 20, 10)).any()
