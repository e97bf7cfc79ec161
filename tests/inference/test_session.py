"""Windows are as large as a scene has pixels for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from geoseg.inference.session import LoadedModel
from geoseg.io.raster.scene import open_scene
from geoseg.io.raster.write import write_array
from geoseg.specs import ModelSpec, PredictSpec
from tests.scenes import red_model


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((375, 1242), 384),  # a photo: hardly anything of a window is mirrored
        ((60, 900), 256),  # a strip: no less context than training gave
        ((100, 130), 160),
        ((1500, 1100), 1024),
    ],
)
def test_windows_of_a_narrow_scene_are_small(
    tmp_path: Path, shape: tuple[int, int], size: int
) -> None:
    path = red_model(tmp_path / "red.onnx", ModelSpec("red", margin=0, size=256))
    write_array(tmp_path / "scene.png", np.zeros((3, *shape), np.uint8))
    with open_scene(tmp_path / "scene.png") as scene:
        assert LoadedModel(path, PredictSpec()).runtime(scene).size == size


@pytest.mark.parametrize(("asked", "size"), [(None, 96), (160, 160)])
def test_a_network_that_looks_at_all_of_a_window_gets_those_it_learned_from(
    tmp_path: Path, asked: int | None, size: int
) -> None:
    spec = ModelSpec("red", margin=0, size=96, gsd=None, global_context=True)
    path = red_model(tmp_path / "red.onnx", spec)
    scene = tmp_path / "scene.png"
    write_array(scene, np.zeros((3, 500, 400), np.uint8))
    with LoadedModel(path, PredictSpec(tile_size=asked)).open(str(scene), None) as run:
        assert run.plan.tiling.size == run.runtime.size == size
