"""Part buildings that touch, strip by strip as if done whole: each component is parted by itself
(watershed.py) once it is complete.

Masks are bool (row, col).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np

from geoseg.geometry.components import Components, Cut
from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.watershed import boundary_lines, neck_lines, room_for_two
from geoseg.parallel.threads import Mapper, accompanied, mapped

# A component of more rows is no group of houses; it stays as it is, so that memory has a
# bound
TALLEST = 2048
_NO_PIXELS = np.empty(0, np.int64)


# Strips are released once no unfinished component reaches into them:
#
#     a a . . b b     a ends here: it is parted, once
#     . . . . b b     b goes on below: its strips are held from the first on
#     - - - - - -     the last row so far
#
# What is complete by a strip is parted together, by a thread or another machine, while the next
# strips are taken.
def separated(
    strips: Iterable[MaskStrip],
    pixel_size: tuple[float, float],
    connectivity: int = 4,
    tallest: int = TALLEST,
    inside_only: bool = False,
    labelled: bool = False,
    mapper: Mapper = mapped,
) -> Iterator[MaskStrip]:
    """Strips of the mask with touching buildings parted, the same for any cutting.

    Buildings are parted along the ``boundary_margin`` of the strips where these have one, else at
    their necks. Strips are of any height and come out as they are cut, once the components in them
    are complete. ``pixel_size`` is metres along x and y. Components of more than
    ``tallest`` rows stay as they are. ``labelled`` boundaries are no network's. With
    ``inside_only`` nobody wants scores outside of the mask: those of strips that are held may be 0
    there, for they take most of the memory.
    """
    held: deque[_Held] = deque()

    def complete() -> Iterator[tuple[int, list[_Part]]]:
        """The components that are complete by each strip, with the first row that those to come may
        have pixels in.
        """
        components: Components | None = None
        for strip in chain((s for s in strips if len(s.mask)), [None]):
            if strip is not None:
                components = components or Components(strip.mask.shape[1], connectivity, tallest)
                held.append(_Held(components.row, strip, inside_only))
                cuts = components.add(strip.mask, strip.boundary_margin)
            elif components is not None:
                cuts = components.finish()
            else:
                return
            large = [cut for cut in cuts if room_for_two(cut.mask, pixel_size)]
            yield components.first_row, [_Part.of(cut, components) for cut in large]
            if held:  # what has not been released by now waits
                held[-1].pack()

    lines = partial(_lines, pixel_size, 1 if connectivity == 4 else 2, labelled)
    for first_row, (rows, cols) in accompanied(mapper, lines, complete()):
        if len(rows):
            for waiting in held:
                waiting.cut(rows, cols)
        while held and held[0].stop <= first_row:
            yield held.popleft().released()


class _Held:
    """A strip from ``row`` to before ``stop`` that waits for its components, and the pixels of the
    lines that were found in it.
    """

    def __init__(self, row: int, strip: MaskStrip, inside_only: bool) -> None:
        self.row = row
        self.stop = row + len(strip.mask)
        self._shape = strip.mask.shape
        self._strip: MaskStrip | None = strip
        self._inside_only = inside_only
        self._bits: list[np.ndarray | None] = []
        self._scores: np.ndarray | None = None
        self._lines: list[tuple[np.ndarray, np.ndarray]] = []

    def cut(self, rows: np.ndarray, cols: np.ndarray) -> None:
        """Note those of the pixels at ``rows`` and ``cols`` that lie in the strip."""
        own = (rows >= self.row) & (rows < self.stop)
        if own.any():
            self._lines.append((rows[own] - self.row, cols[own]))

    def pack(self) -> None:
        """Hold less that says the same: a bit for what is true or false, the scores of the mask."""
        if self._strip is None:
            return
        mask, valid, scores, _, beside = self._strip
        self._bits = [
            None if flags is None else np.packbits(flags) for flags in (mask, valid, beside)
        ]
        self._scores = scores[mask] if self._inside_only and scores is not None else scores
        self._strip = None

    def released(self) -> MaskStrip:
        """The strip with its lines."""
        strip = self._strip or self._unpacked()
        mask = strip.mask
        if self._lines:
            mask = mask.copy()  # the rows are those of whoever made them
            for pixels in self._lines:
                mask[pixels] = False
        return strip._replace(mask=mask, boundary_margin=None)

    def _unpacked(self) -> MaskStrip:
        height, width = self._shape
        mask, valid, beside = (
            None
            if bits is None
            else np.unpackbits(bits, count=height * width).reshape(self._shape).view(bool)
            for bits in self._bits
        )
        assert mask is not None and valid is not None
        scores = self._scores
        if self._inside_only and scores is not None:
            inside = scores
            scores = np.zeros(self._shape, inside.dtype)
            scores[mask] = inside
        return MaskStrip(mask, valid, scores, None, beside)


class _Part(NamedTuple):
    """A component, and how many pixels of ground ``around`` it (rows before and after, columns
    before and after) belong to the scene: one, or none at its border.
    """

    cut: Cut
    around: tuple[tuple[int, int], tuple[int, int]]

    @classmethod
    def of(cls, cut: Cut, components: Components) -> _Part:
        height, width = cut.mask.shape
        rows = int(cut.row > 0), int(cut.row + height < components.row)
        cols = int(cut.col > 0), int(cut.col + width < components.width)
        return cls(cut, (rows, cols))


def _lines(
    pixel_size: tuple[float, float], steps: int, labelled: bool, parts: list[_Part]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels between the buildings of each of ``parts``."""
    lines = [_line(pixel_size, steps, labelled, *part) for part in parts]
    rows, cols = zip(*lines, strict=True) if lines else ([_NO_PIXELS], [_NO_PIXELS])
    return np.concatenate(rows), np.concatenate(cols)


def _line(
    pixel_size: tuple[float, float],
    steps: int,
    labelled: bool,
    cut: Cut,
    around: tuple[tuple[int, int], tuple[int, int]],
) -> tuple[np.ndarray, np.ndarray]:
    if cut.values is not None:
        rows, cols = np.nonzero(boundary_lines(cut.mask, cut.values, pixel_size, steps, labelled))
        return rows + cut.row, cols + cut.col
    # a distance to the ground needs ground, which beyond the scene is unknown
    rows, cols = np.nonzero(neck_lines(np.pad(cut.mask, around), pixel_size, steps))
    return rows + (cut.row - around[0][0]), cols + (cut.col - around[1][0])
