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

    ``lost`` are outlines that footprint i gives way to, ``covering`` changed outlines that lie over
    the raw outline of i.
    """

    what: T
    raw: np.ndarray
    regular: Regular
    open_row: int
    lost: dict[int, list[shapely.Geometry]] = field(default_factory=dict)
    covering: dict[int, list[shapely.Geometry]] = field(default_factory=dict)


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
        shared = shapely.area(shapely.intersection(pairs.outlines[one], pairs.raw[other]))
        much = pairs.changed[one] & (shared > _COVERED * shapely.area(pairs.raw[other]))
        for greedy, neighbour in zip(one[much], other[much], strict=True):
            batch, place = pairs.place(greedy)
            batch.lost.setdefault(place, []).append(pairs.raw[neighbour])


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
    for covered, above in zip(*_covered_pairs(pairs), strict=True):
        batch, place = pairs.place(covered)
        batch.covering.setdefault(place, []).append(pairs.outlines[above])


def _covered_pairs(pairs: _Pairs[T]) -> tuple[np.ndarray, np.ndarray]:
    """Footprints whose raw outlines lie under changed outlines of others, and those others; one of
    the two is in the last batch.
    """
    count = len(pairs.outlines)
    new = np.arange(count - len(pairs.batches[-1].raw), count)
    under, over = shapely.STRtree(pairs.outlines).query(pairs.raw[new], predicate="intersects")
    above, below = shapely.STRtree(pairs.raw).query(pairs.outlines[new], predicate="intersects")
    # pairs within the last batch were found by the first query
    earlier = below < count - len(new)
    covered = np.concatenate([new[under], below[earlier]])
    cover = np.concatenate([over, new[above][earlier]])
    chosen = (covered != cover) & pairs.changed[cover]
    covered, cover = covered[chosen], cover[chosen]
    shared = shapely.area(shapely.intersection(pairs.raw[covered], pairs.outlines[cover]))
    return covered[shared > _SLIVER], cover[shared > _SLIVER]


def _spared(batch: _Batch[T]) -> Regular:
    """Outlines without the neighbours they would cover too much of; raw ones where that breaks
    them.
    """
    geometry = batch.regular.geometry.copy()
    iou = batch.regular.iou.copy()
    for i, neighbours in batch.lost.items():
        cut, agreement = _cut(geometry[i], neighbours, batch.raw[i])
        geometry[i] = batch.raw[i] if cut is None else cut
        iou[i] = agreement if np.isfinite(iou[i]) else np.nan
    return Regular(geometry, iou)


def _settled(batch: _Batch[T]) -> Regular:
    geometry = batch.regular.geometry.copy()
    iou = batch.regular.iou.copy()
    for i, winners in batch.lost.items():
        cut, agreement = _cut(geometry[i], winners, batch.raw[i])
        if cut is None:
            rest = _without(batch.raw[i], batch.covering.get(i, []))
            # what lies wholly under others is kept whole: a footprint does not vanish here
            cut = batch.raw[i] if shapely.is_empty(rest) else rest
        geometry[i] = cut
        iou[i] = agreement if np.isfinite(iou[i]) else np.nan
    return Regular(geometry, iou)


def _cut(
    outline: shapely.Geometry, others: list[shapely.Geometry], raw: shapely.Geometry
) -> tuple[shapely.Geometry | None, float]:
    """``outline`` without ``others`` and its IoU with ``raw``; None and NaN where it would be cut
    in two or agree too little.
    """
    cut = _without(outline, others)
    agreement = _iou(cut, raw)
    parts = shapely.get_num_geometries(cut) == shapely.get_num_geometries(outline)
    return (cut, agreement) if parts and agreement >= LOWEST_IOU else (None, np.nan)


def _without(outline: shapely.Geometry, others: list[shapely.Geometry]) -> shapely.Geometry:
    # on the grid of corners, where GEOS's result is the same however the batch was cut
    rest = shapely.difference(outline, shapely.union_all(others), grid_size=1 / SUBPIXEL_STEPS)
    return shapely.orient_polygons(rest)


def _iou(one: shapely.Geometry, other: shapely.Geometry) -> float:
    common = shapely.area(shapely.intersection(one, other))
    return float(common / (shapely.area(one) + shapely.area(other) - common))
