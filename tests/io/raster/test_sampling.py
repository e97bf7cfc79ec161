import numpy as np

from geoseg.io.raster.sampling import sampled_strips
from geoseg.io.raster.scene import open_scene
from geoseg.io.raster.write import write_array
from tests.scenes import grid


def test_of_a_small_scene_all_rows_are_read(tmp_path):
    image = np.arange(1, 3 * 150 * 7 + 1, dtype=np.uint16).reshape(3, 150, 7)
    write_array(tmp_path / "small.tif", image, grid(150, 7))
    with open_scene(tmp_path / "small.tif") as scene:
        parts = list(sampled_strips(scene, (3, 1)))
    assert (np.concatenate([part for part, _ in parts], axis=1) == image[[2, 0]]).all()


def test_of_a_tall_scene_strips_are_evenly_spaced(tmp_path):
    tall = np.arange(1, 8_193, dtype=np.uint16).reshape(1, -1, 1).repeat(3, axis=2)
    write_array(tmp_path / "tall.tif", tall, grid(8_192, 3))
    with open_scene(tmp_path / "tall.tif") as scene:
        parts = list(sampled_strips(scene, None))
    assert [int(part[0, 0, 0]) - 1 for part, _ in parts] == list(range(0, 8_192, 128))
    assert all(part.shape == (1, 64, 3) and valid.all() for part, valid in parts)
