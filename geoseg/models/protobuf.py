"""The fields of a protobuf message, which is what ONNX files are: a tag and a value each.

08 08            field 1, a number: 8
3a 05 ...        field 7, five bytes: a text, or another message
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

BYTES = 2  # protobuf's wire type of what has a length
LONGEST = 10  # bytes of a number of 64 bits, seven of them in each
Content = TypeVar("Content", bytes, memoryview)


def fields(content: Content) -> Iterator[tuple[int, Content, Content]]:
    """Number, all bytes, and payload of each field of a protobuf message; of a memoryview without
    a copy.
    """
    at = 0
    while at < len(content):
        first = at
        tag, at = _read_number(content, at)
        kind = tag & 7
        if kind == 0:
            _, end = _read_number(content, at)
        elif kind == BYTES:
            length, at = _read_number(content, at)
            end = at + length
        elif kind in (1, 5):
            end = at + (8 if kind == 1 else 4)
        else:
            raise ValueError(f"wire type {kind}")
        if end > len(content):
            raise ValueError("cut off")
        yield tag >> 3, content[first:end], content[at:end]
        at = end


def number(payload: bytes | memoryview) -> int:
    """The value of a field that is a number."""
    return _read_number(payload, 0)[0]


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _read_number(content: bytes | memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 7 * LONGEST:
        byte = content[at]
        value |= (byte & 127) << shift
        at = at + 1
        shift = shift + 7
        if byte < 128:
            return value, at
    raise ValueError("a number of more than 64 bits")
