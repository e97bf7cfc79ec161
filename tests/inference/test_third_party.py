"""Graphs of other programs: logits, bytes, bands last, cropped and coarser outputs, each of them
placed where it belongs, or refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoseg.errors import ModelError
from geoseg.inference.runtimes import open_runtime
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.specs import PredictSpec, RasterTarget
from geoseg.tools import predict
from tests.scenes import grid

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

SIDE, STEEPNESS = 128, 40.0
DEEPNESS = {
    "model_type": "Segmentor",
    "class_names": {"0": "background", "1": "building"},
    "resolution": 30.0,
    "tile_size": SIDE,
    "tiles_size": SIDE,
    "seg_thresh": 0.5,
}
SOFTMAX = [
    helper.make_node("Neg", ["l"], ["n"]),
    helper.make_node("Concat", ["n", "l"], ["both"], axis=1),
    helper.make_node("Softmax", ["both"], ["p"], axis=1),
]
BARE = [*SOFTMAX[:1], helper.make_node("Concat", ["n", "l"], ["y"], axis=1)]


def save(
    path: Path,
    last: list[Any],
    out: tuple[Any, ...],
    *,
    first: list[Any] | None = None,
    taken: tuple[Any, ...] = ("b", 3, SIDE, SIDE),
    dtype: int = TensorProto.FLOAT,
    **constants: np.ndarray,
) -> Path:
    """A graph whose ``l`` is ``STEEPNESS * (mean of the bands - 0.5)``; ``last`` ends in ``y``."""
    nodes = [
        *(first or [helper.make_node("Identity", ["x"], ["image"])]),
        helper.make_node("ReduceMean", ["image"], ["m"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["m", "half"], ["c"]),
        helper.make_node("Mul", ["c", "k"], ["l"]),
        *last,
    ]
    constants |= {"half": np.array(0.5, "f4"), "k": np.array(STEEPNESS, "f4")}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", dtype, taken)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {key: json.dumps(value) for key, value in DEEPNESS.items()})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def cropped(path: Path) -> Path:
    last = [*SOFTMAX, helper.make_node("Slice", ["p", "from", "to", "axes"], ["y"])]
    ends = {"from": np.array((16, 16)), "to": np.array((112, 112)), "axes": np.array((2, 3))}
    return save(path, last, ("b", 2, 96, 96), **ends)


def last_bands(path: Path) -> Path:
    first = [helper.make_node("Transpose", ["x"], ["image"], perm=[0, 3, 1, 2])]
    last = [*SOFTMAX, helper.make_node("Transpose", ["p"], ["y"], perm=[0, 2, 3, 1])]
    return save(path, last, ("b", SIDE, SIDE, 2), first=first, taken=("b", SIDE, SIDE, 3))


def bytes_in(path: Path) -> Path:
    first = [
        helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["whole", "most"], ["image"]),
    ]
    last = [*SOFTMAX, helper.make_node("Identity", ["p"], ["y"])]
    most = np.array(255, "f4")
    return save(path, last, ("b", 2, SIDE, SIDE), first=first, dtype=TensorProto.UINT8, most=most)


def logits(path: Path) -> Path:
    return save(path, BARE, ("b", 2, SIDE, SIDE))


def one_logit(path: Path) -> Path:
    return save(path, [helper.make_node("Add", ["l", "l"], ["y"])], ("b", 1, SIDE, SIDE))


MODELS = [cropped, last_bands, bytes_in, logits, one_logit]


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Blurred noise on 210 x 333 pixels: values that no two places share."""
    rough = np.random.default_rng(4).random((3, 214, 337))
    smooth = np.mean([rough[:, i : i + 210, i : i + 333] for i in range(4)], axis=0)
    write_array(tmp_path / "scene.tif", (smooth * 254 + 1).astype("uint8"), grid(210, 333))
    return tmp_path / "scene.tif"


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_every_pixel_gets_its_own_probability(
    tmp_path: Path, scene: Path, make: Any, runtime: str
) -> None:
    model = make(tmp_path / "model.onnx")
    spec = PredictSpec(precision="fp32", runtime=runtime)
    predict.run([str(scene)], RasterTarget(tmp_path / "p.tif", "float32"), spec, model=model)
    image, _, _ = read_array(scene)
    wanted = 1 / (1 + np.exp(-2 * STEEPNESS * (image.mean(axis=0) / 255 - 0.5)))
    found, valid, _ = read_array(tmp_path / "p.tif")
    assert valid.all()
    np.testing.assert_allclose(found[0], wanted, atol=2e-3)


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_a_coarser_output_is_enlarged(tmp_path: Path, scene: Path, runtime: str) -> None:
    pool = helper.make_node("AveragePool", ["p"], ["y"], kernel_shape=[4, 4], strides=[4, 4])
    model = save(tmp_path / "coarse.onnx", [*SOFTMAX, pool], ("b", 2, SIDE // 4, SIDE // 4))
    run = open_runtime(model, PredictSpec(precision="fp32", runtime=runtime), 300)
    ramp = np.broadcast_to(np.linspace(0.45, 0.55, SIDE, dtype="float32"), (1, 3, SIDE, SIDE))
    found = run(np.ascontiguousarray(ramp))
    wanted = 1 / (1 + np.exp(-2 * STEEPNESS * (ramp[0, 0] - 0.5)))
    assert found.shape == (1, 1, SIDE, SIDE)
    np.testing.assert_allclose(found[0, 0, :, 8:-8], wanted[:, 8:-8], atol=0.02)


def test_what_is_no_probability_is_refused(tmp_path: Path) -> None:
    """On black, white and noise this graph stays within 0..1, on a bright red it does not."""
    last = [
        helper.make_node("Split", ["image"], ["red", "green", "blue"], axis=1),
        helper.make_node("Sub", ["red", "green"], ["d"]),
        helper.make_node("Sub", ["d", "nearly"], ["over"]),
        helper.make_node("Relu", ["over"], ["up"]),
        helper.make_node("Mul", ["up", "steep"], ["y"]),
    ]
    limits = {"nearly": np.array(0.99, "f4"), "steep": np.array(150, "f4")}
    model = save(tmp_path / "odd.onnx", last, ("b", 1, SIDE, SIDE), **limits)
    image = np.zeros((1, 3, SIDE, SIDE), "float32")
    image[:, 0] = 1
    with pytest.raises(ModelError, match=r"odd\.onnx: gives values from 1\.5 to 1\.5, not"):
        open_runtime(model, PredictSpec(precision="fp32"), 300)(image)


def test_windows_that_do_not_suit_a_graph_are_refused(tmp_path: Path) -> None:
    model = cropped(tmp_path / "crop.onnx")
    with pytest.raises(ModelError, match="gives 96 x 96 pixels for 512 x 512"):
        open_runtime(model, PredictSpec(precision="fp32", tile_size=512), 600)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    flat = helper.make_node("ReduceMean", ["l"], ["y"], axes=[2, 3], keepdims=0)
    model = save(tmp_path / "scores.onnx", [flat], ("b", 1))
    with pytest.raises(ModelError, match="gives 2 dimensions") as caught:
        open_runtime(model, PredictSpec(precision="fp32"), 300)
    assert caught.value.exit_code == 5
