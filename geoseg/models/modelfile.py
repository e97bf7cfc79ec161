"""The model file: safetensors with the ModelSpec as one JSON value under the header key ``geoseg``.
Never pickle.

The header is read without torch (https://github.com/huggingface/safetensors, "Format"): eight bytes
little-endian length, then JSON. ONNX models carry the same JSON under the metadata key ``geoseg``.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseg.errors import InputError, ModelError, ResourceError
from geoseg.io.atomic import atomic
from geoseg.specs import ModelSpec

if TYPE_CHECKING:
    import torch

KEY = "geoseg"
MAX_HEADER = 100_000_000
MAX_SIDES = 16  # of a tensor; weights of a convolution have four


def save(
    path: Path | str, spec: ModelSpec, state: dict[str, torch.Tensor], overwrite: bool = False
) -> None:
    """Write a model file; it appears whole or not at all. Equal weights give equal bytes."""
    from safetensors.torch import save as serialize

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    with atomic(path, overwrite) as temporary:
        # save_file would make the file private to the user
        temporary.write_bytes(serialize(tensors, metadata={KEY: spec.to_json()}))


def read_spec(path: Path | str) -> ModelSpec:
    """ModelSpec of a safetensors model file, without torch. Raises InputError (missing) and
    ModelError (malformed).
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: does not exist")
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(MAX_HEADER, path.stat().st_size):
            raise ModelError(f"{path}: is not a model file")
        header = file.read(length)
    try:
        content = json.loads(header)
        text = content.pop("__metadata__")[KEY]
        # where the last tensor ends: a download that broke off has a header and lacks the rest
        end = max(map(_end_of, content.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path}: is not a geoseg model file") from error
    if 8 + length + end > path.stat().st_size:
        raise ModelError(f"{path}: is cut short")
    try:
        return ModelSpec.from_json(text)
    except ModelError as error:
        raise ModelError(f"{path}: {error.message}", error.hint) from error


def _end_of(tensor: dict[str, Any]) -> int:
    """Where a tensor ends behind the header; ValueError where its shape does not fill its place,
    which torch, seconds later, would find too.
    """
    start, end = tensor["data_offsets"]
    sides = [int(side) for side in tensor["shape"]]
    bits = re.search(r"\d+", tensor["dtype"].replace("BOOL", "U8"))
    if (
        len(sides) > MAX_SIDES
        or min([start, *sides]) < 0
        or not bits
        or end - start != math.prod(sides) * int(bits[0]) // 8
    ):
        raise ValueError("a tensor of another size")
    return int(end)


def load(path: Path | str) -> tuple[ModelSpec, dict[str, torch.Tensor]]:
    """ModelSpec and weights of a model file. Raises as :func:`read_spec` does, and ModelError for
    weights that are not finite.
    """
    spec = read_spec(path)
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise ResourceError(
            f"{path}: needs torch", "pip install 'geoseg[train]', or use an exported .onnx"
        ) from error
    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path}: its weights cannot be read: it is damaged") from error
    for name, tensor in state.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ModelError(f"{path}: its weights are not all finite: {name}", "train it again")
    return spec, state


def fingerprint(path: Path | str) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the file."""
    return sha256(path)[:16]


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
