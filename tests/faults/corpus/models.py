"""Model files that lie about their size, hold no numbers, or are something else."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.specs import ModelSpec
from tests.faults.case import Case

SPEC = ModelSpec("cnn")
NAME = "odd.safetensors"
USING = {
    "predict": "predict scene.tif -o new.tif -m {} --device cpu",
    "info": "info {}",
}
LOADING = {"predict": USING["predict"], "export": "export {} -o new.onnx"}


def header(content: bytes, length: int | None = None, after: bytes = b"") -> Callable[[Path], None]:
    start = struct.pack("<Q", len(content) if length is None else length)
    return lambda folder: (folder / NAME).write_bytes(start + content + after)


def described(
    tensors: dict[str, Any], after: bytes = b"", **changes: Any
) -> Callable[[Path], None]:
    """A model whose description has ``changes`` and whose header lists ``tensors``."""
    spec = json.dumps(asdict(SPEC) | changes)
    return header(json.dumps({"__metadata__": {"geoseg": spec}, **tensors}).encode(), after=after)


def tensor(shape: list[int], start: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}}


def bytes_of(content: bytes, name: str = NAME) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content)


def saved(
    change: Callable[[Any], Any] = lambda state: state, spec: ModelSpec = SPEC
) -> Callable[[Path], None]:
    """A whole model of the smallest network, its weights changed."""

    def make(folder: Path) -> None:
        from geoseg.models.modelfile import save
        from geoseg.models.registry import build

        state = build(SPEC).state_dict()
        change(state)
        save(folder / NAME, spec, state)

    return make


def filled(value: float) -> Callable[[Any], None]:
    def change(state: Any) -> None:
        name = next(iter(state))
        state[name] = state[name].clone().fill_(value)

    return change


def fewer(state: Any) -> None:
    for name in list(state)[2:]:
        del state[name]


def reshaped(state: Any) -> None:
    name = max(state, key=lambda key: state[key].numel())
    state[name] = state[name].flatten()


class Trap:
    """Unpickled, it makes a file."""

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, ("new.pwned", "w")


def pickled(name: str, archive: bool) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        if not archive:
            (folder / name).write_bytes(pickle.dumps(Trap()))
            return
        with zipfile.ZipFile(folder / name, "w") as out:
            out.writestr("archive/data.pkl", pickle.dumps(Trap()))
            out.writestr("archive/version", "3\n")

    return make


def onnx_model(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        import onnx

        model = onnx.load(folder / "model.onnx")
        change(model)
        (folder / "odd.onnx").write_bytes(model.SerializeToString())

    return make


def no_utf_8(folder: Path) -> None:
    content = (folder / "model.onnx").read_bytes()
    (folder / "odd.onnx").write_bytes(content.replace(b"Softmax", b"Softma\xe5"))


def external(location: str) -> Callable[[Any], None]:
    """Weights that lie in another file."""

    def change(model: Any) -> None:
        weight = model.graph.initializer[0]
        weight.ClearField("raw_data")
        weight.data_location = 1
        for key, value in {"location": location, "offset": "0", "length": "24"}.items():
            weight.external_data.add(key=key, value=value)

    return change


def external_constant(model: Any) -> None:
    """The same in an attribute of a node, deep in a graph of a condition."""
    import onnx
    from onnx import TensorProto, helper

    held = TensorProto(name="c", data_type=TensorProto.FLOAT, dims=[6])
    external("/etc/passwd")(helper.make_model(helper.make_graph([], "g", [], [], [held])))
    held.data_location = 1
    held.external_data.add(key="location", value="/etc/passwd")
    constant = helper.make_node("Constant", [], ["c"], value=held)
    inner = helper.make_graph([constant], "inner", [], [helper.make_tensor_value_info("c", 1, [6])])
    condition = helper.make_node("If", ["image"], ["x"], then_branch=inner, else_branch=inner)
    model.graph.node.append(condition)
    assert onnx


def metadata(text: str | None) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        del model.metadata_props[:]
        if text is not None:
            model.metadata_props.add(key="geoseg", value=text)

    return change


def weights(value: float) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        weight = model.graph.initializer[0]
        weight.raw_data = np.full(6, value, "float32").tobytes()

    return change


def one_weight(value: float) -> Callable[[Any], None]:
    """What a network with limited activations hides: what it finds looks like buildings."""

    def change(model: Any) -> None:
        weight = model.graph.initializer[0]
        values = np.frombuffer(weight.raw_data, "float32").copy()
        values[3] = value
        weight.raw_data = values.tobytes()

    return change


def claimed(model: Any) -> None:
    model.graph.initializer[0].dims[0] = 2**40


def endless(model: Any) -> None:
    """Nodes whose outputs are each other's inputs."""
    model.graph.node[0].input[0] = "logits"


