"""Give scraps of a parted block of houses back to their neighbours.

A network takes ridges, seams between two roofings and edges of shadows for boundaries too, so that
some parts are no houses. What is far smaller than the houses around it joins the neighbour that
the weakest boundary parts it from: merging by a region adjacency graph (Trémeau and Colantoni,
IEEE Transactions on Image Processing, 2000).
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

import numpy as np

# A scrap has less than this share of the median area of the parts of its block
# (docs/experiments.md, "What footprints are lost by")
SCRAP = 0.5
# Of two parts, by their numbers: sum of the boundary's strength between them, pixels
_Shared = dict[int, tuple[float, int]]


def joined_scraps(
    parts: np.ndarray, line: np.ndarray, strength: np.ndarray, largest: float
) -> np.ndarray:
    """The pixels ``line``, bool (row, col), between ``parts``, without those between a scrap and
    what it joins. Scraps have less than ``largest`` pixels.

    ``parts`` are numbered from 1, int32 (row, col), 0 on the line and the ground; ``strength``
    (row, col) is how sure the boundary is.
    """
    rows, cols = np.nonzero(line)
    first, last = _ends(parts, rows, cols)
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    limit = min(SCRAP * float(np.median(areas[1:])), largest)
    owned = _owners(areas, _neighbours(first, last, strength[rows, cols]), limit)[parts]
    first, last = _ends(owned, rows, cols)
    owned[rows, cols] = np.where(first == last, first, 0)
    # where the line is two pixels wide, each may belong to another part: the lower number's opens
    own = owned[rows, cols]
    kept = line.copy()
    kept[rows, cols] = (own == 0) | (_ends(owned, rows, cols)[0] != own)
    return kept


def _ends(parts: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest number of the ``parts`` that touch each pixel."""
    padded = np.pad(parts, 1)
    around = np.stack(
        [padded[rows + down, cols + right] for down in range(3) for right in range(3)]
    )
    last = around.max(axis=0)
    return np.where(around > 0, around, last).min(axis=0), last


def _neighbours(first: np.ndarray, last: np.ndarray, strength: np.ndarray) -> dict[int, _Shared]:
    """Of each part the parts next to it, by the pixels between ``first`` and ``last``."""
    apart = first != last
    pairs, which = np.unique(np.stack([first[apart], last[apart]]), axis=1, return_inverse=True)
    sums = np.bincount(which.ravel(), strength[apart])
    counts = np.bincount(which.ravel())
    found: dict[int, _Shared] = {}
    for left, right, total, count in zip(
        *pairs.tolist(), sums.tolist(), counts.tolist(), strict=True
    ):
        found.setdefault(left, {})[right] = found.setdefault(right, {})[left] = total, count
    return found


def _owners(areas: np.ndarray, neighbours: dict[int, _Shared], limit: float) -> np.ndarray:
    """The part that each part belongs to: itself, but for those of less than ``limit`` pixels, of
    which the smallest join first.

    ``areas`` in pixels are those of all parts, of the ground 0; ``neighbours`` is used up.
    """
    owner = np.arange(len(areas), dtype=np.int32)
    waiting = [(int(areas[part]), part) for part in neighbours if areas[part] < limit]
    heapify(waiting)
    while waiting:
        area, part = heappop(waiting)
        if owner[part] != part or area != areas[part] or not neighbours[part]:
            continue  # it has joined another, or another it
        other = min(neighbours[part], key=lambda near: _weakness(neighbours[part], near))
        owner[owner == part] = other
        areas[other] += area
        _unite(neighbours, part, other)
        if areas[other] < limit:
            heappush(waiting, (int(areas[other]), other))
    return owner


def _weakness(shared: _Shared, part: int) -> tuple[float, int]:
    """Sorts the parts of ``shared`` by the mean strength of the boundary, the weakest first."""
    total, count = shared[part]
    return total / count, part


def _unite(neighbours: dict[int, _Shared], part: int, other: int) -> None:
    """Make the neighbours of ``part`` those of ``other``."""
    for third, (total, count) in neighbours.pop(part).items():
        del neighbours[third][part]
        if third != other:
            total_before, count_before = neighbours[other].get(third, (0.0, 0))
            both = total + total_before, count + count_before
            neighbours[other][third] = neighbours[third][other] = both
