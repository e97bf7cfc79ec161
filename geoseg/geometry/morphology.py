"""Clean masks strip by strip: morphology with a halo, and pixels beside missing data.

Masks and validity are bool (row, col). Disks hold the pixels whose centres lie within a radius in
pixels of the middle one.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np

MaskRows = tuple[np.ndarray, np.ndarray]


class MaskStrip(NamedTuple):
    """Rows of a mask with what belongs to them, arrays (row, col) of one shape: what each stage
    hands to the next.

    ``mask`` and ``valid`` are bool. ``scores`` is the surface the mask was cut from, None where
    there is none; ``boundary_margin`` how much likelier a boundary is than the inside of a
    building, of any dtype; ``touches_nodata`` bool, the mask's pixels next to missing data, None
    where nothing is missing.
    """

    mask: np.ndarray
    valid: np.ndarray
    scores: np.ndarray | None = None
    boundary_margin: np.ndarray | None = None
    touches_nodata: np.ndarray | None = None


def halo(open_radius: float, close_radius: float) -> int:
    """Rows on either side that :func:`clean` has to see for a row of its result."""
    return 2 * int(open_radius) + 2 * int(close_radius)


def clean(
    mask: np.ndarray, valid: np.ndarray, open_radius: float, close_radius: float
) -> np.ndarray:
    """Open, then close ``mask`` with disks; the result lies within ``valid``.

    Opening removes what no disk fits in, closing fills what no disk fits in. Pixels without data
    and beyond the border count for neither side: they erode nothing and grow nothing.
    """
    if int(open_radius):
        mask = dilate(_erode(mask, valid, open_radius), open_radius) & valid
    if int(close_radius):
        mask = _erode(dilate(mask, close_radius), valid, close_radius)
    return mask


def _erode(mask: np.ndarray, valid: np.ndarray, radius: float) -> np.ndarray:
    return ~dilate(~mask & valid, radius) & valid


def dilate(mask: np.ndarray, radius: float) -> np.ndarray:
    """Pixels within ``radius`` pixels of one of ``mask``: two shifted copies for each row and
    column of the disk's half.
    """
    height, width = mask.shape
    wide = mask.copy()
    out = np.zeros_like(mask)
    reach = 0
    # A disk is as wide at its rows dy and -dy, and wider the nearer to the middle. From the
    # outermost row inwards, `wide` grows by the columns that are new: radius 2 takes
    #
    #     . . # . .      dy 2: reach 0
    #     . # # # .      dy 1: reach 1
    #     # # # # #      dy 0: reach 2
    for dy in range(int(radius), -1, -1):
        while reach < min(int(math.sqrt(radius**2 - dy**2)), width - 1):
            reach += 1
            wide[:, reach:] |= mask[:, :-reach]
            wide[:, :-reach] |= mask[:, reach:]
        if dy < height:
            out[dy:] |= wide[: height - dy]
            out[: height - dy] |= wide[dy:]
    return out


def beside_missing(mask: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Pixels of ``mask`` that have a pixel without data above, below, left or right."""
    return mask & dilate(~valid, 1)


def cleaned(
    strips: Iterable[MaskStrip], open_radius: float, close_radius: float
) -> Iterator[MaskStrip]:
    """Strips with the clean mask and what lies ``touches_nodata`` missing data, as if cleaned
    whole.

    They are of any height, and come out as they are cut, once the rows below that count are known.
    """
    reach = max(halo(open_radius, close_radius), 1)
    for above, strip, below in _with_neighbours(strips, reach):
        parts = [*above, strip[:2], *below]
        if not any(mask.any() for mask, _ in parts):  # ground without data, above all
            yield strip
            continue
        complete = all(valid.all() for _, valid in parts)
        # nothing to clean and nothing missing: most strips of a scene go on as they are
        if complete and reach == 1:
            yield strip
            continue
        mask_around, valid_around = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        top = sum(len(part) for part, _ in above)
        own = slice(top, top + len(strip.mask))
        mask_around = clean(mask_around, valid_around, open_radius, close_radius)
        touches_nodata = None if complete else beside_missing(mask_around, valid_around)[own]
        yield strip._replace(mask=mask_around[own], touches_nodata=touches_nodata)


def _with_neighbours(
    strips: Iterable[MaskStrip], count: int
) -> Iterator[tuple[list[MaskRows], MaskStrip, list[MaskRows]]]:
    """Each strip with mask and validity of the ``count`` rows above and below it, fewer at the
    scene's border.
    """
    above: list[MaskRows] = []
    queue: deque[MaskStrip] = deque()
    for strip in chain((s for s in strips if len(s.mask)), [None]):
        if strip is not None:
            queue.append(strip)
        while queue and (
            strip is None or sum(len(s.mask) for s in queue) - len(queue[0].mask) >= count
        ):
            below = _limit((s[:2] for s in list(queue)[1:]), count)
            yield above, queue[0], below
            # The rows above, counted from the lowest: strips and rows turned about, cut, turned
            # back. Copies, so that the strips that they were cut from are not held.
            upwards = [queue.popleft()[:2], *reversed(above)]
            turned = _limit(((mask[::-1], valid[::-1]) for mask, valid in upwards), count)
            above = [(mask[::-1].copy(), valid[::-1].copy()) for mask, valid in reversed(turned)]


def _limit(parts: Iterable[MaskRows], count: int) -> list[MaskRows]:
    """The first ``count`` rows of ``parts``."""
    kept: list[MaskRows] = []
    for mask, valid in parts:
        if count > 0:
            kept.append((mask[:count], valid[:count]))
        count -= len(mask)
    return kept
