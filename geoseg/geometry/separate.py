"""Part buildings that touch: a watershed on the distance to the ground or on a boundary, strip by
strip as if done whole.

Masks are bool (row, col). A building is widest in its middle and a neck is narrow, so two maxima of
the distance belong to two buildings where the saddle between them lies low: h-maxima (Soille,
Morphological Image Analysis, 2003, 6.3.5) of the distance's logarithm, so that what counts is the
neck's width compared with that of the narrower building, of any size. At the corner of an L
the ratio is 0.85, at the middle of a T 0.8; below 0.75 neither loses a wing. Each maximum floods
its surroundings (Beucher and Lantuéjoul, 1979), and a line of single pixels stays free between two
floods.

Where a network predicts the boundaries of buildings too, what it takes for the inside of one is
flooded instead, up to the ridge of the boundary: the energy of a deep watershed (Bai and Urtasun,
CVPR 2017), learnt as a class. Scraps of it join their neighbours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from geoseg.geometry.components import Components, Cut
from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.scraps import joined_scraps
from geoseg.parallel.threads import Mapper, accompanied, mapped

# A neck is cut where it is narrower than this share of the narrower of the two buildings
NECK = 0.75
# Half the width that a building has at least: metres, and pixels, below which widths are too coarse
# to compare
_RADIUS = 1.5
_RADIUS_PIXELS = 4.0
# Share of the area of the narrowest building that its inside, the boundary left out, has at least
_INSIDE = 0.25
# What has less room than two buildings of so many times the area of the narrowest one, 100 m2 at a
# GSD of 0.375 m and finer, is one house (docs/accuracy.md, "What footprints are lost by")
_GROUP = 7.0
# A scrap of a building has at most so many times that area, 25 m2
_SCRAP = 3.5
# A component of more rows is no group of houses; it stays as it is, so that memory has a
# bound
TALLEST = 2048
_NO_PIXELS = np.empty(0, np.int64)
_AROUND = np.ones((3, 3), bool)


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
    mapper: Mapper = mapped,
) -> Iterator[MaskStrip]:
    """Strips of the mask with touching buildings parted, the same for any cutting.

    Buildings are parted along the ``boundary_margin`` of the strips where these have one, else at
    their necks. Strips are of any height and come out as they are cut, once the components in them
    are complete. ``pixel_size`` is metres along x and y. Components of more than
    ``tallest`` rows stay as they are. With ``inside_only`` nobody wants scores outside of the mask:
    those of strips that are held may be 0 there, for they take most of the memory.
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
            large = [cut for cut in cuts if _room_for_two(cut.mask, pixel_size)]
            yield components.first_row, [_Part.of(cut, components) for cut in large]
            if held:  # what has not been released by now waits
                held[-1].pack()

    lines = partial(_lines, pixel_size, 1 if connectivity == 4 else 2)
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
    pixel_size: tuple[float, float], steps: int, parts: list[_Part]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels between the buildings of each of ``parts``."""
    lines = [_line(pixel_size, steps, *part) for part in parts]
    rows, cols = zip(*lines, strict=True) if lines else ([_NO_PIXELS], [_NO_PIXELS])
    return np.concatenate(rows), np.concatenate(cols)


def _line(
    pixel_size: tuple[float, float],
    steps: int,
    cut: Cut,
    around: tuple[tuple[int, int], tuple[int, int]],
) -> tuple[np.ndarray, np.ndarray]:
    if cut.values is not None:
        rows, cols = np.nonzero(along_ridge(cut.mask, cut.values, pixel_size, steps))
        return rows + cut.row, cols + cut.col
    # a distance to the ground needs ground, which beyond the scene is unknown
    rows, cols = np.nonzero(dividing(np.pad(cut.mask, around), pixel_size, steps))
    return rows + (cut.row - around[0][0]), cols + (cut.col - around[1][0])


def _room_for_two(
    pixels: np.ndarray, pixel_size: tuple[float, float], share: float = _INSIDE
) -> bool:
    """Whether the ``pixels``, bool, have the area of two buildings of the least width, or of that
    ``share`` of them.
    """
    across, along = pixel_size
    area = np.count_nonzero(pixels) * across * along
    return bool(area >= 2 * share * np.pi * _least(pixel_size) ** 2)


def dividing(component: np.ndarray, pixel_size: tuple[float, float], steps: int = 1) -> np.ndarray:
    """Pixels bool (row, col) of the lines between the buildings of one ``component``.

    ``steps`` 1 parts 4-connected buildings, 2 those that are 8-connected. What lies beyond the
    array is unknown, no ground.
    """
    across, along = pixel_size
    least = _least(pixel_size)
    # most are a single building
    if not _room_for_two(component, pixel_size, 1.0) or component.all():
        return np.zeros_like(component)
    distance = ndimage.distance_transform_edt(component, (along, across))
    # the line runs through the narrowest part of the neck
    return _between(component, -distance, _middles(distance, least), steps)


# Two rooms with half-widths of 4 and 6 m and a neck of 2.5 m are two, for 2.5 < 0.75 * 4:
#
#     half-width  6, 2.5, 4     at 0.75 * 4 = 3 m and more the narrower room lies alone
#
# A neck of 3.5 m is no neck: at 3 m and more the rooms hang together, and 4 m is not the widest.
def _middles(distance: np.ndarray, least: float) -> np.ndarray:
    """The middles of buildings of at least the half-width ``least``, numbered from 1, int32 (row,
    col): what hangs together around a maximum of the ``distance`` at no less than ``NECK`` of it,
    where that holds no higher one.
    """
    middles = np.zeros(distance.shape, np.int32)
    # porches and noise are narrow: the flood of a neighbour takes them
    tops = (distance >= least) & (distance == ndimage.maximum_filter(distance, 3))
    wide, _ = ndimage.label(distance >= NECK * least, _AROUND)
    count = 0
    for label, box in enumerate(ndimage.find_objects(wide), 1):
        inside = wide[box] == label
        height = np.where(inside, distance[box], 0)
        left = np.argwhere(inside & tops[box])
        while len(left):
            heights = height[tuple(left.T)]
            top = tuple(left[heights.argmax()])
            regions, _ = ndimage.label(height >= NECK * height[top], _AROUND)
            region = regions == regions[top]
            if height[region].max() <= height[top]:
                count += 1
                middles[box][region] = count
            # the others in it are lower, and it holds a higher one for them too
            left = left[~region[tuple(left.T)]]
    return middles


def along_ridge(
    component: np.ndarray,
    boundary_margin: np.ndarray,
    pixel_size: tuple[float, float],
    steps: int = 1,
) -> np.ndarray:
    """Like :func:`dividing`, along the crest of ``boundary_margin`` (row, col) between parts of the
    ``component`` where it is below 0.
    """
    inside = component & (boundary_margin < 0)
    around = ndimage.generate_binary_structure(2, steps)
    # most are a single building
    if not (_room_for_two(component, pixel_size, _GROUP) and _room_for_two(inside, pixel_size)):
        return np.zeros_like(component)
    parts, _ = ndimage.label(inside, around)
    # scraps of inside are not buildings and get no flood
    across, along = pixel_size
    area = np.bincount(parts.ravel())[1:] * across * along
    wide = area >= _INSIDE * np.pi * _least(pixel_size) ** 2
    middles = np.append(0, np.cumsum(wide) * wide).astype(np.int32)[parts]
    line = _between(component, boundary_margin, middles, steps)
    parts, count = ndimage.label(component & ~line, around)
    largest = _SCRAP * np.pi * _least(pixel_size) ** 2 / (across * along)
    return joined_scraps(parts, line, boundary_margin, largest) if count > 1 else line


def _between(
    component: np.ndarray, surface: np.ndarray, middles: np.ndarray, steps: int
) -> np.ndarray:
    """Pixels bool (row, col) of the ``component`` where the floods of the ``middles``, rising over
    the ``surface``, meet.
    """
    from skimage.segmentation import watershed

    if middles.max() < 2:
        return np.zeros_like(component)
    # Pixels with nothing but their own middle around them have nothing to flood. They are most of
    # all, and without them the queue of the watershed is short.
    core = ndimage.binary_erosion(middles, ndimage.generate_binary_structure(2, steps))
    open_ground = component & ~core
    floods = watershed(surface, middles, connectivity=steps, mask=open_ground, watershed_line=True)
    return open_ground & (floods == 0)


def _least(pixel_size: tuple[float, float]) -> float:
    """Half the width in metres that a building has at least."""
    return max(_RADIUS, _RADIUS_PIXELS * max(pixel_size))
