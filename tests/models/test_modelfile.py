"""The model file: read back by the library that owns the format, and refused where it is not
one.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
from safetensors import safe_open  # noqa: E402

from geoseg.errors import InputError, ModelError, OutputError  # noqa: E402
from geoseg.models import modelfile  # noqa: E402
from geoseg.models.registry import build  # noqa: E402
from geoseg.specs import ModelSpec, Stretch  # noqa: E402

SPEC = ModelSpec(
    "cnn",
    classes=("background", "building"),
    gsd=0.25,
    dtype="uint16",
    stretch=Stretch((1, 2, 3), (10, 20, 30)),
    threshold=0.4,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    modelfile.save(path, SPEC, build(SPEC).state_dict())
    return path


def test_safetensors_reads_it(path: Path) -> None:
    with safe_open(path, framework="np") as file:
        assert list(file.metadata()) == ["geoseg"]
        assert json.loads(file.metadata()["geoseg"])["architecture"] == "cnn"
        names = [name for name in file.keys() if "running" not in name and "num_" not in name]  # noqa: SIM118
        assert sum(file.get_tensor(name).size for name in names) == 1_403_233


def test_the_spec_comes_back_whole(path: Path) -> None:
    assert modelfile.read_spec(path) == SPEC


def test_equal_weights_give_equal_bytes(path: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    modelfile.save(again, *modelfile.load(path))
    assert again.read_bytes() == path.read_bytes()
    assert modelfile.fingerprint(again) == modelfile.fingerprint(path)


def test_an_existing_file_is_not_replaced_unasked(path: Path) -> None:
    with pytest.raises(OutputError):
        modelfile.save(path, SPEC, build(SPEC).state_dict())


def _header(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        b"a text that is no model at all",
        struct.pack("<Q", 1 << 60) + b"{}",
        _header(b"[]"),
        _header(b'{"__metadata__": {}}'),
        _header(b'{"__metadata__": {"geoseg": "not json"}}'),
        _header(b'{"__metadata__": {"geoseg": "[]"}}'),
        _header(b'{"__metadata__": {"geoseg": "{}"}}'),
        _header(b'{"__metadata__": {"geoseg": "{\\"architecture\\": \\"cnn\\", \\"bands\\": 0}"}}'),
        _header(
            b'{"__metadata__": {"geoseg": "{\\"architecture\\": \\"cnn\\", \\"surprise\\": 1}"}}'
        ),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"odd\.safetensors: ") as caught:
        modelfile.read_spec(path)
    assert "\n" not in str(caught.value)


def test_a_missing_model_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        modelfile.read_spec(tmp_path / "none.safetensors")


def test_cut_off_weights_are_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])
    for read in (modelfile.read_spec, modelfile.load):
        with pytest.raises(ModelError, match="cut short"):
            read(path)
