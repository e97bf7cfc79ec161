"""More models: graphs that never end or ask for all memory, headers that say things twice."""

from __future__ import annotations

import json
from typing import Any

from tests.faults.case import Case
from tests.faults.corpus.models import (
    LOADING,
    SPEC,
    USING,
    both,
    header,
    onnx_model,
)


def loop(model: Any) -> None:
    """A loop without end before the network."""
    from onnx import TensorProto, helper

    condition = helper.make_tensor("go", TensorProto.BOOL, [], [True])
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["still"], value=condition),
         helper.make_node("Identity", ["x_in"], ["x_out"])],
        "inner",
        [helper.make_tensor_value_info("turn", TensorProto.INT64, []),
         helper.make_tensor_value_info("go_in", TensorProto.BOOL, []),
         helper.make_tensor_value_info("x_in", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, []),
         helper.make_tensor_value_info("x_out", TensorProto.FLOAT, None)],
    )  # fmt: skip
    node = helper.make_node("Loop", ["", "go", "image"], ["looped"], body=inner)
    begin = helper.make_node("Constant", [], ["go"], value=condition)
    model.graph.node[0].input[0] = "looped"
    model.graph.node.insert(0, node)
    model.graph.node.insert(0, begin)


def vast(model: Any) -> None:
    """Ones of a shape that no memory holds, added to the image."""
    from onnx import TensorProto, helper

    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [2**20, 2**20])
    model.graph.node.insert(0, helper.make_node("Constant", [], ["shape"], value=shape))
    model.graph.node.insert(1, helper.make_node("ConstantOfShape", ["shape"], ["ones"]))
    model.graph.node.insert(2, helper.make_node("ReduceSum", ["ones"], ["one"], keepdims=0))
    model.graph.node.insert(3, helper.make_node("Add", ["image", "one"], ["more"]))
    model.graph.node[4].input[0] = "more"


def listed(value: float) -> Any:
    """Weights as a list of numbers, not as bytes."""

    def change(model: Any) -> None:
        weight = model.graph.initializer[0]
        weight.ClearField("raw_data")
        weight.float_data.extend([value] * 6)

    return change


def described(tensors: str, after: bytes = b"") -> Any:
    about = json.dumps({"geoseg": SPEC.to_json()})
    return header(f'{{"__metadata__": {about}, {tensors}}}'.encode(), after=after)


ONE = '"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}'
OVERLAPPING = ONE + ', "b": {"dtype": "F32", "shape": [9], "data_offsets": [4, 40]}'
HOLED = ONE + ', "b": {"dtype": "F32", "shape": [1], "data_offsets": [90, 94]}'
MANY = ", ".join(
    f'"t{n}": {{"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}' for n in range(10_000)
)
CASES = [
    *both("onnx_loop", r"odd\.onnx: .*loop", onnx_model(loop), "odd.onnx"),
    Case("onnx_vast", USING["predict"].format("odd.onnx"), 7, "out of memory", onnx_model(vast)),
    *both(
        "onnx_nan_in_a_list", r"odd\.onnx: .*finite", onnx_model(listed(float("nan"))), "odd.onnx"
    ),
    Case(
        "onnx_numbers_in_a_list", USING["predict"].format("odd.onnx"), make=onnx_model(listed(0.5))
    ),
    *both(
        "tensor_twice", r"odd\.safetensors: ", described(f"{ONE}, {ONE}", bytes(36)), using=LOADING
    ),
    *both(
        "tensors_overlapping",
        r"odd\.safetensors: ",
        described(OVERLAPPING, bytes(40)),
        using=LOADING,
    ),
    *both("tensors_with_a_hole", r"odd\.safetensors: ", described(HOLED, bytes(94)), using=LOADING),
    *both(
        "tensors_and_more_bytes", r"odd\.safetensors: ", described(ONE, bytes(90)), using=LOADING
    ),
    *both("tensors_by_the_thousand", r"odd\.safetensors: ", described(MANY), using=LOADING),
    *both(
        "tensor_of_a_fraction",
        r"odd\.safetensors: ",
        described(ONE.replace("36]", "36.5]"), bytes(37)),
        using=LOADING,
    ),
    *both(
        "tensor_of_true",
        r"odd\.safetensors: ",
        described(ONE.replace("[9]", "[true]"), bytes(36)),
        using=LOADING,
    ),
    *both(
        "description_twice",
        r"odd\.safetensors: ",
        header(b'{"__metadata__": {"geoseg": "{}"}, "__metadata__": {"geoseg": "[]"}}'),
        using=LOADING,
    ),
]
