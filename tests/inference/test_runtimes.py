"""What runs a model: the runtimes agree, read what other programs' models say, and send nothing
anywhere.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from geoseg.errors import InputError, ModelError, ResourceError
from geoseg.inference.runtimes import open_runtime
from geoseg.models.store import read_spec
from geoseg.specs import ModelSpec, PredictSpec
from tests.scenes import buildings, picture, red_model

onnx = pytest.importorskip("onnx")
FP32 = PredictSpec(precision="fp32", tile_size=96)


@pytest.fixture
def images() -> np.ndarray:
    return (
        np.stack([picture(buildings(96, 96, seed), seed) for seed in (31, 37)]).astype("float32")
        / 255
    )


def _trained(tmp_path: Path) -> Path:
    torch = pytest.importorskip("torch")
    from geoseg.models import modelfile
    from geoseg.models.registry import build

    torch.manual_seed(3)
    spec = ModelSpec("unet", "resnet18", options=(("decoder_channels", (32, 32, 16, 16, 8)),))
    path = tmp_path / "unet.safetensors"
    modelfile.save(path, spec, build(spec).state_dict())
    return path


def _exported(source: Path) -> Path:
    from geoseg.models.exportable import exportable
    from geoseg.models.onnxfile import export

    target = source.with_suffix(".onnx")
    export(exportable(source, 96), target)
    return target


def test_torch_openvino_and_onnxruntime_agree(tmp_path: Path, images: np.ndarray) -> None:
    source = _trained(tmp_path)
    target = _exported(source)
    assert read_spec(target) == read_spec(source)
    expected = open_runtime(source, FP32, 96)(images[:1])
    assert expected.shape == (1, 1, 96, 96) and expected.std() > 1e-3  # square: windows are
    for runtime in ("openvino", "onnx"):
        run = open_runtime(target, PredictSpec(precision="fp32", tile_size=96, runtime=runtime), 96)
        assert run.size == 96 and run.name.startswith(runtime)
        # weights are stored as float16
        assert np.abs(run(images[:1]) - expected).max() < 5e-3


def test_openvino_runs_windows_of_another_size_than_the_file_says(tmp_path: Path) -> None:
    path = red_model(tmp_path / "red.onnx")
    run = open_runtime(path, PredictSpec(tile_size=160, precision="fp32"), 500)
    image = picture(buildings(160, 160))[None].astype("float32") / 255
    assert ((run(image)[0, 0] > 0.5) == buildings(160, 160)).all()
    assert open_runtime(path, PredictSpec(), 300).size == 320
    assert open_runtime(path, PredictSpec(), 5000).size == 1024


def test_a_deepness_model_runs_as_it_is(tmp_path: Path) -> None:
    path = red_model(tmp_path / "red.onnx")
    model = onnx.load(path)
    del model.metadata_props[:]
    foreign = {
        "model_type": "Segmentor",
        "class_names": {"0": "background", "1": "house"},
        "resolution": 25.0,
        "tile_size": 256,
        "seg_thresh": 0.4,
        "standardization_mean": [0.0, 0.0, 0.0],
        "standardization_std": [0.5, 0.5, 0.5],
    }
    for key, value in foreign.items():
        model.metadata_props.add(key=key, value=json.dumps(value))
    onnx.save(model, path)
    spec = read_spec(path)
    assert (spec.classes, spec.gsd, spec.size, spec.threshold) == (
        ("background", "house"),
        0.25,
        256,
        0.4,
    )
    image = picture(buildings(96, 96))[None].astype("float32") / 255
    expected = 1 / (1 + np.exp(-40 * (image[0, 0] - image[0, 1]) / 0.5))
    assert np.abs(open_runtime(path, FP32, 96)(image)[0, 0] - expected).max() < 1e-4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a model"),
        (b"\x08garbage that is no protobuf", "cannot be read as ONNX"),
        (b"GIF89a....", "is not a model"),
    ],
)
def test_what_is_no_model_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        read_spec(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_graph_that_does_not_say_what_it_expects_is_refused(tmp_path: Path) -> None:
    path = red_model(tmp_path / "red.onnx")
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(ModelError, match="does not say what it expects"):
        read_spec(path)


def test_a_missing_model_and_a_missing_device(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_spec(tmp_path / "none.onnx")
    with pytest.raises(ResourceError):
        open_runtime(red_model(tmp_path / "red.onnx"), PredictSpec(device="cuda"), 96)
    torch = pytest.importorskip("torch")
    with pytest.raises(ResourceError):
        open_runtime(
            _trained(tmp_path), PredictSpec(device=f"cuda:{torch.cuda.device_count() + 1}"), 96
        )


def test_weights_of_an_export_come_back_and_others_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from geoseg.models.store import load

    with pytest.raises(ModelError, match=r"red.onnx: does not describe its network"):
        load(red_model(tmp_path / "red.onnx"))
    source = _trained(tmp_path)
    target = _exported(source)
    assert load(source)[0] == load(target)[0]
    model = onnx.load(target)
    bias = next(
        tensor
        for tensor in model.graph.initializer
        if tensor.name.endswith("segmentation_head.0.bias")
    )
    for node in model.graph.node:  # the name that exports give what they merge
        node.input[:] = ["onnx::Conv_1" if name == bias.name else name for name in node.input]
    bias.name = "onnx::Conv_1"
    onnx.save(model, target)
    with pytest.raises(ModelError, match=r"unet.onnx: its weights were merged"):
        load(target)


def test_torch_runs_exported_models_too(tmp_path: Path, images: np.ndarray) -> None:
    pytest.importorskip("torch")
    path = _exported(_trained(tmp_path))
    ours, theirs = (
        open_runtime(path, PredictSpec(precision="fp32", tile_size=96, runtime=name), 96)(
            images[:1]
        )
        for name in ("torch", "openvino")
    )
    assert ours.std() > 1e-4 and np.abs(ours - theirs).max() < 1e-4


def test_nothing_is_sent_anywhere(tmp_path: Path) -> None:
    """A process that runs a model opens no socket, and openvino's telemetry is its own stub."""
    path = red_model(tmp_path / "red.onnx")
    code = f"""
import socket, sys
def refuse(*args, **keywords): raise SystemExit("a socket was opened")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from pathlib import Path
from geoseg.inference.runtimes import open_runtime
from geoseg.specs import PredictSpec
import numpy as np
# square: windows are
open_runtime(Path({str(path)!r}), PredictSpec(tile_size=64), 64)(np.zeros((1, 3, 64, 64), "float32"))
import openvino.tools.ovc.telemetry_utils as utils
assert sys.modules["openvino_telemetry"] is None
assert utils.tm.__name__.endswith("telemetry_stub"), utils.tm
assert not any(name in sys.modules for name in ("torch", "lightning", "segmentation_models_pytorch"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_network_dropped_by_another_thread_leaves_signals_answered(tmp_path: Path) -> None:
    path = red_model(tmp_path / "red.onnx")
    code = f"""
