"""A trained network as one ONNX file that geoseg, QGIS Deepness, GeoDeep, OpenVINO and ONNX Runtime
run.

Input float32 (batch, band, size, size) in [0, 1], normalisation inside; output probabilities
(batch, classes, size, size), for two classes that exclude each other [1 - p, p]. Weights are stored
as float16 and cast in the graph, which halves the file; each keeps its name, so that a network can
be built from the file again.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import helper, numpy_helper
from torch.onnx import symbolic_helper as symbolic

from geoseg.errors import ModelError
from geoseg.io.atomic import atomic
from geoseg.models.exportable import Exportable
from geoseg.models.modelfile import KEY
from geoseg.models.onnx_weights import HALF
from geoseg.specs import ModelSpec

OPSET = 17
POOLING = "aten::adaptive_avg_pool2d"
IR_VERSION = 8
MIN_HALF = 1024  # smaller tensors stay float32


@contextmanager
def _pooling() -> Iterator[None]:
    """Export adaptive mean pooling as products with two constant matrices: ONNX has it only where
    the sizes divide.
    """
    torch.onnx.register_custom_op_symbolic(POOLING, _pool, OPSET)
    try:
        yield
    finally:
        torch.onnx.unregister_custom_op_symbolic(POOLING, OPSET)


def _pool(graph: Any, image: Any, size: Any) -> Any:
    parts = symbolic._parse_arg(size, "is")
    if set(parts) == {1}:
        return graph.op("GlobalAveragePool", image)
    means = [
        _means(length, part)
        for length, part in zip(symbolic._get_tensor_sizes(image)[-2:], parts, strict=True)
    ]
    rows, cols = (
        graph.op("Constant", value_t=matrix) for matrix in (means[0], means[1].T.contiguous())
    )
    return graph.op("MatMul", graph.op("MatMul", rows, image), cols)


def _means(length: int, parts: int) -> torch.Tensor:
    """Matrix (parts, length) of the means over the parts that torch's adaptive pooling takes."""
    matrix = torch.zeros(parts, length)
    for part in range(parts):
        # for 5 pixels in 2 parts: 0 1 2 and 2 3 4, as torch rounds
        first = part * length // parts
        last = -(-(part + 1) * length // parts)
        matrix[part, first:last] = 1 / (last - first)
    return matrix


def export(model: Exportable, target: Path, *, overwrite: bool = False) -> None:
    """Write ``model`` as ONNX.

    Raises ModelError where the exported graph is not the one that was asked for.
    """
    size = model.size
    with atomic(target, overwrite) as temporary:
        with warnings.catch_warnings(), _pooling():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                # its own mode, training, keeps weights apart that happen to be equal
                model.module,
                (model.image,),
                str(temporary),
                input_names=["image"],
                output_names=["probabilities"],
                dynamic_axes={"image": {0: "batch"}, "probabilities": {0: "batch"}},
                opset_version=OPSET,
                # else batch norms are merged with the weights before them,
                training=torch.onnx.TrainingMode.PRESERVE,
                do_constant_folding=False,  # which runtimes do when they load the file
                # the newer exporter raises opset and IR beyond what Deepness's runtime reads
                dynamo=False,
            )
        graph = onnx.load(temporary)
        _check(graph, size, model.source)
        _state_shape(graph, [len(model.spec.classes), size, size])
        graph.ir_version = IR_VERSION
        _halve(graph)
        for key, value in _metadata(model.spec, size).items():
            graph.metadata_props.add(key=key, value=value)
        onnx.checker.check_model(graph)
        onnx.save(graph, temporary)


def _check(graph: Any, size: int, source: Path) -> None:
    opsets = {entry.domain: entry.version for entry in graph.opset_import}
    shape = [d.dim_value for d in graph.graph.output[0].type.tensor_type.shape.dim]
    if opsets.get("") != OPSET or shape[2:] not in ([size, size], [0, 0]):
        raise ModelError(f"{source}: cannot be exported as ONNX opset {OPSET} at {size} pixels")


def _state_shape(graph: Any, shape: list[int]) -> None:
    """Give the output the ``shape`` (classes, height, width) that it has: the exporter leaves open
    what follows from a resize or a concatenation, and Deepness refuses such models.
    """
    for side, length in zip(
        graph.graph.output[0].type.tensor_type.shape.dim[1:], shape, strict=True
    ):
        side.dim_value = length


def _halve(graph: Any) -> None:
    """Store large float32 weights as float16, each with a Cast back to float32 before its use."""
    casts = []
    for tensor in graph.graph.initializer:
        if (
            tensor.data_type != onnx.TensorProto.FLOAT
            or numpy_helper.to_array(tensor).size < MIN_HALF
        ):
            continue
        name = tensor.name
        half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype("float16"), name + HALF)
        tensor.CopyFrom(half)
        casts.append(
            helper.make_node(
                "Cast", [name + HALF], [name], f"{name}.cast", to=onnx.TensorProto.FLOAT
            )
        )
    nodes = list(graph.graph.node)
    del graph.graph.node[:]
    graph.graph.node.extend(casts + nodes)


def _metadata(spec: ModelSpec, size: int) -> dict[str, str]:
    """geoseg's description, and the keys that QGIS Deepness and GeoDeep read; every value of theirs
    is JSON.

    They take the likeliest class of each pixel, so that they get no keys for classes that do not
    exclude each other.
    """
    if spec.multilabel:
        return {KEY: spec.to_json()}
    theirs: dict[str, Any] = {
        "model_type": "Segmentor",
        "class_names": {str(i): name for i, name in enumerate(spec.classes)},
        "tile_size": size,
        "tiles_size": size,
        "tiles_overlap": 15,
        "seg_thresh": spec.threshold,
        "seg_small_segment": 0,
        "standardization_mean": [0.0] * spec.bands,
        "standardization_std": [1.0] * spec.bands,
    }
    if spec.gsd:
        theirs["resolution"] = round(spec.gsd * 100, 3)
    return {KEY: spec.to_json()} | {key: json.dumps(value) for key, value in theirs.items()}
