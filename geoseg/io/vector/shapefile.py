"""A Shapefile is several files; what is missing beside the ``.shp`` is made again, or named.

What each of them is, and what comes of it where it is missing:

    roofs.shp    outlines, one record after the other
    roofs.shx    where each record begins: made again, also where it does not fit
    roofs.dbf    attributes: none, with a warning; refused where it has other rows
    roofs.prj    the CRS: none
"""

from __future__ import annotations

import mmap
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from geoseg.errors import InputError
from geoseg.io.safety import first_bytes, is_file
from geoseg.report import Remarks

_HEADER = 100  # bytes, of the .shp and of the .shx
_RECORD = struct.Struct(">ii")  # of the .shp: its number and its length; of the .shx: place, length
_STAND_IN = "layer"
# What GDAL opens with a .shp, in small or in large letters
_INDEX, _TABLE, _OTHERS = ".shx", ".dbf", (".prj", ".cpg")


@contextmanager
def whole(path: Path, remarks: Remarks | None) -> Iterator[Path]:
    """``path``, or a copy by links with an index of its own where that of the Shapefile is missing
    or wrong: GDAL would write one into the folder of the input, or read what is not there as
    footprints without a geometry. ``remarks`` takes what was missing.

    Raises InputError where a file is cut short or belongs to another, or where records cannot be
    followed.
    """
    missing = Remarks() if remarks is None else remarks
    parts = {suffix: _beside(path, suffix) for suffix in (_INDEX, _TABLE, *_OTHERS)}
    _check_length(path)
    index = parts.pop(_INDEX)
    fits = index is not None and _fits(path, index)
    content = index.read_bytes() if fits and index else index_of(path)
    if (table := parts[_TABLE]) is None:
        missing.append(f"{path}: has no {path.stem}.dbf beside it, so no attributes")
    else:
        _check_table(table, path, (len(content) - _HEADER) // _RECORD.size)
    if fits:
        yield path
        return
    wrong = f"{index.name} does not fit it" if index else f"has no {path.stem}.shx beside it"
    missing.append(f"{path}: {wrong}, its index is made from its records")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, f"{_STAND_IN}.shp")
        copy.symlink_to(path.absolute())
        for suffix, part in parts.items():
            if part is not None:
                copy.with_suffix(suffix).symlink_to(part.absolute())
        copy.with_suffix(_INDEX).write_bytes(content)
        yield copy


def _beside(path: Path, suffix: str) -> Path | None:
    named = (path.with_suffix(suffix), path.with_suffix(suffix.upper()))
    return next((part for part in named if is_file(part)), None)


def _check_length(path: Path) -> None:
    """Raise InputError where a .shp is shorter than it says."""
    words = int.from_bytes(first_bytes(path, 28)[24:], "big")  # of 16 bits
    if 2 * words > path.stat().st_size or 2 * words < _HEADER:
        raise InputError(f"{path}: cannot be read: it is damaged, for the file ends before")


def _check_table(table: Path, path: Path, outlines: int) -> None:
    """Raise InputError where the .dbf of ``path`` is cut short, or has another number of rows."""
    head = first_bytes(table, 12)
    # version, date of three bytes, number of rows, length of the header and of a row
    rows, start, width = struct.unpack("<4xIHH", head) if len(head) == 12 else (0, 1, 0)
    if start + rows * width > table.stat().st_size or rows != outlines:
        wrong = "is cut short" if rows == outlines else f"has {rows} rows for {outlines} outlines"
        raise InputError(
            f"{path}: its {table.name} {wrong}", "without it the outlines can be read alone"
        )


def _fits(path: Path, index: Path) -> bool:
    """Whether each row of a .shx leads to a record of the length that it says."""
    rows = np.frombuffer(index.read_bytes()[_HEADER:], np.uint8)
    if index.stat().st_size < _HEADER or len(rows) % _RECORD.size:
        return False
    places, words = rows.view(">i4").reshape(-1, 2).astype(np.int64).T
    records = np.memmap(path, np.uint8, "r")
    ends = 2 * (places + words) + _RECORD.size
    if ((places < _HEADER // 2) | (words < 2) | (ends > len(records))).any():
        return False
    lengths = records[2 * places[:, None] + np.arange(4, 8)].view(">i4")[:, 0]
    return bool((lengths == words).all())


# A record that has grown is written again at the end, where the index then points to; the old one
# stays in its place. Numbers part the two, and keep the order of the rows in the .dbf:
#
#     number  1   2   3   2          ->   index: 1st, 4th, 3rd
def index_of(path: Path) -> bytes:
    """The content of the ``.shx`` of a ``.shp``. Raises InputError where a record reaches beyond
    the file, or one of a number is missing.
    """
    places: dict[int, tuple[int, int]] = {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        header = content[:_HEADER]
        end = 2 * int.from_bytes(header[24:28], "big")
        at = _HEADER
        while at + _RECORD.size <= end:
            number, words = _RECORD.unpack_from(content, at)
            if words < 2:  # the type alone takes two
                break
            places[number] = at // 2, words
            at += _RECORD.size + 2 * words
    if at != end or places.keys() != set(range(1, len(places) + 1)):
        raise InputError(
            f"{path}: cannot be read: it is damaged, for its records do not follow each other"
        )
    length = (_HEADER + _RECORD.size * len(places)) // 2
    rows = b"".join(_RECORD.pack(*places[number]) for number in sorted(places))
    return header[:24] + length.to_bytes(4, "big") + header[28:] + rows