import os, signal, threading
from pathlib import Path
from geoseg.inference.runtimes import open_runtime
from geoseg.specs import PredictSpec
held = [open_runtime(Path({str(path)!r}), PredictSpec(tile_size=64), 64)]
dropping = threading.Thread(target=held.clear)
dropping.start()
dropping.join()
signal.signal(signal.SIGTERM, lambda *_: print("answered"))
os.kill(os.getpid(), signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "answered\n"), done.stderr


def test_two_classes_told_each_by_itself_stay_two(tmp_path: Path, images: np.ndarray) -> None:
    """The runtimes agree on them, and programs that take the likeliest class learn nothing of them."""
    torch = pytest.importorskip("torch")
    from geoseg.models import modelfile
    from geoseg.models.exportable import exportable
    from geoseg.models.onnxfile import export
    from geoseg.models.registry import build

    torch.manual_seed(5)
    spec = ModelSpec("cnn", classes=("footprint", "boundary"), multilabel=True)
    network = build(spec).eval()
    modelfile.save(tmp_path / "m.safetensors", spec, network.state_dict())
    export(exportable(tmp_path / "m.safetensors", 96), tmp_path / "m.onnx")
    assert read_spec(tmp_path / "m.onnx") == spec
    assert [entry.key for entry in onnx.load(tmp_path / "m.onnx").metadata_props] == ["geoseg"]
    with torch.inference_mode():
        expected = network(torch.from_numpy(images[:1])).sigmoid().numpy()
    for name, runtime in (("m.safetensors", "torch"), ("m.onnx", "openvino"), ("m.onnx", "onnx")):
        run = open_runtime(
            tmp_path / name, PredictSpec(precision="fp32", tile_size=96, runtime=runtime), 96
        )
        found = run(images[:1])
        # square: windows are
        assert found.shape == (1, 2, 96, 96) and np.abs(found - expected).max() < 5e-3
