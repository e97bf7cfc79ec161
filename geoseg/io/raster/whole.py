"""Whether a raster holds all that it claims, before its pixels are read: the places of a TIFF's
blocks, held against its length, and the ends of PNGs and JPEG 2000s, which GDAL reads in part.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from geoseg.errors import InputError
from geoseg.parallel.memory import check_memory

MOST_BLOCKS = 256  # that are looked at, of a file of any size
# TIFF's tags: places of strips and of tiles, the size of the raster, of strips and of tiles, bands,
# whether these lie apart (2); and its types of integers
_OFFSETS = (273, 324)
_TILE = (322, 323)
_WIDTH = 256
_HEIGHT = 257
_ROWS = 278
_BANDS = 277
_PLANES = 284
_INTEGERS = {3: "H", 4: "I", 16: "Q"}
_COUNTS = (279, 325)
# Types of the lists of blocks that GDAL reads value by value; of up to four values it reads whole
# lists, those of any integers
_LISTED = (3, 4, 16, 17)
_LISTED_WHOLE = (1, 6, 8, 9)
_COMPRESSION = 259
_HEADER = 8  # bytes, in which no block can lie
_PNG = b"\x89PNG\r\n\x1a\n"
_END_OF_CODESTREAM = b"\xff\xd9"
_DAMAGED = "cannot be read: it is damaged"


def check_before(name: str, driver: str) -> None:
    """Raise InputError where the local raster ``name`` ends before its pixels do, where libtiff
    would look for its directory beyond the end, which it prints to stderr, or where a list of its
    blocks is of a type that GDAL does not read.
    """
    path = Path(name)
    with path.open("rb") as file:
        if driver == "GTiff":
            broken = not _directory_within(name, path)
        elif driver == "PNG":
            broken = not _png_ends(file, path.stat().st_size)
        elif driver == "JP2OpenJPEG":
            file.seek(-2, 2)
            broken = file.read() != _END_OF_CODESTREAM and not _boxes_follow(file)
        else:
            return
    if broken:
        raise InputError(f"{name}: {_DAMAGED}, for the file ends before")


def _png_ends(file: BinaryIO, size: int) -> bool:
    """Whether the chunks of a PNG, each with its length, type and checksum, come to an end."""
    at = len(_PNG)
    while at + 12 <= size:
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        at += 12 + length
        if kind == b"IEND":
            return at <= size
    return False


def _boxes_follow(file: BinaryIO) -> bool:
    """Whether a JPEG 2000's codestream is followed by other boxes, as its length says."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return False
        length, kind = struct.unpack_from(">I4s", head)
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack_from(">Q", head, 8)
        if length < 8:
            return False
        at += length
        if kind == b"jp2c":
            file.seek(at - 2)
            return file.read(2) == _END_OF_CODESTREAM


