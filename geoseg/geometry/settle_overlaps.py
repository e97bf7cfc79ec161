"""Neighbours whose outlines were straightened or simplified one by one: where two lie over each
other, one gives way.

Outlines are in pixels; traced outlines (``raw``) never overlap, changed ones may. Three rules, each
of which looks at two neighbours alone, so that the result is the same for any cutting into strips:

1. No changed outline covers more than a quarter of what a neighbour was traced as: that is taken
   out of it.
2. Of two that still overlap one gives way: a changed outline to a raw one, of two changed ones the
   smaller, of two alike the later.
3. One that would be cut in two, or agree too little with its raw outline, becomes the raw outline
   without what changed neighbours cover of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import shapely

from geoseg.geometry.intersections import intersection_areas
from geoseg.geometry.outlines import SUBPIXEL_STEPS
from geoseg.geometry.regularize import LOWEST_IOU, REACH, Regular

T = TypeVar("T")
# Square pixels that two outlines may share: what rounding leaves
_SLIVER = 0.01
# Pixels by which a raw outline may be larger than the pixels in it
_FINER = 0.5
# Share of a neighbour's raw outline that a changed one may cover
_COVERED = 0.25


# Two houses share a wall. Straightened one by one, a reaches over it into b, and b into a:
#
#     raw        a changed    b changed    result
#     aaa|bb     aaaa|b       aa|bbb       aaaa|b    b gives way to a, which is larger
#
# Each batch goes through twice: first all outlines give back what they may not have (rule 1), for
# who wins and how much depends on what is left (rules 2 and 3).
@dataclass
class _Batch(Generic[T]):
    """Footprints with their outlines, and for each what has to be taken out of them.

    ``lost`` are outlines that footprint i gives way to. ``above`` are footprints and the changed
    outlines that may lie over their raw ones, pair by pair.
    """

    what: T
    raw: np.ndarray
    regular: Regular
    open_row: int
    lost: dict[int, list[shapely.Geometry]] = field(default_factory=dict)
    above: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def covering(self, i: int) -> list[shapely.Geometry]:
        """Changed outlines that lie over the raw outline of footprint ``i``."""
        others = np.concatenate([outline[of == i] for of, outline in self.above])
        shared = shapely.area(shapely.intersection(self.raw[i], others))
        return list(others[shared > _SLIVER])


def resolve_overlaps(
    batches: Iterable[tuple[T, np.ndarray, Regular, int]],
) -> Iterator[tuple[T, Regular]]:
    """What comes with each batch, and its outlines without overlaps, once all neighbours of its
    footprints are known.

    A batch is ``(anything, raw (n,), changed, open row)``; footprints of later batches lie below
    the open row. ``iou`` becomes NaN where an outline is the raw one again.
    """
    spared = ((b.what, b.raw, _spared(b), b.open_row) for b in _with_neighbours(batches, _covers))
    for batch in _with_neighbours(spared, _conflicts):
        yield batch.what, _settled(batch)


def _with_neighbours(
    batches: Iterable[tuple[T, np.ndarray, Regular, int]],
    note: Callable[[list[_Batch[T]]], None],
) -> Iterator[_Batch[T]]:
    """Batches, each once ``note`` has looked at its footprints beside all of their neighbours."""
    held: deque[_Batch[T]] = deque()
    for what, raw, regular, open_row in batches:
        held.append(_Batch(what, raw, regular, open_row))
        note(list(held))
        # Footprints of later batches begin below the open row, and a changed outline reaches at
        # most REACH beyond its raw one: what ends above that has met all of its neighbours.
        while held and _bottom(held[0]) <= open_row - REACH - _FINER:
            yield held.popleft()
    yield from held


def _bottom(batch: _Batch[T]) -> float:
    return float(shapely.bounds(batch.regular.geometry)[:, 3].max(initial=0))


@dataclass(frozen=True)
class _Pairs(Generic[T]):
    """Footprints ``first`` and ``second`` (pairs), numbers into those of ``batches``, whose
    outlines overlap, at least one of them changed and one in the last batch.
    """

    batches: list[_Batch[T]]
    outlines: np.ndarray
    raw: np.ndarray
    changed: np.ndarray
    first: np.ndarray
    second: np.ndarray

    @classmethod
    def among(cls, batches: list[_Batch[T]]) -> _Pairs[T]:
        outlines = np.concatenate([batch.regular.geometry for batch in batches])
        raw = np.concatenate([batch.raw for batch in batches])
        changed = ~shapely.equals_identical(raw, outlines)
        new = np.arange(len(outlines) - len(batches[-1].raw), len(outlines))
        one, other = shapely.STRtree(outlines).query(outlines[new], predicate="intersects")
        one = new[one]
        # each pair once, by its later footprint: pairs of earlier batches were looked at with them
        once = (other < one) & (changed[one] | changed[other])
        first = other[once]
        second = one[once]
        over = shapely.area(shapely.intersection(outlines[first], outlines[second])) > _SLIVER
        return cls(batches, outlines, raw, changed, first[over], second[over])

    def place(self, number: int) -> tuple[_Batch[T], int]:
        """The batch of footprint ``number``, and its place in it."""
        for batch in self.batches:
            if number < len(batch.raw):
                return batch, int(number)
            number -= len(batch.raw)
        raise IndexError(number)


def _covers(batches: list[_Batch[T]]) -> None:
    """Note what changed outlines have to spare: neighbours that they would cover too much of."""
    pairs = _Pairs.among(batches)
    for one, other in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        outlines = pairs.outlines[one]
        raw = pairs.raw[other]
        much = _COVERED * shapely.area(raw)
        # their bounds share no less than they do, and for most that is little
        greedy = np.flatnonzero(pairs.changed[one] & (_shared_bounds(outlines, raw) > much))
        shared = intersection_areas(raw[greedy], outlines[greedy])
        greedy = greedy[shared > much[greedy]]
        for own, neighbour in zip(one[greedy], other[greedy], strict=True):
            batch, place = pairs.place(own)
            batch.lost.setdefault(place, []).append(pairs.raw[neighbour])


def _shared_bounds(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Area that the bounds of each of ``one`` (n,) and ``other`` (n,) have in common."""
    a = shapely.bounds(one)
    b = shapely.bounds(other)
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    return sides.clip(min=0).prod(axis=1)


