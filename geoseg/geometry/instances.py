"""Numbered buildings into outlines: one footprint for each number, also where they touch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import shapely
from scipy.ndimage import find_objects

from geoseg.geometry.components import Cut, joined
from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.outlines import collect_parts
from geoseg.geometry.trace import Traced, trace


@dataclass(frozen=True)
class _Parts:
    """Outlines (n,) with the number of the building each is a part of, their pixels and sums."""

    numbers: np.ndarray
    traced: Traced


def trace_instances(strips: Iterable[MaskStrip]) -> Iterator[Traced]:
    """All footprints of a raster of numbered buildings in one batch, in the order of the numbers.

    ``scores`` of the strips hold the numbers. Parts of a number that lie apart are one
    MultiPolygon, wherever they are, so outlines are kept until the last row; of the pixels only
    those of buildings that may go on in the next strip.
    """
    unfinished: dict[int, list[Cut]] = {}
    parts: list[_Parts] = []
    row = 0
    for strip in strips:
        found = _cut_out(strip, row)
        # a number that this strip lacks may come again far below: `_joined` brings its parts
        # together
        complete = {n: unfinished.pop(n) for n in unfinished.keys() - found.keys()}
        parts += _outlined(complete)
        for number, cut in found.items():
            unfinished.setdefault(number, []).append(cut)
        row += len(strip.mask)
    parts += _outlined(unfinished)
    if parts:
        yield _joined(parts, row)


def _joined(parts: list[_Parts], rows: int) -> Traced:
    """One footprint of all parts of each number."""
    numbers = np.concatenate([part.numbers for part in parts])
    order = np.argsort(numbers, kind="stable")
    geometry = np.concatenate([part.traced.geometry for part in parts])[order]
    _, owner = np.unique(numbers[order], return_inverse=True)
    pixels = np.zeros(owner[-1] + 1, np.int64)
    np.add.at(pixels, owner, np.concatenate([part.traced.pixels for part in parts])[order])
    sums = np.zeros((len(pixels), 2))
    np.add.at(sums, owner, np.concatenate([part.traced.sums for part in parts])[order])
    return Traced(collect_parts(geometry, owner), pixels, sums, rows)


def _cut_out(strip: MaskStrip, row: int) -> dict[int, Cut]:
    """The pixels of each number in a strip whose first row is ``row``, and which of them lie next
    to missing data.
    """
    assert strip.scores is not None
    ids = strip.scores[strip.mask].astype(np.int64)
    if not len(ids):
        return {}
    # `find_objects` makes a list as long as the greatest label. Numbers that lie close are only
    # shifted to begin at 1; those of a large raster's window, say 4,000,000 and 9, get new numbers
    numbers = np.arange(ids.min(), ids.max() + 1) if np.ptp(ids) < strip.mask.size else None
    if numbers is None:  # few numbers far apart
        numbers, dense = np.unique(ids, return_inverse=True)
    else:
        dense = ids - numbers[0]
    labels = np.zeros(strip.mask.shape, np.int32)
    labels[strip.mask] = dense + 1
    found = {}
    for place, window in enumerate(find_objects(labels)):
        if window is not None:
            mask = labels[window] == place + 1
            beside = None if strip.touches_nodata is None else strip.touches_nodata[window] & mask
            rows, cols = window
            found[int(numbers[place])] = Cut(row + rows.start, cols.start, mask, beside)
    return found


# Each number is cut out of the raster, so that its neighbours are gone, and many cuts are traced as
# one mask, one below the other with an empty row between them:
#
#     1 1 2 .      1 1          cuts of about one width are padded to the widest; where an outline
#     1 2 2 .  ->  1 .          lies in the pile shows whose it is and how far it has to be moved
#     . 3 . .      . .
#                  . 2
#                  2 2
#                  . .
#                  3 .
def _outlined(complete: Mapping[int, list[Cut]]) -> Iterator[_Parts]:
    """Outlines of the pixels of each number, in coordinates of the raster."""

    def width_class(item: tuple[int, Cut]) -> int:
        # widths 8 to 15 go together: at most half of the pile is padding
        return item[1].mask.shape[1].bit_length()

    wholes = [(number, joined(cuts)) for number, cuts in complete.items()]
    for _, group in groupby(sorted(wholes, key=width_class), width_class):
        numbers, cuts = zip(*group, strict=True)
        starts = np.cumsum([0, *(len(cut.mask) + 1 for cut in cuts)])
        mask, beside = np.zeros((2, starts[-1], max(cut.mask.shape[1] for cut in cuts)), bool)
        for start, cut in zip(starts[:-1], cuts, strict=True):
            window = slice(start, start + cut.mask.shape[0]), slice(cut.mask.shape[1])
            mask[window] = cut.mask
            if cut.values is not None:
                beside[window] = cut.values
        shifts = [(cut.col, cut.row - start) for start, cut in zip(starts[:-1], cuts, strict=True)]
        for batch in trace([(mask, [None, beside])]):
            place = np.searchsorted(starts, shapely.bounds(batch.geometry)[:, 1], side="right") - 1
            points, owner = shapely.get_coordinates(batch.geometry, return_index=True)
            moved = shapely.set_coordinates(
                batch.geometry.copy(), points + np.array(shifts)[place][owner]
            )
            yield _Parts(
                np.array(numbers)[place], Traced(moved, batch.pixels, batch.sums, batch.open_row)
            )
