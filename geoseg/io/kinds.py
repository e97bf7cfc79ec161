"""What a file is, by its first bytes; never by its extension."""

from __future__ import annotations

from pathlib import Path

from geoseg.io.sources import REMOTE, first_bytes

VECTORS = (b"SQLite format 3\0", b"fgb", b"PAR1", b"\0\0\x27\x0a")
ONNX = b"\x08"  # protobuf's tag of field 1, ir_version, which comes first in every ONNX file


def kind_of(name: str) -> str:
    """``raster``, ``vector``, ``model`` or ``chips``; ``raster`` also for what no one can tell.

    Raises InputError where there is nothing to read.
    """
    path = Path(name)
    if "://" in name or name.startswith(REMOTE):
        return "raster"
    if path.is_dir():
        return "chips"
    head = first_bytes(path, 16)
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{") or head.startswith(VECTORS):
        return "vector"
    return "model" if model_format(head) else "raster"


def model_format(head: bytes) -> str | None:
    """``safetensors`` or ``onnx`` by a file's first nine bytes; None for what is no model."""
    if head[8:9] == b"{":
        return "safetensors"
    return "onnx" if head.startswith(ONNX) else None