def _conflicts(batches: list[_Batch[T]]) -> None:
    """Note who gives way where outlines of the last batch lie over others."""
    pairs = _Pairs.among(batches)
    first = pairs.first
    second = pairs.second
    changed = pairs.changed
    area = shapely.area(pairs.outlines)
    # Exactly one of the two gives way, or both would and leave a gap: the changed one if one alone
    # is; by area if both are; and of two alike `smaller` is False, so that it is the second.
    smaller = area[first] < area[second]
    weaker = np.where(changed[first] & changed[second], smaller, changed[first])
    losers = np.where(weaker, first, second)
    winners = np.where(weaker, second, first)
    for loser, winner in zip(losers, winners, strict=True):
        batch, place = pairs.place(loser)
        batch.lost.setdefault(place, []).append(pairs.outlines[winner])
    _note_above(pairs)


def _note_above(pairs: _Pairs[T]) -> None:
    """Note whose raw outlines changed outlines of others may lie over; one of the two is in the
    last batch.
    """
    # Few footprints will ask for it, so only bounds are compared here
    count = len(pairs.outlines)
    new = np.arange(count - len(pairs.batches[-1].raw), count)
    under, over = shapely.STRtree(pairs.outlines).query(pairs.raw[new])
    above, below = shapely.STRtree(pairs.raw).query(pairs.outlines[new])
    # pairs within the last batch were found by the first query
    earlier = below < count - len(new)
    covered = np.concatenate([new[under], below[earlier]])
    cover = np.concatenate([over, new[above][earlier]])
    chosen = (covered != cover) & pairs.changed[cover]
    first = 0
    for batch in pairs.batches:
        own = chosen & (covered >= first) & (covered < first + len(batch.raw))
        batch.above.append((covered[own] - first, pairs.outlines[cover[own]]))
        first += len(batch.raw)


def _spared(batch: _Batch[T]) -> Regular:
    """Outlines without the neighbours they would cover too much of; raw ones where that breaks
    them.
    """
    geometry = batch.regular.geometry.copy()
    iou = batch.regular.iou.copy()
    greedy, cut, agreement = _cut(batch)
    geometry[greedy] = np.where(np.isnan(agreement), batch.raw[greedy], cut)
    iou[greedy] = np.where(np.isfinite(iou[greedy]), agreement, np.nan)
    return Regular(geometry, iou)


def _settled(batch: _Batch[T]) -> Regular:
    geometry = batch.regular.geometry.copy()
    iou = batch.regular.iou.copy()
    losers, cut, agreement = _cut(batch)
    for place in np.flatnonzero(np.isnan(agreement)):
        i = losers[place]
        rest = _without(batch.raw[i], shapely.union_all(batch.covering(i)))
        # what lies wholly under others is kept whole: a footprint does not vanish here
        cut[place] = batch.raw[i] if shapely.is_empty(rest) else rest
    geometry[losers] = cut
    iou[losers] = np.where(np.isfinite(iou[losers]), agreement, np.nan)
    return Regular(geometry, iou)


def _cut(batch: _Batch[T]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Footprints (n,) that lose something, their outlines without it, and the IoU of these with the
    raw ones; NaN where one would be cut in two or agree too little.
    """
    losers = np.array(list(batch.lost), np.int64)
    outlines = batch.regular.geometry[losers]
    raw = batch.raw[losers]
    others = np.array([shapely.union_all(lost) for lost in batch.lost.values()], object)
    cut = _without(outlines, others)
    common = intersection_areas(raw, cut)
    agreement = common / (shapely.area(raw) + shapely.area(cut) - common)
    whole = shapely.get_num_geometries(cut) == shapely.get_num_geometries(outlines)
    return losers, cut, np.where(whole & (agreement >= LOWEST_IOU), agreement, np.nan)


def _without(outlines: np.ndarray, others: np.ndarray) -> np.ndarray:
    # on the grid of corners, where GEOS's result is the same however the batch was cut
    rest = shapely.difference(outlines, others, grid_size=1 / SUBPIXEL_STEPS)
    return shapely.orient_polygons(rest)
