"""Exported models are what QGIS Deepness and GeoDeep expect, read back with onnx."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from geoseg.errors import ModelError, OutputError, UsageError  # noqa: E402
from geoseg.models import modelfile  # noqa: E402
from geoseg.models.registry import build  # noqa: E402
from geoseg.specs import ModelSpec  # noqa: E402
from geoseg.tools import export  # noqa: E402


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = ModelSpec("cnn", gsd=0.3)
    path = tmp_path_factory.mktemp("model") / "cnn.safetensors"
    modelfile.save(path, spec, build(spec).state_dict())
    return path


def test_the_graph_and_its_metadata(source: Path, tmp_path: Path) -> None:
    report = export.run(source, tmp_path / "cnn.onnx", tile_size=96)
    model = onnx.load(tmp_path / "cnn.onnx")
    assert {o.domain: o.version for o in model.opset_import}[""] == 17 and model.ir_version <= 9
    (image,) = model.graph.input
    assert [d.dim_value for d in image.type.tensor_type.shape.dim][1:] == [3, 96, 96]
    assert image.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
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
    with pytest.raises(UsageError, match=r"\.onnx"):
        export.run(source, tmp_path / "cnn.tflite")
    (tmp_path / "text.safetensors").write_text("no model, only words")
    with pytest.raises(ModelError):
        export.run(tmp_path / "text.safetensors", tmp_path / "x.onnx")
    (tmp_path / "cnn.onnx").write_text("mine")
    with pytest.raises(OutputError):
        export.run(source, tmp_path / "cnn.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cnn.onnx", "text.safetensors"]
