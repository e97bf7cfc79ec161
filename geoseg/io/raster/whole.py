"""Whether a TIFF holds all that it claims: where its blocks lie, held against its length."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from rasterio.io import DatasetReader

from geoseg.errors import InputError

MOST_BLOCKS = 256  # that are looked at, of a file of any size
# Tags of the places of strips and of tiles
_OFFSETS = (273, 324)


def check_whole(
    name: str, dataset: DatasetReader, sparse: bool = True, most: int | None = MOST_BLOCKS
) -> None:
    """Raise InputError where blocks of a TIFF lie beyond its end: all are looked at, or of more
    than ``most`` as many, spread evenly, with the last; and where it names fewer than it has.

    With ``sparse`` blocks may be left away.
    """
    path = Path(dataset.name)
    size = path.stat().st_size
    shared = dataset.interleaving is not None and dataset.interleaving.name == "pixel"
    height, width = dataset.block_shapes[0]
    rows, cols = -(-dataset.height // height), -(-dataset.width // width)
    count = rows * cols * (1 if shared else dataset.count)
    listed = _blocks_listed(path)
    if listed is not None and listed < count:
        raise InputError(
            f"{name}: cannot be read: it is damaged, with {listed} blocks of pixels in place of "
            f"{count}"
        )
    for index in np.unique(np.linspace(0, count - 1, min(count, most or count)).astype(int)):
        band, place = divmod(int(index), rows * cols)
        row, col = divmod(place, cols)
        offset, length = (
            dataset.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", band + 1)
            for what in ("OFFSET", "SIZE")
        )
        known = offset is not None and length is not None
        if (known and int(offset) + int(length) > size) or not (known or sparse):
            raise InputError(
                f"{name}: cannot be read at row {row * height}, column {col * width}: it is "
                "damaged, for the file ends before"
            )


def _blocks_listed(path: Path) -> int | None:
    """How many places of blocks the first directory of a TIFF lists; None where it is not found.

    GDAL ignores a list that is too short, and takes all blocks for left away.
    """
    with path.open("rb") as file:
        head = file.read(16)
        order = "<" if head.startswith(b"II") else ">"
        big = head[2:4] in (b"+\0", b"\0+")
        try:
            (first,) = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)
            file.seek(first)
            (entries,) = struct.unpack(order + ("Q" if big else "H"), file.read(8 if big else 2))
            width = 20 if big else 12
            data = file.read(min(entries, 2**16) * width)
        except (struct.error, OSError):
            return None
    for start in range(0, len(data) - width + 1, width):
        tag, _, count = struct.unpack_from(order + ("HHQ" if big else "HHI"), data, start)
        if tag in _OFFSETS:
            return int(count)
    return None
