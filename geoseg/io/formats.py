"""What a file is, by its first bytes; never by its extension."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path, PurePosixPath

from geoseg.io.safety import first_bytes
from geoseg.io.stac import split_asset
from geoseg.io.xyz import is_tile_folder

VECTORS = {
    b"SQLite format 3\0": "gpkg",
    b"fgb": "flatgeobuf",
    b"PAR1": "parquet",
    b"PARE": "parquet",  # encrypted
    b"\0\0\x27\x0a": "shapefile",
}
HEAD = 4096  # bytes that identify a vector format: the names of a table's columns may be long
ONNX = b"\x08"  # protobuf's tag of field 1, ir_version, which comes first in every ONNX file
ZIP = b"PK\3\4"
# What is read inside of a zip archive
ZIPPED = (".shp", ".gdb", ".kml", ".geojson", ".gml")
_BOM = b"\xef\xbb\xbf"


def kind_of(name: str) -> str:
    """``raster``, ``vector``, ``model`` or ``chips``; ``raster`` also for unknown content. A STAC
    item without an asset is the GeoJSON that it is.

    Raises InputError where there is nothing to read.
    """
    path = Path(name)
    named_asset = (split_asset(name) or ("", None))[1]
    if "://" in name or name.startswith("/vsi") or named_asset or is_tile_folder(path):
        return "raster"
    if vector_kind(path):
        return "vector"
    if path.is_dir():
        return "chips"
    return "model" if model_format(first_bytes(path, HEAD)) else "raster"


def vector_kind(path: Path) -> str | None:
    """As :func:`vector_format`, and ``gdb``, a folder, and ``zip`` where one of those is packed.

    Raises InputError where there is no such file.
    """
    if path.is_dir():
        return "gdb" if path.suffix.lower() == ".gdb" and any(path.glob("*.gdbtable")) else None
    head = first_bytes(path, HEAD)
    if head.startswith(ZIP):
        return "zip" if zipped(path) else None
    return vector_format(head)


def vector_format(head: bytes) -> str | None:
    """``gpkg``, ``flatgeobuf``, ``parquet``, ``shapefile``, ``geojson``, ``kml``, ``gml`` or
    SpaceNet's ``csv``, by the first ``HEAD`` bytes.
    """
    for magic, format in VECTORS.items():
        if head.startswith(magic):
            return format
    # editors on Windows begin text with a byte order mark
    text = head.removeprefix(_BOM).lstrip(b" \r\n\t")
    if text.startswith(b"{"):
        return "geojson"
    if text.startswith(b"<"):
        return _xml(text)
    return "csv" if b"PolygonWKT" in text.partition(b"\n")[0] else None


def _xml(text: bytes) -> str | None:
    """``kml`` or ``gml`` by the first element."""
    first = re.search(rb"<(?:\w+:)?(\w+)[\s>]", text)
    if first is None:
        return None
    if first[1] == b"kml":
        return "kml"
    gml = first[1].endswith(b"FeatureCollection") and b"opengis.net/gml" in text
    return "gml" if gml else None


def zipped(path: Path) -> list[str]:
    """Names, in a zip archive, of the vector files and geodatabases that are read there; none where
    it is no archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [PurePosixPath(name) for name in archive.namelist()]
    except (zipfile.BadZipFile, NotImplementedError, OSError):
        return []
    found: dict[str, None] = {}
    for name in names:
        # what macOS adds: __MACOSX/._roofs.shp
        if name.name.startswith("._") or ".." in name.parts or name.is_absolute():
            continue
        # a file inside of a geodatabase stands for the whole folder
        inner = next((each for each in reversed(name.parents) if each.suffix == ".gdb"), name)
        if inner.suffix.lower() in ZIPPED:
            found[str(inner)] = None
    return list(found)


def model_format(head: bytes) -> str | None:
    """``safetensors`` or ``onnx`` by a file's first nine bytes; None for what is no model."""
    if head[8:9] == b"{":
        return "safetensors"
    return "onnx" if head.startswith(ONNX) else None
