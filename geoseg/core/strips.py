"""Strips of probability as bytes, without loss: to be kept, or sent from one machine to another."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import numpy as np

# first row, probability float32 (channel, row, col), valid bool (row, col)
Strip = tuple[int, np.ndarray, np.ndarray]

# first row, channels, rows, columns, bytes of the probability and of the validity
_HEAD = struct.Struct("<6q")
# Probabilities are nearly noise to any codec, and zeros nothing: lz4 is as small as zstd within a
# fifth, and read five to ten times faster
_CODEC = "lz4"


def packed(strips: Iterable[Strip]) -> bytes:
    """The strips one after the other, compressed."""
    import pyarrow as pa  # slow to import

    parts = []
    for first, probability, valid in strips:
        floats, bits = (
            pa.compress(np.ascontiguousarray(array).tobytes(), _CODEC, asbytes=True)
            for array in (probability.astype("<f4", copy=False), np.packbits(valid))
        )
        parts += [_HEAD.pack(first, *probability.shape, len(floats), len(bits)), floats, bits]
    return b"".join(parts)


def unpacked(content: bytes) -> Iterator[Strip]:
    """What :func:`packed` made bytes of; its probabilities cannot be written to."""
    import pyarrow as pa

    at = 0
    while at < len(content):
        first, channels, rows, cols, floats, bits = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        size = channels * rows * cols * 4
        raw = pa.decompress(content[at : at + floats], size, _CODEC, asbytes=True)
        at += floats
        flags = pa.decompress(content[at : at + bits], -(-rows * cols // 8), _CODEC, asbytes=True)
        at += bits
        probability = np.frombuffer(raw, "<f4").reshape(channels, rows, cols)
        valid = np.unpackbits(np.frombuffer(flags, np.uint8), count=rows * cols)
        yield first, probability, valid.reshape(rows, cols).astype(bool)
