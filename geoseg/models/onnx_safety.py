"""What an ONNX file must not hold, found by walking its fields: no runtime opens it before.

A weight may say that it lies in another file, of any name; runtimes would read that file. So every
tensor is looked at, in attributes of nodes, in graphs within these, and in functions too:

    model -> graph -> node -> attribute -> tensor
                        ^        |
                        +-- graph
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from geoseg.errors import ModelError
from geoseg.models.protobuf import fields, number

# For each kind of message, the fields that lead on, and to which kind
_WAYS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "weight", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA = 13
_DATA_LOCATION = 14
_DATA_TYPE = 2
_FLOAT_DATA = 4
_RAW_DATA = 9
_DOUBLE_DATA = 10
_FLOATS = {1: np.float32, 10: np.float16, 11: np.float64}
_OPERATOR = 4
_LOOPS = (b"Loop", b"Scan")
DEEPEST = 64  # graphs within graphs


def check_graph(content: bytes, path: Path) -> None:
    """Raise ModelError where a tensor lies in another file, a weight is not finite, or a node is a
    loop; ValueError and IndexError where the file is malformed.
    """
    # views: each level of a file of weights would copy most of it
    waiting = [("model", memoryview(content), 0)]
    while waiting:
        kind, message, depth = waiting.pop()
        if depth > DEEPEST:
            raise ModelError(f"{path}: holds graphs within graphs, too deep to be a network")
        if kind in ("tensor", "weight"):
            _check_tensor(message, kind == "weight", path)
            continue
        ways = _WAYS[kind]
        for field, _, payload in fields(message):
            if kind == "node" and field == _OPERATOR and bytes(payload) in _LOOPS:
                raise ModelError(
                    f"{path}: holds a loop, which may never end", "export it without control flow"
                )
            if field in ways:
                waiting.append((ways[field], payload, depth + 1))


def _check_tensor(message: memoryview, finite: bool, path: Path) -> None:
    found: dict[int, memoryview | bytes] = {}
    for field, _, payload in fields(message):
        found[field] = payload
    if _EXTERNAL_DATA in found or number(found.get(_DATA_LOCATION, b"\0")):
        raise ModelError(
            f"{path}: keeps weights in other files, which are not read",
            "save it with all of them inside",
        )
    dtype = _FLOATS.get(number(found.get(_DATA_TYPE, b"\0")))
    if finite and dtype:
        held = [(_RAW_DATA, dtype), (_FLOAT_DATA, np.float32), (_DOUBLE_DATA, np.float64)]
        values = [np.frombuffer(found[field], kind) for field, kind in held if field in found]
        if any(_damaged(each) for each in values):
            raise ModelError(f"{path}: its weights are not all finite", "train it again")


def _damaged(values: np.ndarray) -> bool:
    """Whether weights hold NaN, or infinity beside numbers.

    Infinity alone, or with zeros, is a bound or a mask: what a network that pays attention adds to
    hide a place.
    """
    finite = np.isfinite(values)
    if finite.all():
        return False
    return bool(np.isnan(values).any() or values[finite].any())
