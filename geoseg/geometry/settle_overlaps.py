"""Neighbours whose outlines were straightened or simplified one by one: where two lie over each
other, one gives way.

Outlines are in pixels. Who gives way is told from the two alone, so that strips leave no trace: a
changed outline to a raw one, of two changed ones the smaller, of two alike the later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
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


@dataclass
class _Batch(Generic[T]):
    """Footprints with their outlines, and for each the outlines it gives way to."""

    what: T
    raw: np.ndarray
    regular: Regular
    yields_to: dict[int, list[shapely.Geometry]] = field(default_factory=dict)

    def resolve_overlaps(self) -> tuple[T, Regular]:
        geometry, iou = self.regular.geometry.copy(), self.regular.iou.copy()
        for i, others in self.yields_to.items():
            cut = shapely.orient_polygons(
                shapely.difference(
                    geometry[i], shapely.union_all(others), grid_size=1 / SUBPIXEL_STEPS
                )
            )
            agreement = _iou(cut, self.raw[i])
            whole = (
                shapely.get_num_geometries(cut) == shapely.get_num_geometries(geometry[i])
                and agreement >= LOWEST_IOU
            )
            geometry[i] = cut if whole else self.raw[i]
            iou[i] = agreement if whole and np.isfinite(iou[i]) else np.nan
        return self.what, Regular(geometry, iou)


def resolve_overlaps(
    batches: Iterable[tuple[T, np.ndarray, Regular, int]],
) -> Iterator[tuple[T, Regular]]:
    """What comes with each batch, and its outlines without overlaps, once all neighbours of its
    footprints are known.

    A batch is ``(anything, raw (n,), changed, open row)``; footprints of later batches lie below
    the open row. One that would be cut in two or have too low an IoU with its raw outline becomes
    that outline again.
    """
    held: deque[_Batch[T]] = deque()
    for what, raw, regular, open_row in batches:
        held.append(_Batch(what, raw, regular))
        _find_conflicts(list(held))
        while (
            held
            and shapely.bounds(held[0].regular.geometry)[:, 3].max(initial=0)
            <= open_row - REACH - _FINER
        ):
            yield held.popleft().resolve_overlaps()
    for batch in held:
        yield batch.resolve_overlaps()


def _find_conflicts(batches: list[_Batch[T]]) -> None:
    """Note who gives way where outlines of the last batch lie over others."""
    outlines = np.concatenate([batch.regular.geometry for batch in batches])
    changed = np.concatenate(
        [~shapely.equals_identical(batch.raw, batch.regular.geometry) for batch in batches]
    )
    owner = np.repeat(np.arange(len(batches)), [len(batch.raw) for batch in batches])
    place = np.concatenate([np.arange(len(batch.raw)) for batch in batches])
    new = np.flatnonzero(owner == len(batches) - 1)
    one, other = shapely.STRtree(outlines).query(outlines[new], predicate="intersects")
    one = new[one]
    once = (other < one) & (changed[one] | changed[other])
    first, second = other[once], one[once]
    over = shapely.area(shapely.intersection(outlines[first], outlines[second])) > _SLIVER
    first, second = first[over], second[over]
    area = shapely.area(outlines)
    weaker = np.where(changed[first] & changed[second], area[first] < area[second], changed[first])
    for loser, winner in zip(
        np.where(weaker, first, second), np.where(weaker, second, first), strict=True
    ):
        batches[owner[loser]].yields_to.setdefault(int(place[loser]), []).append(outlines[winner])


def _iou(one: shapely.Geometry, other: shapely.Geometry) -> float:
    common = shapely.area(shapely.intersection(one, other))
    return float(common / (shapely.area(one) + shapely.area(other) - common))
