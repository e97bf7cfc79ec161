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
CVPR 2017), learnt as a class.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
from scipy import ndimage

from geoseg.geometry.morphology import MaskStrip
from geoseg.parallel.threads import mapped

# A neck is cut where it is narrower than this share of the narrower of the two buildings
NECK = 0.75
# Half the width that a building has at least: metres, and pixels, below which widths are too coarse
# to compare
_RADIUS = 1.5
_RADIUS_PIXELS = 4.0
# Share of the area of the narrowest building that its inside, the boundary left out, has at least
_INSIDE = 0.25
# A component of more rows is no group of houses; it stays as it is, so that memory has a
# bound
TALLEST = 2048


def separated(
    strips: Iterable[MaskStrip],
    pixel_size: tuple[float, float],
    connectivity: int = 4,
    tallest: int = TALLEST,
) -> Iterator[MaskStrip]:
    """Strips of the mask with touching buildings parted, the same for any cutting.

    Buildings are parted along the ``boundary_margin`` of the strips where these have one, else at
    their necks. Strips are of any height and come out as they are cut, once the components in them
    are complete. ``pixel_size`` is metres along x and y. Components of more than
    ``tallest`` rows stay as they are.
    """
    held: deque[MaskStrip] = deque()
    rows: _RowBuffer | None = None
    for strip in chain((s for s in strips if len(s.mask)), [None]):
        if strip is not None:
            rows = rows or _RowBuffer(strip, pixel_size, connectivity, tallest)
            if not held and not strip.mask.any():
                rows.skip(strip)
                yield strip._replace(boundary_margin=None)
                continue
            rows.add(strip)
            held.append(strip)
        if rows is None:
            return
        ready = rows.settle(last=strip is None)
        while held and len(held[0].mask) <= ready:
            done = held.popleft()
            ready -= len(done.mask)
            yield done._replace(mask=rows.release(len(done.mask)), boundary_margin=None)


# Rows are released once no unfinished component reaches into them:
#
#     a a . . b b     a ends here: it is parted, once
#     . . . . b b     b goes on below: its rows are held from the first on
#     - - - - - -     the last row so far
class _RowBuffer:
    """Rows of the mask that are held, as they came (``raw``) and parted (``out``), below one that
    has gone already.

    ``boundary_margin`` has that of each row, None if there is none. ``tall`` marks pixels of the
    row that has gone whose component is known to be too tall; ``seen`` rows of ``raw`` were there
    when it was last looked at, its components ``labels`` (row, col) from 1 on, ``too_tall`` one a
    label.
    """

    def __init__(
        self,
        first: MaskStrip,
        pixel_size: tuple[float, float],
        connectivity: int,
        tallest: int,
    ) -> None:
        self.pixel_size = pixel_size
        self.steps = 1 if connectivity == 4 else 2
        self.tallest = tallest
        width = first.mask.shape[1]
        self.raw = self.out = np.zeros((0, width), bool)
        self.boundary_margin = None if first.boundary_margin is None else first.boundary_margin[:0]
        self.tall = np.zeros(width, bool)
        self.above = 0  # 1 once a row has gone
        self.seen = 0
        self.labels = np.zeros((0, width), np.int32)
        self.too_tall = np.zeros(0, bool)

    def add(self, strip: MaskStrip) -> None:
        self.raw, self.out = (np.concatenate([held, strip.mask]) for held in (self.raw, self.out))
        if self.boundary_margin is not None and strip.boundary_margin is not None:
            self.boundary_margin = np.concatenate([self.boundary_margin, strip.boundary_margin])

    def skip(self, strip: MaskStrip) -> None:
        """Rows without any of the mask, which nothing waits for: they go as they came."""
        self.raw = self.out = strip.mask[-1:]
        self.labels = np.zeros(self.raw.shape, np.int32)
        self.tall = np.zeros(self.raw.shape[1], bool)
        if strip.boundary_margin is not None:
            self.boundary_margin = strip.boundary_margin[-1:]
        self.above = self.seen = 1

    def settle(self, last: bool) -> int:
        """Part what is complete by now; the number of rows that may go."""
        labels, count = ndimage.label(self.raw, ndimage.generate_binary_structure(2, self.steps))
        boxes = ndimage.find_objects(labels)
        top, bottom = (
            np.array([getattr(box[0], end) for box in boxes], int) for end in ("start", "stop")
        )
        # A component that was too tall when its upper rows were released must stay whole below,
        # though what is left of it is short: it is known by the pixels of the row that has gone.
        tall = bottom - top > self.tallest
        if self.above:
            tall[labels[0][self.tall & (labels[0] > 0)] - 1] = True
        unfinished = bottom == len(self.raw) if not last else np.zeros(count, bool)
        # what ended in rows that were looked at before has been parted before
        complete = np.flatnonzero(~unfinished & ~tall & (bottom >= max(self.seen, 1)))

        def line(i: int) -> tuple[tuple[slice, ...], np.ndarray]:
            return self._line(labels, i + 1, boxes[i])

        for around, between in mapped(line, complete.tolist()):
            self.out[around] &= ~between
        self.seen = len(self.raw)
        self.labels = labels
        self.too_tall = tall
        return int(top[unfinished & ~tall].min(initial=len(self.raw))) - self.above

    def _line(
        self, labels: np.ndarray, label: int, box: tuple[slice, slice]
    ) -> tuple[tuple[slice, ...], np.ndarray]:
        """Where one component lies in ``out``, and the line between its buildings there."""
        # one pixel more: a distance to the ground needs ground, which beyond the array is unknown
        around = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
        component = labels[around] == label
        if self.boundary_margin is None:
            return around, dividing(component, self.pixel_size, self.steps)
        margin = self.boundary_margin[around]
        return around, along_ridge(component, margin, self.pixel_size, self.steps)

    def release(self, count: int) -> np.ndarray:
        """The next ``count`` rows, parted."""
        # One row that has gone is kept, so that components still hang together across it, and a
        # distance knows what is above.
        first = self.above
        end = self.above + count
        done = self.out[first:end].copy()
        label = self.labels[end - 1]
        self.tall = (label > 0) & np.append(False, self.too_tall)[label]
        self.raw = self.raw[end - 1 :]
        self.out = self.out[end - 1 :]
        self.labels = self.labels[end - 1 :]
        self.boundary_margin = (
            None if self.boundary_margin is None else self.boundary_margin[end - 1 :]
        )
        self.seen -= end - 1
        self.above = 1
        return done


