"""Trace the outlines of a mask strip by strip, exactly as if it were traced whole.

Corners of the pixels where an outline turns are found with the parity of their four pixels. In
row-major order they pair up along rows, in column-major order along columns: the pairs are the
outline's horizontal and vertical edges, and the cycles of edges are its rings. A strip needs
nothing of the ones before but the corners of unfinished footprints and the vertical edges that
cross the seam, so there is nothing to merge at seams and memory does not grow with the scene.

Coordinates are pixel corners, x = column and y = row, both from 0 at the upper left. Exteriors run
from +x to +y (positive area by the shoelace formula, counter-clockwise to shapely), holes the other
way; rings start at their topmost, then leftmost corner and hold no collinear vertex.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geoseg.geometry.rings import Corners, assembled

# Sums are kept in integers of this unit, so that no order of adding up changes a bit of them.
_FIXED_POINT = 2.0**-30

Values = Sequence[np.ndarray | None] | np.ndarray | None


# Two pixels of a mask, the corners at which its outline turns, and their pairs:
#
#     . . . .      row-major pairs are horizontal edges:  (1,1)-(3,1)  (1,2)-(3,2)
#     . # # .      column-major pairs are vertical edges: (1,1)-(1,2)  (3,1)-(3,2)
#     . . . .      one cycle of four edges: the ring of a footprint
#
# Which points between four pixels are corners, by the mask above and below them:
#
#     . .      . .      # .      . #      # .
#     . #      # #      . .      # #      . #
#     corner   edge     corner   corner   two corners, twins: the outline passes twice
#
# A strip ends in the middle of footprints. Edges that it cuts are open; they wait in the state
# with the corners of their footprints and are closed by a corner of a later strip:
#
#     | # # # # |
#     | # . . # |     four open edges at the seam, one footprint
#     +- - - - -+     seam
#     | # # # # |     closes the hole and goes on
@dataclass(frozen=True)
class Traced:
    """Complete footprints: ``geometry`` (n,) shapely objects in pixel coordinates, ``pixels`` (n,)
    int64, ``sums`` (n, C).

    Outlines that are complete later lie on the rows from ``open_row`` on.
    """

    geometry: np.ndarray
    pixels: np.ndarray
    sums: np.ndarray
    open_row: int

    def __len__(self) -> int:
        return len(self.geometry)


@dataclass(frozen=True)
class _State:
    """What a strip hands to the next: the last pixel row, unfinished footprints, vertical edges
    that cross the seam.
    """

    row: int
    last: np.ndarray
    corners: Corners
    sums: np.ndarray
    open_x: np.ndarray
    open_corner: np.ndarray

    @property
    def idle(self) -> bool:
        """Whether nothing waits for the next strip."""
        return not len(self.corners.x) and not self.last.any()


@dataclass(frozen=True)
class _Edges:
    """Vertical edges: column, corner at the top, corner at the bottom (-1 below the seam).

    ``falling`` ones have their pixels on the left, so that the ring runs down along them.
    """

    x: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    falling: np.ndarray


def trace(strips: Iterable[tuple[np.ndarray, Values]], connectivity: int = 4) -> Iterator[Traced]:
    """Footprints of a mask that comes in strips of rows from the top, each as soon as it is
    complete.

    A strip is ``(mask, values)``: bool (h, W) with any h, and C channels of (h, W), each an array
    or None for zeros. ``sums`` of a footprint are the sums of the channels over its pixels, in
    steps of 2**-30 and up to 2**33.

    Footprints come ordered by last row, first row, and first column in it; they, their rings and
    their sums are the same for any cutting into strips. Geometries are valid: with ``connectivity``
    4 a Polygon each, where an outline that touches itself at a corner becomes a ring and a hole.
    With 8, pixels that meet at a corner are one footprint; as no valid polygon hangs together by a
    point, it is a MultiPolygon of its 4-connected parts.
    """
    state = None
    for mask, values in strips:
        channels = [] if values is None else list(values)
        if state is None:
            state = _start(mask.shape[1], len(channels))
        if len(mask) and state.idle and not mask.any():
            state = replace(state, row=state.row + len(mask), last=mask[-1])
        elif len(mask):
            state, done = _advance(state, mask, channels, connectivity)
            if len(done):
                yield done
    if state is not None:
        # A row of ground closes what still reaches the last row.
        below = np.zeros((1, len(state.last)), bool)
        _, done = _advance(state, below, [None] * state.sums.shape[1], connectivity)
        if len(done):
            yield done


def _start(width: int, channels: int) -> _State:
    none = np.empty(0, np.int64)
    corners = Corners(none, none, none, none, none.astype(bool), none)
    return _State(0, np.zeros(width, bool), corners, np.zeros((0, channels), np.int64), none, none)


def _advance(
    state: _State, mask: np.ndarray, channels: list[np.ndarray | None], connectivity: int
) -> tuple[_State, Traced]:
    height, width = mask.shape
    # The last row of the strip before, and a column of ground on either side: each pixel of the
    # strip then has all the neighbours that its corners are decided by.
    pixels = np.zeros((height + 1, width + 2), np.uint8)
    pixels[0, 1:-1] = state.last
    pixels[1:, 1:-1] = mask
    old = len(state.corners.x)
    corners, edges = _link(state, pixels)
    start, owner = _runs(corners, edges, state.row, height, width)
    holes = _hole_starts(corners, old, state.row, pixels)
    # The run of pixels that ends at a hole's first corner ties the hole to its footprint: the
    # edge on the run's left is the exterior's, or that of another hole, tied in the same way.
    #
    #     # # # # #
    #     # # x . #     x: first corner of the hole; its run starts at the exterior's left edge
    #     # # # # #
    before = (
        np.searchsorted(start, (corners.y[holes] - state.row) * (width + 1) + corners.x[holes]) - 1
    )
    corners.left[holes] = owner[before]

    # Footprints are the connected parts of a graph of horizontal edges. New corners 2k and 2k + 1
    # are the ends of one such edge and so one node; corners of earlier strips are already in
    # groups, a node each.
    groups = len(state.sums)
    node = np.concatenate([corners.group[:old], groups + np.arange(len(corners.x) - old) // 2])
    closed = edges.bottom >= 0
    pairs = [(edges.top[closed], edges.bottom[closed]), (holes, corners.left[holes])]
    if connectivity == 8:
        # the two passes at a checkerboard are one footprint
        twins = old + np.flatnonzero(corners.twin[old:])
        pairs.append((twins[::2], twins[1::2]))
    label = _label(groups + (len(corners.x) - old) // 2, [(node[a], node[b]) for a, b in pairs])
    sums = np.zeros((label.max(initial=-1) + 1, len(channels)), np.int64)
    np.add.at(sums, label[:groups], state.sums)
    _add_runs(sums, label[node[owner]], mask, channels)

    label_of = label[node]
    # One open edge keeps its whole footprint, islands in its holes aside: they are footprints
    # of their own.
    unfinished = np.zeros(len(sums), bool)
    unfinished[label_of[edges.top[~closed]]] = True
    stays = unfinished[label_of]
    kept, moved = corners.take(stays, (np.cumsum(unfinished) - 1)[label_of])
    finished, _ = corners.take(~stays, label_of)
    rest = _State(
        state.row + height,
        mask[-1],
        kept,
        sums[unfinished],
        edges.x[~closed],
        moved[edges.top[~closed]],
    )
    geometry, footprint = assembled(finished, len(sums))
    pixels = np.rint(shapely.area(geometry)).astype(np.int64)
    return rest, Traced(
        geometry, pixels, sums[footprint] * _FIXED_POINT, int(kept.y.min(initial=rest.row))
    )


def _link(state: _State, pixels: np.ndarray) -> tuple[Corners, _Edges]:
    """Unfinished corners and the strip's own, joined along rows and columns. ``pixels``: (h + 1, W
    + 2), one row above.
    """
    # Between two pixels of a row the mask may change. A point is a corner where one of the rows
    # at it changes and the other does not, and a checkerboard where both do, in opposite ways.
    crossing = pixels[:, 1:] ^ pixels[:, :-1]
    crossed = crossing[1:] & crossing[:-1] & (pixels[1:, 1:] ^ pixels[:-1, 1:])
    at = np.flatnonzero(((crossing[1:] ^ crossing[:-1]) | crossed).view(bool))
    double = crossed.ravel()[at] == 1
    twin = np.repeat(double, 1 + double)
    y, x = np.divmod(np.repeat(at, 1 + double), crossing.shape[1])
    old = len(state.corners.x)
    new = len(x)
    slots = old + np.arange(new)
    southeast = pixels[y + 1, x + 1] == 1

    # Along a row, corners come in pairs: an edge starts and ends. It runs to the right
    # where its pixels lie below, to the left where they lie above: on one side of the whole ring.
    left = slots[::2]
    right = slots[1::2]
    forward = southeast[::2]
    following = np.concatenate([state.corners.following, np.full(new, -1)])
    following[left[forward]] = right[forward]
    following[right[~forward]] = left[~forward]

    # Of two twins, the upper comes first along the column: the left one beside a pixel at the
    # northwest, else the right one.
    first = np.flatnonzero(twin & ~southeast)[::2]
    slots[first], slots[first + 1] = slots[first + 1], slots[first]
    # Along a column the same, with the edges that came over the seam and those that leave.
    edges = _columns(state, pixels, x, slots, np.flatnonzero(crossing[-1]), y)
    closed = edges.bottom >= 0
    down = edges.falling & closed
    up = ~edges.falling & closed
    following[edges.top[down]] = edges.bottom[down]
    following[edges.bottom[up]] = edges.top[up]
    c = state.corners
    corners = Corners(
        np.concatenate([c.x, x]),
        np.concatenate([c.y, y + state.row]),
        following,
        np.concatenate([c.left, np.full(new, -1)]),
        np.concatenate([c.twin, twin]),
        c.group,
    )
    return corners, edges


def _columns(
    state: _State,
    pixels: np.ndarray,
    x: np.ndarray,
    slots: np.ndarray,
    below: np.ndarray,
    y: np.ndarray,
) -> _Edges:
    """Pair corners along columns: those open above the seam, the strip's own, and an end below it
    for every edge it cuts.
    """
    # One sort by column pairs them all. Within a column the rank decides: what came over the seam
    # is the topmost, then corners by row, for they are numbered in row-major order, and last what
    # leaves below. For example a column with an open edge, corners in rows 3 and 5, and pixels to
    # the strip's end has the pairs (open, 3) and (5, -1).
    corner = np.concatenate([state.open_corner, slots, [-1]])
    count = len(corner) - 1
    rank = np.concatenate([np.arange(count), np.full(len(below), count)])
    key = np.concatenate([state.open_x, x, below]) << 32 | rank
    key.sort()
    order = key & 0xFFFFFFFF
    column = key[::2] >> 32
    row = np.concatenate([np.zeros(len(state.open_x), np.int64), y + 1])[order[::2]]
    return _Edges(column, corner[order[::2]], corner[order[1::2]], pixels[row, column] == 1)


def _runs(
    corners: Corners, edges: _Edges, row: int, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Runs of pixels row by row: where each starts (in an array of width + 1) and the corner atop
    the edge on its left.
    """
    # An edge with its pixels on the right starts one run in each row that it passes. Numbering
    # the columns of all rows through, of which there are width + 1, sorts them row by row.
    rising = np.flatnonzero(~edges.falling)
    first = np.maximum(corners.y[edges.top[rising]] - row, 0)
    bottom = edges.bottom[rising]
    length = np.where(bottom < 0, height, corners.y[bottom] - row) - first
    edge = np.repeat(np.arange(len(rising)), length)
    within = np.arange(len(edge)) - np.repeat(np.cumsum(length) - length, length)
    start = (first[edge] + within) * (width + 1) + edges.x[rising][edge]
    order = np.argsort(start)
    return start[order], edges.top[rising][edge[order]]