def check_whole(
    name: str, dataset: DatasetReader, sparse: bool = True, most: int | None = MOST_BLOCKS
) -> None:
    """Raise InputError where blocks of a TIFF lie beyond its end or in its header: all are looked
    at, or of more than ``most`` as many, spread evenly, with the last; and where it names fewer
    than it has.

    With ``sparse`` blocks may be left away.
    """
    path = Path(dataset.name)
    size = path.stat().st_size
    shared = dataset.interleaving is not None and dataset.interleaving.name == "pixel"
    height, width = dataset.block_shapes[0]
    rows = -(-dataset.height // height)
    cols = -(-dataset.width // width)
    # bands that lie apart have blocks of their own
    count = rows * cols * (1 if shared else dataset.count)
    listed, needed = _blocks(path)
    if listed < needed:
        raise InputError(f"{name}: {_DAMAGED}, with {listed} blocks of pixels in place of {needed}")
    least = _bytes_of_row(path, dataset) if height < dataset.height or cols > 1 else 0
    # a copy that broke off lacks the end, so that samples and the last block find it
    for index in np.unique(np.linspace(0, count - 1, min(count, most or count)).astype(int)):
        band, place = divmod(int(index), rows * cols)
        row, col = divmod(place, cols)
        offset, length = _place(name, dataset, band + 1, f"{col}_{row}")
        used = min(height, dataset.height - row * height) if cols == 1 else height
        problem = "the file ends before"
        if offset is None or length is None:
            broken = not sparse
        elif int(offset) < _HEADER:
            broken, problem = True, "this block lies in the header"
        else:
            short = 0 < int(length) < used * least
            broken = short or int(offset) + int(length) > size
        if broken:
            raise InputError(
                f"{name}: cannot be read at row {row * height}, column {col * width}: it is "
                f"damaged, for {problem}"
            )


def _place(
    name: str, dataset: DatasetReader, band: int, block: str
) -> tuple[str | None, str | None]:
    """Offset and length of a block, None where the file says neither."""
    try:
        offset, length = (
            dataset.get_tag_item(f"BLOCK_{what}_{block}", "TIFF", band)
            for what in ("OFFSET", "SIZE")
        )
    except (RasterioError, CPLE_BaseError) as error:
        check_memory(error)
        raise InputError(f"{name}: {_DAMAGED}, in the list of its blocks") from error
    return offset, length


def _bytes_of_row(path: Path, dataset: DatasetReader) -> int:
    """How many bytes a row of a block takes, 0 where that depends on its values."""
    tags = _tags(path)
    if tags.get(_COMPRESSION, (1, 1))[1] != 1:
        return 0
    packed = dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS")
    if packed or dataset.dtypes[0].startswith("complex"):
        return 0
    bands = 1 if tags.get(_PLANES, (1, 1))[1] == 2 else dataset.count
    return int(dataset.block_shapes[0][1] * bands * np.dtype(dataset.dtypes[0]).itemsize)


def _directory_within(name: str, path: Path) -> bool:
    """Whether the first directory of a TIFF, and its lists of blocks, lie inside the file. Raises
    InputError where a list is of a type that GDAL does not read.
    """
    size = path.stat().st_size
    tags = _tags(path)
    for tag in tags.keys() & {*_OFFSETS, *_COUNTS}:
        count, value, kind = tags[tag]
        # GDAL takes what it does not read for zeros: blocks left away, or the header for pixels
        if kind not in _LISTED and not (count <= 4 and kind in _LISTED_WHOLE):
            raise InputError(f"{name}: {_DAMAGED}, in the list of its blocks")
        # one or two short ones stand in the directory itself; all others lie where it says
        if count > 4 and value > size:
            return False
    return bool(tags)


def _blocks(path: Path) -> tuple[int, int]:
    """How many places of blocks the first directory of a TIFF lists, and how many it needs; none
    where it is not understood.

    GDAL ignores a list that is too short, and takes all blocks for left away.
    """
    tags = _tags(path)
    listed = next((tags[tag][0] for tag in _OFFSETS if tag in tags), None)
    width, height = (tags.get(tag, (0, 0))[1] for tag in (_WIDTH, _HEIGHT))
    tile_width, tile_height = (tags.get(tag, (0, 0))[1] for tag in _TILE)
    rows = tile_height or min(height, tags.get(_ROWS, (1, height))[1])
    if listed is None or not (width and height and rows):
        return 0, 0
    bands = tags.get(_BANDS, (1, 1))[1] if tags.get(_PLANES, (1, 1))[1] == 2 else 1
    return listed, -(-height // rows) * -(-width // (tile_width or width)) * bands


def _tags(path: Path) -> dict[int, tuple[int, int, int]]:
    """The tags of the first directory: how many values each has, the first where it is one
    integer, and their type.
    """
    with path.open("rb") as file:
        head = file.read(16)
        order = "<" if head.startswith(b"II") else ">"
        big = head[2:4] in (b"+\0", b"\0+")
        try:
            (first,) = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)
            file.seek(first)
            (entries,) = struct.unpack(order + ("Q" if big else "H"), file.read(8 if big else 2))
            size = 20 if big else 12
            data = file.read(min(entries, 2**16) * size)
        except (struct.error, OSError, ValueError, OverflowError):  # beyond any file
            return {}
    found = {}
    for start in range(0, len(data) - size + 1, size):
        tag, kind, count = struct.unpack_from(order + ("HHQ" if big else "HHI"), data, start)
        # a value that fits stands in the entry itself, left-justified; else its place in the file
        # does
        form = _INTEGERS.get(kind if big or kind != 16 else 3, "H")
        (value,) = struct.unpack_from(order + form, data, start + (12 if big else 8))
        found[tag] = count, value, kind
    return found
