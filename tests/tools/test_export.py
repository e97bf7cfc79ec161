"""Exported models are what other programs expect, and these programs run them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from geoseg.errors import ModelError, OutputError, SettingError, UsageError  # noqa: E402
from geoseg.models import modelfile, store  # noqa: E402
from geoseg.models.exportable import _shifted  # noqa: E402
from geoseg.models.openvinofile import openvino_core  # noqa: E402
from geoseg.models.registry import build  # noqa: E402
from geoseg.specs import ModelSpec  # noqa: E402
from geoseg.tools import export  # noqa: E402

SIDE = 96


def saved(path: Path, spec: ModelSpec) -> Path:
    torch.manual_seed(2)
    modelfile.save(path, spec, build(spec).state_dict())
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("model") / "cnn.safetensors", ModelSpec("cnn", gsd=0.3))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    # square: the window of a model
    return np.random.default_rng(1).random((3, 3, SIDE, SIDE), "float32")


def logits(path: Path, images: np.ndarray) -> Any:
    """What the network of a model file gives, by torch."""
    spec, state = store.load(path)
    network = build(spec).eval()
    network.load_state_dict(state)
    with torch.no_grad():
        return network(torch.from_numpy(images))


def by_onnx(path: Path, images: np.ndarray) -> np.ndarray:
    session = pytest.importorskip("onnxruntime").InferenceSession(path)
    found: np.ndarray = session.run(None, {"image": images})[0]
    return found


def test_the_graph_and_its_metadata(source: Path, tmp_path: Path) -> None:
    report = export.run(source, tmp_path / "cnn.onnx", tile_size=96)
    model = onnx.load(tmp_path / "cnn.onnx")
    assert {o.domain: o.version for o in model.opset_import}[""] == 17 and model.ir_version <= 9
    (image,) = model.graph.input
    assert [d.dim_value for d in image.type.tensor_type.shape.dim][1:] == [3, 96, 96]
    assert image.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    (output,) = model.graph.output
    assert [d.dim_value for d in output.type.tensor_type.shape.dim][1:] == [2, 96, 96]
    metadata = {p.key: json.loads(p.value) for p in model.metadata_props}
    assert metadata["model_type"] == "Segmentor"
    assert metadata["class_names"] == {"0": "background", "1": "building"}
    assert (metadata["resolution"], metadata["tile_size"], metadata["tiles_size"]) == (30.0, 96, 96)
    assert metadata["seg_small_segment"] == 0 and metadata["standardization_std"] == [1.0] * 3
    assert ModelSpec.from_json(
        next(p.value for p in model.metadata_props if p.key == "geoseg")
    ) == modelfile.read_spec(source)
    # float16 weights: about half of the float32 file
    assert report.bytes == (tmp_path / "cnn.onnx").stat().st_size < 0.56 * source.stat().st_size


def test_what_cannot_be_exported_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.onnx, \.pt2 or \.xml"):
        export.run(source, tmp_path / "cnn.tflite")
    (tmp_path / "text.safetensors").write_text("no model, only words")
    with pytest.raises(ModelError):
        export.run(tmp_path / "text.safetensors", tmp_path / "x.onnx")
    (tmp_path / "cnn.onnx").write_text("mine")
    with pytest.raises(OutputError):
        export.run(source, tmp_path / "cnn.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cnn.onnx", "text.safetensors"]


@pytest.mark.slow
def test_torch_runs_a_pt2_without_geoseg(source: Path, images: np.ndarray, tmp_path: Path) -> None:
    report = export.run(source, tmp_path / "m.pt2", tile_size=SIDE)
    extra = {"geoseg.json": ""}
    program = torch.export.load(tmp_path / "m.pt2", extra_files=extra)
    assert ModelSpec.from_json(extra["geoseg.json"]) == modelfile.read_spec(source)
    probability = logits(source, images).sigmoid()
    for count in (1, 3):
        with torch.no_grad():
            found = program.module()(torch.from_numpy(images[:count]))
        expected = torch.cat([1 - probability, probability], 1)[:count]
        torch.testing.assert_close(found, expected)
    assert report.outputs == (str(tmp_path / "m.pt2"),)


def test_openvino_runs_an_xml(source: Path, images: np.ndarray, tmp_path: Path) -> None:
    report = export.run(source, tmp_path / "m.xml", tile_size=SIDE)
    assert report.outputs == (str(tmp_path / "m.xml"), str(tmp_path / "m.bin"))
    core = openvino_core()
    compiled = core.compile_model(tmp_path / "m.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(images)[0]
    expected = logits(source, images).sigmoid().numpy()
    np.testing.assert_allclose(found[:, 1:], expected, atol=5e-3)  # of float16 weights
    text = core.read_model(tmp_path / "m.xml").get_rt_info(["framework", "geoseg"]).value
    assert ModelSpec.from_json(text) == modelfile.read_spec(source)
    (tmp_path / "other.bin").write_text("mine")
    with pytest.raises(OutputError, match=r"other\.bin: exists already"):
        export.run(source, tmp_path / "other.xml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.bin", "m.xml", "other.bin"]


@pytest.mark.parametrize("output", ["m.onnx", "m.xml"])
def test_a_stac_item_describes_it(source: Path, tmp_path: Path, output: str) -> None:
    validation = pytest.importorskip("pystac.validation")
    schema = pytest.importorskip("stac_model.schema")
    report = export.run(source, tmp_path / output, tile_size=SIDE, stac=True)
    assert report.outputs[-1] == str(tmp_path / "m.json")
    content = json.loads((tmp_path / "m.json").read_text())
    validation.RegisteredValidator.get_validator().validate_core(
        content, validation.STACObjectType.ITEM, content["stac_version"]
    )
    model = schema.MLModelProperties.model_validate(content["properties"])
    assert model.input[0].input.shape == [-1, 3, SIDE, SIDE]
    assert model.input[0].bands == [band["name"] for band in content["properties"]["bands"]]
    assert [found.name for found in model.output[0].classes] == ["background", "building"]
    assert len(model.framework_version.split(".")) == 3
    assert content["assets"]["model"]["bands"] == content["properties"]["bands"]
    for name, asset in content["assets"].items():
        data = (tmp_path / asset["href"]).read_bytes()
        assert asset["file:checksum"] == "1220" + hashlib.sha256(data).hexdigest()
        main = name == "model"
        assert ("mlm:model" in asset["roles"]) == ("mlm:artifact_type" in asset) == main
    with pytest.raises(OutputError, match=r"m\.json: exists already"):
        export.run(source, tmp_path / "m.pt2", stac=True)


def test_a_low_threshold_is_moved_into_the_graph(tmp_path: Path, images: np.ndarray) -> None:
    spec = ModelSpec("cnn", threshold=0.3)
    path = saved(tmp_path / "low.safetensors", spec)
    export.run(path, tmp_path / "low.onnx", tile_size=SIDE)
    probability = logits(path, images).sigmoid().numpy()
    found = by_onnx(tmp_path / "low.onnx", images)
    near = abs(probability - 0.3) < 5e-3  # of float16 weights
    assert near.mean() < 0.2
    likelier = found.argmax(axis=1)[:, None] == 1
    np.testing.assert_array_equal(likelier[~near], (probability >= 0.3)[~near])
    assert store.read_spec(tmp_path / "low.onnx").threshold == 0.5
    again = logits(tmp_path / "low.onnx", images).sigmoid().numpy()
    np.testing.assert_allclose(again, found[:, 1:], atol=1e-4)


def test_a_network_whose_logits_no_bias_moves_stays_as_it_is() -> None:
    spec = ModelSpec("cnn")
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 1), torch.nn.ReLU())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert not _shifted(network, spec, -0.7)
    torch.testing.assert_close(network.state_dict(), before)


@pytest.mark.parametrize("threshold", [0.6, 0.3])
def test_a_boundary_is_merged_into_its_building(
    tmp_path: Path, images: np.ndarray, threshold: float
) -> None:
    classes = ("background", "building", "boundary")
    path = saved(tmp_path / "m.safetensors", ModelSpec("cnn", classes=classes, threshold=threshold))
    export.run(path, tmp_path / "m.onnx", tile_size=SIDE, merge_boundary=True)
    spec = store.read_spec(tmp_path / "m.onnx")
    assert (spec.classes, spec.threshold) == (classes[:2], max(threshold, 0.5))
    building = logits(path, images).softmax(1).numpy()[:, 1:].sum(axis=1)
    found = by_onnx(tmp_path / "m.onnx", images)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    near = abs(building - threshold) < 5e-3
    np.testing.assert_array_equal(
        (found[:, 1] >= spec.threshold)[~near], (building >= threshold)[~near]
    )


def test_nothing_to_merge(source: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="a boundary, not of background, building"):
        export.run(source, tmp_path / "m.onnx", merge_boundary=True)