def _hole_starts(corners: Corners, old: int, row: int, pixels: np.ndarray) -> np.ndarray:
    """Corners with pixels to the northeast and southwest but not the southeast; every hole's first
    corner is one.

    Of twins only the one that belongs to the southwest.
    """
    x = corners.x[old:]
    y = corners.y[old:] - row
    starts = (pixels[y + 1, x + 1] == 0) & (pixels[y, x + 1] == 1) & (pixels[y + 1, x] == 1)
    starts[np.flatnonzero(corners.twin[old:])[1::2]] = False
    return old + np.flatnonzero(starts)


def _label(count: int, pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    one, other = (np.concatenate(side) for side in zip(*pairs, strict=True))
    # ones of one byte: only which nodes are joined counts
    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(count, count))
    return connected_components(graph, directed=False)[1] if count else np.empty(0, np.int32)


def _add_runs(
    sums: np.ndarray, label: np.ndarray, mask: np.ndarray, channels: list[np.ndarray | None]
) -> None:
    """Add each run's values to its footprint's sums; ``label`` of the runs in row-major order."""
    if not len(label) or all(values is None for values in channels):
        return
    # Runs, not pixels, are added to footprints: `reduceat` sums each run in one pass, whichever
    # footprints there are. `mask` picks values in row-major order, in which runs lie one after
    # the other, so a run starts at the sum of the lengths before it.
    change = np.diff(mask, axis=1, prepend=False, append=False)
    ends = np.flatnonzero(change).reshape(-1, 2)
    length = ends[:, 1] - ends[:, 0]
    offset = np.cumsum(length) - length
    for channel, values in enumerate(channels):
        if values is not None:
            steps = np.rint(values[mask] * np.float64(1 / _FIXED_POINT)).astype(np.int64)
            np.add.at(sums[:, channel], label, np.add.reduceat(steps, offset))
