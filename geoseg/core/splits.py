"""Splits of tiles and outlines into train, val and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
import shapely
from rasterio.windows import Window

SPLITS = ("train", "val", "test")
# Orders in which units are dealt out, until one comes as close to the fractions as this part of all
# items
ORDERS = 32
CLOSE = 0.02


def outline_blocks(outlines: np.ndarray, size: int) -> list[tuple[int, int]]:
    """Row and column of the block of ground that the middle of each of ``outlines`` (polygons of
    one CRS) lies in.

    A block is ``size`` outlines of the usual width and height a side; the blocks begin at the lower
    left corner of all.
    """
    bounds = shapely.bounds(outlines).reshape(-1, 2, 2)
    # the median, since chips at the edge of a scene may be narrower
    side = np.median(bounds[:, 1] - bounds[:, 0], axis=0) * size
    cells = np.floor((bounds.mean(axis=1) - bounds[:, 0].min(axis=0)) / side).astype(int)
    return [(row, col) for col, row in cells.tolist()]


def assign_splits(
    units: Sequence[Hashable], fractions: Sequence[float], seed: int = 0
) -> list[str]:
    """Split of each item: items of the same unit (a block, a scene, an item itself) are never
    parted.

    Units come in an order shuffled by ``seed``; each goes where most items are still missing to
    reach ``fractions`` of train, val and test. The last units go to splits that would stay empty
    though items are wanted there. Where units are so large that this misses the fractions, it is
    the order that misses them least of some.
    """
    # sorted, so that the splits depend on the seed and the units, not on the order of the items
    sizes = Counter(units)
    names = sorted(sizes, key=repr)
    weights = np.array([sizes[name] for name in names], float)
    wanted = np.array(fractions, float) * len(units)
    random = np.random.default_rng(seed)
    best = np.zeros(0, int)
    least = np.inf
    for _ in range(ORDERS):
        dealt, missed = _deal(weights, wanted, random)
        if missed < least:
            best = dealt
            least = missed
        if least <= CLOSE * len(units):
            break
    chosen = dict(zip(names, best.tolist(), strict=True))
    return [SPLITS[chosen[unit]] for unit in units]


def _deal(
    weights: np.ndarray, wanted: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Number of the split of each unit, dealt out in one order, and how many items are too many or
    missing in the worst.
    """
    missing = wanted.copy()
    empty = wanted > 0
    dealt = np.zeros(len(weights), int)
    for left, i in zip(range(len(weights), 0, -1), random.permutation(len(weights)), strict=True):
        # The last units fill what would stay empty: of 3 blocks and fractions 0.8, 0.1, 0.1 the
        # first goes to train, and so would the others by what is missing; val and test get one
        # each.
        open_to = empty if left <= empty.sum() else wanted > 0
        split = int(np.where(open_to, missing, -np.inf).argmax())
        dealt[i] = split
        missing[split] -= weights[i]
        empty[split] = False
    return dealt, float(np.abs(missing).max())


def leaking(windows: Sequence[Window], splits: Sequence[str]) -> np.ndarray:
    """Which windows of one raster to leave out so that no pixel lies in windows of two splits:
    bool, one a window.

    Test windows stay, val windows go where they overlap a test window, train windows where they
    overlap either of them.
    """
    first = np.array([(w.col_off, w.row_off) for w in windows], float).reshape(-1, 2)
    past = first + np.array([(w.width, w.height) for w in windows]).reshape(-1, 2)
    # a quarter of a pixel smaller on each side: windows that only touch share no pixel
    return _outranked(shapely.box(*(first + 0.25).T, *(past - 0.25).T), splits)


def sharing(outlines: np.ndarray, splits: Sequence[str]) -> np.ndarray:
    """Which ``outlines``, convex polygons, to leave out so that no ground lies in those of two
    splits: bool, one an outline.

    Those of :func:`leaking` for pictures that lie anyhow; neighbours may overlap by a
    four-thousandth of their size.
    """
    corners, owner = shapely.get_coordinates(outlines, return_index=True)
    middles = shapely.get_coordinates(shapely.centroid(outlines))[owner]
    return _outranked(
        shapely.set_coordinates(outlines.copy(), middles + (corners - middles) * (1 - 1 / 4000)),
        splits,
    )


def _outranked(outlines: np.ndarray, splits: Sequence[str]) -> np.ndarray:
    """Outlines that meet one of a later split; they are a little smaller, so that those that only
    touch do not meet.
    """
    rank = np.array([SPLITS.index(split) for split in splits], int)
    tree = shapely.STRtree(outlines)
    out = np.zeros(len(outlines), bool)
    # test first; a val window that it removes no longer costs any train window
    for upper in (2, 1):
        hit = tree.query(outlines[(rank == upper) & ~out], predicate="intersects")[1]
        out[hit[rank[hit] < upper]] = True
    return out