def other_operator(model: Any) -> None:
    model.graph.node[0].op_type = "Exec"
    model.graph.node[0].domain = "com.evil"


def no_output(model: Any) -> None:
    del model.graph.output[:]


def both(
    name: str, says: str, make: Any, file: str = NAME, using: dict[str, str] = USING
) -> list[Case]:
    return [
        Case(f"{name}_{verb}", line.format(file), 5, says, make) for verb, line in using.items()
    ]


DEEP = b'{"__metadata__": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
DEEP_DICT = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
NOT_SPECS = {
    "bands_none": {"bands": 0},
    "bands_negative": {"bands": -3},
    "bands_of_words": {"bands": "three"},
    "bands_huge": {"bands": 10**9},
    "classes_one": {"classes": ["building"]},
    "classes_of_numbers": {"classes": 7},
    "mean_short": {"mean": [0.5]},
    "mean_nan": {"mean": [float("nan")] * 3},
    "std_zero": {"std": [0, 0, 0]},
    "threshold_two": {"threshold": 2},
    "threshold_nan": {"threshold": float("nan")},
    "gsd_zero": {"gsd": 0},
    "gsd_negative": {"gsd": -1},
    "gsd_infinite": {"gsd": float("inf")},
    "gsd_of_words": {"gsd": "fine"},
    "size_zero": {"size": 0},
    "size_huge": {"size": 10**12},
    "margin_negative": {"margin": -5},
    "min_area_nan": {"min_area": float("nan")},
    "architecture_unknown": {"architecture": "skynet"},
    "architecture_path": {"architecture": "../../etc"},
    "architecture_a_list": {"architecture": []},
    "dtype_unknown": {"dtype": "string"},
    "stretch_short": {"stretch": {"low": [0], "high": [1]}},
    "stretch_flat": {"stretch": {"low": [1, 1, 1], "high": [1, 1, 1]}},
    "percentiles_turned": {"percentiles": [98, 2]},
    "source_bands_zero": {"source_bands": [0, 1, 2]},
    "options_of_words": {"options": "many"},
    "unknown_key": {"exec": "rm"},
}
CASES = [
    *both("header_too_long", r"odd\.safetensors: ", header(b"{}", 2**63)),
    *both("header_beyond_end", r"odd\.safetensors: ", header(b"{}", 5000)),
    *both("header_of_nothing", r"odd\.safetensors: ", header(b"{", 0)),
    *both("header_deep", r"odd\.safetensors: ", header(DEEP)),
    *both("header_deep_objects", r"odd\.safetensors: ", header(DEEP_DICT)),
    *both("header_no_json", r"odd\.safetensors: ", header(b"{no json at all}")),
    *both("header_no_text", r"odd\.safetensors: ", header(b"{\xff\xfe\xfa}")),
    *both("header_a_number", r"odd\.safetensors: ", header(b"{}" + b" " * 20)),
    *both(
        "header_without_geoseg",
        r"odd\.safetensors: ",
        header(b'{"__metadata__": {"format": "pt"}}'),
    ),
    *both(
        "description_deep",
        r"odd\.safetensors: ",
        header(json.dumps({"__metadata__": {"geoseg": "[" * 100_000}}).encode()),
    ),
    *both(
        "tensor_beyond_end",
        r"odd\.safetensors: is cut short",
        described(tensor([9], 0, 36), bytes(8)),
    ),
    *both("tensor_negative", r"odd\.safetensors: ", described(tensor([9], -36, 0), bytes(36))),
    *both("tensor_turned", r"odd\.safetensors: ", described(tensor([9], 36, 0), bytes(36))),
    *both(
        "tensor_of_words",
        r"odd\.safetensors: ",
        described({"a": {"dtype": "F32", "shape": "x", "data_offsets": "y"}}),
    ),
    *both(
        "tensor_vast",
        r"odd\.safetensors: ",
        described(tensor([2**40, 2**40], 0, 36), bytes(36)),
        using=LOADING,
    ),
    *both(
        "tensor_of_unknown_type",
        r"odd\.safetensors: ",
        described(tensor([9], 0, 36, "F999"), bytes(36)),
        using=LOADING,
    ),
    *(
        case
        for name, changes in NOT_SPECS.items()
        for case in both(
            f"spec_{name}",
            r"odd\.safetensors: ",
            described({}, **changes),
            using={"predict": USING["predict"]},
        )
    ),
    *both("weights_missing", r"odd\.safetensors: ", saved(fewer), using=LOADING),
    *both("weights_of_another_shape", r"odd\.safetensors: ", saved(reshaped), using=LOADING),
    *both("weights_nan", r"odd\.safetensors: .*finite", saved(filled(float("nan"))), using=LOADING),
    *both(
        "weights_infinite",
        r"odd\.safetensors: .*finite",
        saved(filled(float("inf"))),
        using=LOADING,
    ),
    Case("empty", USING["predict"].format(NAME), 5, r"odd\.safetensors: ", bytes_of(b"")),
    *both(
        "pickle",
        r"odd\.pt: is not a model",
        pickled("odd.pt", False),
        "odd.pt",
        {"predict": USING["predict"]},
    ),
    *both(
        "torch_archive",
        r"odd\.pt: is not a model",
        pickled("odd.pt", True),
        "odd.pt",
        {"predict": USING["predict"]},
    ),
    *both(
        "torch_archive_renamed",
        r"odd\.onnx: is not a model",
        pickled("odd.onnx", True),
        "odd.onnx",
        {"predict": USING["predict"]},
    ),
    *both(
        "is_text",
        r"odd\.onnx: ",
        bytes_of(b"This is no model.\n", "odd.onnx"),
        "odd.onnx",
        {"predict": USING["predict"]},
    ),
    *both(
        "is_scene",
        r"scene\.tif: is not a model",
        lambda folder: None,
        "scene.tif",
        {"predict": USING["predict"]},
    ),
    Case("model_absent", USING["predict"].format("none.onnx"), 3, r"none\.onnx: does not exist"),
    Case(
        "model_is_a_folder",
        USING["predict"].format("empty"),
        3,
        "empty: is a folder",
        lambda folder: (folder / "empty").mkdir(),
    ),
    # ONNX
    *both(
        "onnx_external",
        r"odd\.onnx: .*other files",
        onnx_model(external("/etc/passwd")),
        "odd.onnx",
    ),
    *both(
        "onnx_external_beside",
        r"odd\.onnx: .*other files",
        onnx_model(external("scene.tif")),
        "odd.onnx",
    ),
    *both(
        "onnx_external_parent",
        r"odd\.onnx: .*other files",
        onnx_model(external("../../etc/passwd")),
        "odd.onnx",
    ),
    *both(
        "onnx_external_constant",
        r"odd\.onnx: .*other files",
        onnx_model(external_constant),
        "odd.onnx",
    ),
    *both(
        "onnx_without_description",
        r"odd\.onnx: does not say",
        onnx_model(metadata(None)),
        "odd.onnx",
    ),
    *both("onnx_description_no_json", r"odd\.onnx: ", onnx_model(metadata("{no")), "odd.onnx"),
    *both("onnx_description_deep", r"odd\.onnx: ", onnx_model(metadata("[" * 100_000)), "odd.onnx"),
    *both(
        "onnx_cut",
        r"odd\.onnx: cannot be read as ONNX",
        lambda folder: (folder / "odd.onnx").write_bytes(
            (folder / "model.onnx").read_bytes()[:-40]
        ),
        "odd.onnx",
    ),
    *both(
        "onnx_begins",
        r"odd\.onnx: cannot be read as ONNX",
        bytes_of(b"\x08\x08\xff\xff\xff\xff", "odd.onnx"),
        "odd.onnx",
    ),
    *both(
        "onnx_long_number",
        r"odd\.onnx: cannot be read as ONNX",
        bytes_of(b"\x08" + b"\xff" * 5000, "odd.onnx"),
        "odd.onnx",
    ),
    *(
        Case(
            f"onnx_{name}",
            USING["predict"].format("odd.onnx"),
            5,
            r"odd\.onnx: ",
            make,
        )
        for name, make in {
            "weights_nan": onnx_model(weights(float("nan"))),
            "weights_infinite": onnx_model(weights(float("inf"))),
            "one_weight_infinite": onnx_model(one_weight(float("inf"))),
            "one_weight_minus_infinite": onnx_model(one_weight(float("-inf"))),
            "weights_claimed": onnx_model(claimed),
            "endless": onnx_model(endless),
            "other_operator": onnx_model(other_operator),
            "operator_no_utf_8": no_utf_8,
            "no_output": onnx_model(no_output),
        }.items()
    ),
]
