"""Numbered buildings into outlines: one footprint for each number, also where they touch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import shapely
from scipy.ndimage import find_objects

from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.outlines import collect_parts
from geoseg.geometry.trace import Traced, trace


class _Piece(NamedTuple):
    """A building's pixels in one strip, cut out at ``row`` and ``col`` of the raster; ``beside``
    are those next to missing data.
    """

    row: int
    col: int
    mask: np.ndarray
    beside: np.ndarray | None


def trace_instances(strips: Iterable[MaskStrip]) -> Iterator[Traced]:
    """All footprints of a raster of numbered buildings in one batch, in the order of the numbers.

    ``scores`` of the strips hold the numbers. Parts of a number that lie apart are one
    MultiPolygon, wherever they are, so outlines are kept until the last row; of the pixels only
    those of buildings that may go on in the next strip.
    """
    open_pieces: dict[int, list[_Piece]] = {}
    outlines: dict[int, list[Traced]] = {}
    row = 0
    for strip in strips:
        found = _pieces(strip, row)
        for number in open_pieces.keys() - found.keys():
            outlines.setdefault(number, []).extend(_outlined(open_pieces.pop(number)))
        for number, piece in found.items():
            open_pieces.setdefault(number, []).append(piece)
        row += len(strip.mask)
    for number, pieces in open_pieces.items():
        outlines.setdefault(number, []).extend(_outlined(pieces))
    if not outlines:
        return
    batches = [
        (place, batch) for place, key in enumerate(sorted(outlines)) for batch in outlines[key]
    ]
    parts = np.concatenate([shapely.get_parts(batch.geometry) for _, batch in batches])
    counts = [len(shapely.get_parts(batch.geometry)) for _, batch in batches]
    geometry = collect_parts(parts, np.repeat([place for place, _ in batches], counts))
    pixels = np.zeros(len(outlines), np.int64)
    sums = np.zeros((len(outlines), 2))
    for place, batch in batches:
        pixels[place] += batch.pixels.sum()
        sums[place] += batch.sums.sum(axis=0)
    yield Traced(geometry, pixels, sums, row)


def _pieces(strip: MaskStrip, row: int) -> dict[int, _Piece]:
    """The pixels of each number in a strip whose first row is ``row``."""
    assert strip.scores is not None
    numbers, dense = np.unique(strip.scores[strip.mask], return_inverse=True)
    labels = np.zeros(strip.mask.shape, np.int32)
    labels[strip.mask] = dense + 1
    found = {}
    for place, (rows, cols) in enumerate(find_objects(labels), 1):
        beside = strip.touches_nodata
        found[int(numbers[place - 1])] = _Piece(
            row + rows.start,
            cols.start,
            labels[rows, cols] == place,
            None if beside is None else beside[rows, cols].copy(),
        )
    return found


def _outlined(pieces: list[_Piece]) -> Iterator[Traced]:
    """Outlines of the pixels of one number, in coordinates of the raster."""
    top, left = min(piece.row for piece in pieces), min(piece.col for piece in pieces)
    bottom = max(piece.row + piece.mask.shape[0] for piece in pieces)
    right = max(piece.col + piece.mask.shape[1] for piece in pieces)
    mask, beside = np.zeros((2, bottom - top, right - left), bool)
    for piece in pieces:
        rows = slice(piece.row - top, piece.row - top + piece.mask.shape[0])
        cols = slice(piece.col - left, piece.col - left + piece.mask.shape[1])
        mask[rows, cols] = piece.mask
        if piece.beside is not None:
            beside[rows, cols] = piece.beside & piece.mask
    corner = np.array([left, top])
    for batch in trace([(mask, [None, beside])]):
        moved = shapely.transform(batch.geometry, lambda points: points + corner)
        yield Traced(moved, batch.pixels, batch.sums, bottom)
