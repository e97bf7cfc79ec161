"""What a file is, by its first bytes; never by its extension."""

from __future__ import annotations

from pathlib import Path

from geoseg.io.safety import REMOTE, first_bytes

VECTORS = {
    b"SQLite format 3\0": "gpkg",
    b"fgb": "flatgeobuf",
    b"PAR1": "parquet",
    b"\0\0\x27\x0a": "shapefile",
}
HEAD = 4096  # bytes that identify a vector format: the names of a table's columns may be long
ONNX = b"\x08"  # protobuf's tag of field 1, ir_version, which comes first in every ONNX file


def kind_of(name: str) -> str:
    """``raster``, ``vector``, ``model`` or ``chips``; ``raster`` also for unknown content.

    Raises InputError where there is nothing to read.
    """
    path = Path(name)
    if "://" in name or name.startswith(REMOTE):
        return "raster"
    if path.is_dir():
        return "chips"
    head = first_bytes(path, HEAD)
    if vector_format(head):
        return "vector"
    return "model" if model_format(head) else "raster"


def vector_format(head: bytes) -> str | None:
    """``gpkg``, ``flatgeobuf``, ``parquet``, ``shapefile``, ``geojson`` or SpaceNet's ``csv``, by
    the first ``HEAD`` bytes.
    """
    for magic, format in VECTORS.items():
        if head.startswith(magic):
            return format
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \r\n\t")
    if text.startswith(b"{"):
        return "geojson"
    return "csv" if b"PolygonWKT" in text.partition(b"\n")[0] else None


def model_format(head: bytes) -> str | None:
    """``safetensors`` or ``onnx`` by a file's first nine bytes; None for what is no model."""
    if head[8:9] == b"{":
        return "safetensors"
    return "onnx" if head.startswith(ONNX) else None
