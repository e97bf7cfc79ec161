"""A model file described anew: other programs read it, and its weights are the same bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from geoseg.errors import ModelError, OutputError
from geoseg.models.metadata import rewrite
from geoseg.models.store import read_spec
from geoseg.specs import ModelSpec
from tests.scenes import red_model

SPEC = ModelSpec("red", threshold=0.37, min_area=12.5, margin=0)


def test_onnx(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    source, target = red_model(tmp_path / "a.onnx"), tmp_path / "b.onnx"
    model = onnx.load(source)
    for key, value in (("seg_thresh", "0.5"), ("tile_size", "512")):
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, source)
    rewrite(source, target, SPEC)
    assert read_spec(target) == SPEC
    before, after = onnx.load(source), onnx.load(target)
    onnx.checker.check_model(after)
    properties = {prop.key: prop.value for prop in after.metadata_props}
    assert len(properties) == len(after.metadata_props) == 3
    assert json.loads(properties["seg_thresh"]) == 0.37 and properties["tile_size"] == "512"
    for each in (before, after):
        del each.metadata_props[:]
    assert before.SerializeToString() == after.SerializeToString()
    again = tmp_path / "c.onnx"
    rewrite(target, again, SPEC)
    assert again.read_bytes() == target.read_bytes()


def test_safetensors(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from geoseg.models import modelfile

    source, target = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    tensors = {"weight": torch.arange(11.0), "bias": torch.arange(3)}
    modelfile.save(source, replace(SPEC, threshold=0.5), tensors)
    rewrite(source, target, SPEC)
    spec, state = modelfile.load(target)
    assert spec == SPEC and all(
        torch.equal(state[name], tensor) for name, tensor in tensors.items()
    )
    assert source.read_bytes()[-68:] == target.read_bytes()[-68:]


def test_what_is_no_model_is_left_alone(tmp_path: Path) -> None:
    for content in (
        b"",
        b"GIF89a....",
        b"\x08\x08garbage that is no protobuf",
        b"\x02\0\0\0\0\0\0\0{",
    ):
        (tmp_path / "odd").write_bytes(content)
        with pytest.raises(ModelError, match="odd: is"):
            rewrite(tmp_path / "odd", tmp_path / "out", SPEC)
    assert not (tmp_path / "out").exists()
    pytest.importorskip("onnx")
    with pytest.raises(OutputError):
        rewrite(red_model(tmp_path / "a.onnx"), tmp_path / "a.onnx", SPEC)
