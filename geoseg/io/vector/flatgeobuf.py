"""Whether a FlatGeobuf holds the features that its header counts: GDAL reads as many as that, and
says nothing of the rest.

    8 bytes     magic
    4 + n       size n of the header, and the header: a table of FlatBuffers
    40 a node   index, a packed R-tree whose size follows from the count; where there is one
    4 + n       size n of a feature, and the feature; to the end of the file
"""

from __future__ import annotations

import struct
from pathlib import Path

from geoseg.errors import InputError

_MAGIC = 8
_NODE = 40
# Fields of the header by their place in the schema, and the default of the second
_COUNT, _NODE_SIZE = 8, 9
_DEFAULT_NODE_SIZE = 16


def check_count(path: Path) -> None:
    """Raise InputError where the features that follow are not as many as the header counts, or end
    elsewhere than the file.
    """
    try:
        whole = _is_whole(path)
    except struct.error:  # cut off within what says where the rest is
        whole = False
    if not whole:
        raise InputError(
            f"{path}: cannot be read: it is damaged: its features are not those that it counts"
        )


def _is_whole(path: Path) -> bool:
    size = path.stat().st_size
    with path.open("rb") as file:
        (length,) = struct.unpack("<I", file.read(_MAGIC + 4)[_MAGIC:])
        header = file.read(min(length, size))
        count = _field(header, _COUNT, "<Q", 0)
        at = (
            _MAGIC
            + 4
            + length
            + _index_size(count, _field(header, _NODE_SIZE, "<H", _DEFAULT_NODE_SIZE))
        )
        found = 0
        while at < size:
            file.seek(at)
            at += 4 + struct.unpack("<I", file.read(4))[0]
            found += 1
    return at == size and (found == count or not count)  # 0: whoever wrote it did not know


def _field(table: bytes, number: int, form: str, default: int) -> int:
    """A number in the root table of a buffer of FlatBuffers."""
    (root,) = struct.unpack_from("<I", table)
    offsets = root - struct.unpack_from("<i", table, root)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", table, offsets)[0]:
        return default
    (place,) = struct.unpack_from("<H", table, offsets + 4 + 2 * number)
    return int(struct.unpack_from(form, table, root + place)[0]) if place else default


def _index_size(count: int, node_size: int) -> int:
    """Bytes of an index: each level has a node for so many nodes of the one below, up to a root."""
    if not count or not node_size:
        return 0
    nodes = level = count
    while nodes == count or level > 1:
        level = -(-level // max(2, node_size))
        nodes += level
    return nodes * _NODE
