"""The weights of an exported ONNX file."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper

from geoseg.errors import ModelError
from geoseg.models.registry import build
from geoseg.specs import ModelSpec

HALF = ".half"  # after the names of weights stored as float16
NETWORK = "model."  # before the names of all


def load(path: Path, spec: ModelSpec) -> tuple[ModelSpec, dict[str, torch.Tensor]]:
    """``spec`` and weights of a file that geoseg exported, in float32; layers that are not in it
    are as they are built.

    Raises ModelError where ``path`` comes from an export that merged its weights, or is quantized:
    its weights are integers that torch has no layers for.
    """
    found = {}
    graph = onnx.load(path).graph
    if any(node.op_type == "DequantizeLinear" for node in graph.node):
        raise ModelError(
            f"{path}: is quantized to 8 bits, for OpenVINO and ONNX Runtime alone",
            "train from `bundled`, and run that where torch is to compute",
        )
    for tensor in graph.initializer:
        name = tensor.name.removesuffix(HALF).removeprefix(NETWORK)
        found[name] = torch.from_numpy(numpy_helper.to_array(tensor).astype("float32"))
    state = build(spec).state_dict()
    if not found.keys() <= state.keys():
        raise ModelError(
            f"{path}: its weights were merged", "export the .safetensors it comes from again"
        )
    return spec, state | found
