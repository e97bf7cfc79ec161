"""Whether a PMTiles (specification 3) is whole: its directories lead to all of its tiles.

header    127 bytes: where the four parts lie, and how many tiles there are
root      entries: a tile, or some alike (where its bytes are), or a leaf of further entries
metadata  JSON
leaves    directories as the root
tiles     each compressed by gzip, which ends with a checksum
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_HEADER = struct.Struct("<7sB11Q2B")
_GZIP = 2


@dataclass(frozen=True)
class _Entry:
    """``count`` tiles with the same content; a leaf directory where that is 0."""

    count: int
    length: int
    offset: int


def is_whole(path: Path, features: bool) -> bool:
    """Whether every tile that the header counts can be unpacked, and there are any where there are
    ``features``. Raises struct.error, OSError and ValueError for what is no PMTiles.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        magic, version, *numbers, _, inner = _HEADER.unpack(file.read(_HEADER.size))
        places, counts = numbers[:8], numbers[8:]
        parts = list(zip(places[::2], places[1::2], strict=True))
        if (magic, version, inner) != (b"PMTiles", 3, _GZIP) or max(map(sum, parts)) > size:
            return False
        root, metadata, (leaves, _), (tiles, _) = parts
        found = list(_entries(file, *root, leaves))
        contents = {entry.offset: entry.length for entry in found}
        counted = [sum(entry.count for entry in found), len(found), len(contents)]
        if counted != counts or bool(found) < features or not _unpacks(file, *metadata):
            return False
        return all(_unpacks(file, tiles + at, contents[at]) for at in sorted(contents))


def _entries(file: IO[bytes], at: int, length: int, leaves: int) -> Iterator[_Entry]:
    """The tiles of a directory and of those below it."""
    for entry in _directory(_read(file, at, length)):
        if entry.count:
            yield entry
        else:
            yield from _entries(file, leaves + entry.offset, entry.length, leaves)


def _directory(packed: bytes) -> list[_Entry]:
    """Numbers in columns: how many entries, steps of their tiles, counts, lengths, offsets + 1; an
    offset of 0 follows the entry before.
    """
    numbers = _varints(gzip.decompress(packed))
    size = next(numbers)
    columns = [[next(numbers) for _ in range(size)] for _ in range(4)]
    found: list[_Entry] = []
    for count, length, offset in zip(*columns[1:], strict=True):
        place = offset - 1 if offset else found[-1].offset + found[-1].length
        found.append(_Entry(count, length, place))
    return found


def _varints(content: bytes) -> Iterator[int]:
    """Seven bits a byte, the lowest first; the highest bit says that more follow."""
    number = shift = 0
    for byte in content:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number = shift = 0


def _read(file: IO[bytes], at: int, length: int) -> bytes:
    file.seek(at)
    return file.read(length)


def _unpacks(file: IO[bytes], at: int, length: int) -> bool:
    try:
        gzip.decompress(_read(file, at, length))
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return False
    return True
