"""What a file is, by its first bytes; never by its extension."""

from __future__ import annotations

from pathlib import Path

from geoseg.errors import InputError
from geoseg.io.sources import REMOTE

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
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError as error:
        raise InputError(f"{name}: does not exist") from error
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from error
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{") or head.startswith(VECTORS):
        return "vector"
    return "model" if head[8:9] == b"{" or head.startswith(ONNX) else "raster"