def dividing(component: np.ndarray, pixel_size: tuple[float, float], steps: int = 1) -> np.ndarray:
    """Pixels bool (row, col) of the lines between the buildings of one ``component``.

    ``steps`` 1 parts 4-connected buildings, 2 those that are 8-connected. What lies beyond the
    array is unknown, no ground.
    """
    from skimage.morphology import local_maxima, reconstruction
    from skimage.segmentation import watershed

    line = np.zeros_like(component)
    if component.all():
        return line
    across, along = pixel_size
    distance = ndimage.distance_transform_edt(component, (along, across))
    least = _least(pixel_size)
    # two buildings of the least width do not fit in, as is the case for most
    if component.sum() * across * along < 2 * np.pi * least**2 or distance.max() < least:
        return line
    if _one_core(distance, least):
        return line
    # Of the logarithm, so that one height h = -log NECK parts at a ratio of widths: two rooms with
    # half-widths of 4 and 6 m and a neck of 2.5 m are two, for 2.5 < 0.75 * 4.
    #
    #     half-width  6, 2.5, 4     the lower peak stands 4 / 2.5 = 1.6 times above the saddle,
    #                               which is more than 1 / 0.75: both are peaks
    #
    # The reconstruction of the lowered level under the level leaves a plateau for each such peak.
    # Ground has a quarter of a pixel, as 0 has no logarithm.
    level = np.log(np.where(component, distance, min(pixel_size) / 4))
    flooded = reconstruction(level + np.log(NECK), level)
    peaks, count = ndimage.label(local_maxima(flooded) & component, np.ones((3, 3)))
    # narrow peaks are balconies and noise: the flood of a neighbour takes them
    wide = ndimage.maximum(distance, peaks, np.arange(1, count + 1)) >= least
    if wide.sum() < 2:
        return line
    markers = np.append(0, np.cumsum(wide) * wide)[peaks]
    # on the distance itself, so that the line runs through the narrowest part of the neck
    floods = watershed(-distance, markers, connectivity=steps, mask=component, watershed_line=True)
    return component & (floods == 0)


def along_ridge(
    component: np.ndarray,
    boundary_margin: np.ndarray,
    pixel_size: tuple[float, float],
    steps: int = 1,
) -> np.ndarray:
    """Like :func:`dividing`, along the crest of ``boundary_margin`` (row, col) between parts of the
    ``component`` where it is below 0.
    """
    from skimage.segmentation import watershed

    inside, _ = ndimage.label(
        component & (boundary_margin < 0), ndimage.generate_binary_structure(2, steps)
    )
    across, along = pixel_size
    area = np.bincount(inside.ravel())[1:] * across * along
    # scraps of inside are not buildings and get no flood
    wide = area >= _INSIDE * np.pi * _least(pixel_size) ** 2
    if wide.sum() < 2:
        return np.zeros_like(component)
    markers = np.append(0, np.cumsum(wide) * wide)[inside]
    floods = watershed(
        boundary_margin, markers, connectivity=steps, mask=component, watershed_line=True
    )
    return component & (floods == 0)


def _least(pixel_size: tuple[float, float]) -> float:
    """Half the width in metres that a building has at least."""
    return max(_RADIUS, _RADIUS_PIXELS * max(pixel_size))


def _one_core(distance: np.ndarray, least: float) -> bool:
    """Whether all maxima of at least ``least`` hang together above the greatest saddle that could
    part two: most houses.
    """
    peaks = (distance >= least) & (distance == ndimage.maximum_filter(distance, 3))
    cores = ndimage.label(distance >= NECK * distance.max(), np.ones((3, 3)))[0][peaks]
    # a label of 0 is a peak outside of all cores, different labels are several cores
    return bool(cores.min() > 0 and cores.min() == cores.max())
