"""Read and change what a model file says of itself; its weights stay, byte for byte."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from geoseg.errors import ModelError
from geoseg.io.atomic import atomic
from geoseg.io.formats import model_format
from geoseg.models.modelfile import KEY
from geoseg.models.onnx_safety import check_graph
from geoseg.models.protobuf import BYTES, fields, varint
from geoseg.specs import ModelSpec

# A protobuf message is a row of fields; each begins with a varint of its number times 8 plus its
# wire type, 7 bits a byte, the lowest first. An entry of the metadata, a -> b, field 14 (METADATA):
#
#     72             06        0a  01  61          12  01  62
#     14 << 3 | 2    6 bytes   1 << 3 | 2, 1, "a"  2 << 3 | 2, 1, "b"
#
# So entries are found and replaced without touching the graph, which may be 100 MB of weights.
METADATA = 14  # the field of ONNX's ModelProto that holds StringStringEntryProtos: key 1, value 2


def rewrite(source: Path, target: Path, spec: ModelSpec, overwrite: bool = False) -> None:
    """Write the model file ``source`` (safetensors or ONNX) as ``target``, described by ``spec``.

    Raises ModelError where it is neither, OutputError where ``target`` cannot be written.
    """
    content = source.read_bytes()
    change = {"safetensors": _safetensors, "onnx": _onnx}.get(model_format(content[:9]) or "")
    if change is None:
        raise ModelError(f"{source}: is not a model")
    try:
        changed = change(content, spec)
    except (ValueError, KeyError, IndexError, TypeError, struct.error, RecursionError) as error:
        raise ModelError(f"{source}: is damaged") from error
    with atomic(target, overwrite) as temporary:
        temporary.write_bytes(changed)


def onnx_metadata(path: Path) -> dict[str, str]:
    """The ``metadata_props`` of an ONNX file, read without a runtime. Raises ModelError where it is
    malformed, keeps weights in other files, or holds weights that are no numbers.
    """
    try:
        content = path.read_bytes()
        check_graph(content, path)
        entries = (payload for number, _, payload in fields(content) if number == METADATA)
        return dict(_pair(entry) for entry in entries)
    except (ValueError, IndexError) as error:
        raise ModelError(f"{path}: cannot be read as ONNX") from error


def _pair(entry: bytes) -> tuple[str, str]:
    parts = {number: part.decode() for number, _, part in fields(entry) if number in (1, 2)}
    return parts.get(1, ""), parts.get(2, "")


def _safetensors(content: bytes, spec: ModelSpec) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = header.get("__metadata__", {}) | {KEY: spec.to_json()}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # so that tensors lie at multiples of 8
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def _onnx(content: bytes, spec: ModelSpec) -> bytes:
    """Only the entries of ``metadata_props`` that are replaced are left out; all other fields are
    copied as they lie.
    """
    written = {KEY: spec.to_json()}
    kept = bytearray()
    for number, field, payload in fields(content):
        key = (
            next((part.decode() for n, _, part in fields(payload) if n == 1), "")
            if number == METADATA
            else ""
        )
        if key == "seg_thresh":  # QGIS Deepness takes its threshold from there
            written[key] = json.dumps(spec.threshold)
        elif key != KEY:
            kept += field
    return bytes(kept) + b"".join(_entry(key, value) for key, value in written.items())


def _entry(key: str, value: str) -> bytes:
    parts = b"".join(_bytes_field(number, text.encode()) for number, text in ((1, key), (2, value)))
    return _bytes_field(METADATA, parts)


def _bytes_field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | BYTES) + varint(len(payload)) + payload
