"""The extent of a raster's data covers the pixels that are valid, and no others."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.geometry.burn import burn
from geoseg.io.raster.write import write_array
from geoseg.labels.data_extent import extent_of, scene_extent
from geoseg.specs import SceneSpec
from tests.scenes import grid, picture

ON = Grid(CRS.from_epsg(32736), Affine(0.5, 0, 512_000, 0, -0.5, 9_300_000), 60, 95)


def burnt(layer, on=ON):
    return burn(layer.geometry, on) == 1


def scattered(seed, shape=(60, 95), side=12):
    """Blocks of data of ``side`` pixels, so that no hole is a speck."""
    blocks = np.random.default_rng(seed).random((shape[0] // side + 1, shape[1] // side + 1)) < 0.6
    return np.kron(blocks, np.ones((side, side), bool))[: shape[0], : shape[1]]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("turned", [False, True])
def test_it_is_the_valid_pixels(seed, turned):
    valid = scattered(seed)
    on = Grid(ON.crs, ON.transform * Affine.rotation(20), *ON.shape) if turned else ON
    layer = extent_of(lambda first, last: valid[first:last], on)
    assert layer.crs == ON.crs and shapely.is_valid(layer.geometry).all()
    assert (burnt(layer, on) == valid).all()


def test_specks_without_data_are_data():
    valid = np.ones(ON.shape, bool)
    valid[30:35, 50:57] = False  # 8.75 m2
    valid[5:18, 3:16] = False  # 42.25 m2
    expected = np.ones(ON.shape, bool)
    expected[5:18, 3:16] = False
    assert (burnt(extent_of(lambda first, last: valid[first:last], ON)) == expected).all()


def test_large_scenes_are_seen_in_cells():
    """Three pixels a side: a cell has data where any of its pixels does; the last one is cut."""
    valid = scattered(7)
    seen = burnt(extent_of(lambda first, last: valid[first:last], ON, most_cells=40))
    rows, cols = (np.arange(0, side, 3) for side in ON.shape)
    cells = np.logical_or.reduceat(np.logical_or.reduceat(valid, rows, axis=0), cols, axis=1)
    assert (seen == np.kron(cells, np.ones((3, 3), bool))[:60, :95]).all() and seen[valid].all()


def test_of_scenes(tmp_path: Path):
    on = grid(60, 95)
    image = picture(np.zeros((60, 95), bool))
    image[:, :, 70:] = 0
    for name, values in (("named", {"nodata": 0}), ("unnamed", {})):
        write_array(tmp_path / f"{name}.tif", image, on, **values)
    left = np.zeros((60, 95), bool)
    left[:, :70] = True
    assert (burnt(scene_extent(str(tmp_path / "named.tif")), on) == left).all()
    assert burnt(scene_extent(str(tmp_path / "unnamed.tif")), on).all()
    given = scene_extent(str(tmp_path / "unnamed.tif"), SceneSpec(nodata=0))
    assert (burnt(given, on) == left).all()


def test_zeros_of_a_mask_are_data_whatever_it_declares(tmp_path: Path):
    mask = np.zeros((1, 60, 95), np.uint8)
    mask[0, 5:20, 30:70] = 1
    write_array(tmp_path / "mask.tif", mask, ON, nodata=0)
    assert burnt(scene_extent(str(tmp_path / "mask.tif"))).all()
