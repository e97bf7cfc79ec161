"""Right angles for footprints: walls along the two directions that a building has.

All outlines of a batch go through at once, in metres on the ground, each by itself. Round
and free forms, in which the walls follow no two directions, and outlines that would cover something
else than before are left as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine

from geoseg.geometry.intersections import intersection_areas
from geoseg.geometry.measure import centres
from geoseg.geometry.outlines import SUBPIXEL_STEPS, collect_parts, stays_valid
from geoseg.geometry.walls import SLANTED, Walls, joined, straighten

# The way of an outline:
#
# 1. Break points by Douglas and Peucker, The Canadian Cartographer 10 (1973); between two of them
#    a wall, which is fitted to the outline's steps by least squares.
# 2. The building's direction is where its walls, weighted by their squared lengths, agree modulo
#    90 degrees: Duarte, Ayres and Simoes' weighted bearing (Building Outline Delineation, 2009),
#    by a histogram as in Zhang, Yan and Chen, Automatic construction of building footprints from
#    airborne LIDAR data, IEEE TGRS 44 (2006).
# 3. Walls turn to the nearer of the two directions about their middle, except long ones that stand
#    at a slant. Where two parallel ones follow each other, a short wall joins them.
# 4. The shortest wall below a tolerance goes first, its parallel neighbours become one at the mean
#    of their offsets weighted by their lengths: Wei, Ji and Lu, Toward automatic building footprint
#    delineation from aerial images using CNN and regularization, IEEE TGRS 58 (2020).
# 5. Corners are where walls that follow each other meet.
# An outline that agrees less with the raw one is not taken: intersection over union
LOWEST_IOU = 0.85
# Break points: metres, but at least so many pixels (a slanted wall's steps are a pixel deep) and at
# most this share of a side
_BREAK = 0.6
_BREAK_PIXELS = 1.2
_BREAK_SHARE = 0.08
# Walls shorter than this go
_SHORT = 1.0
_SHORT_PIXELS = 3.0
_SHORT_SHARE = 0.12
# Degrees off the nearer direction at which a wall still counts as along it, and from which it may
# stand at a slant
_ALONG = 15.0
_SLANT = 20.0
# ... if it is longer than this share of the side: a bay, not a jagged corner
_SLANT_SHARE = 0.25
# A form is left alone where less than this share of its walls follows the two directions, or where
# it is round: nearly as compact as a circle (4 pi area / perimeter²: 1, an octagon 0.95, a square
# 0.79) and not filling its box (a circle 0.79, an octagon 0.83, a square 1).
_ALIGNED = 0.6
_ROUND = 0.88
_ROUND_FILL = 0.87
# Pixels by which an outline may reach beyond the raw one's bounds
REACH = 32.0


@dataclass(frozen=True)
class Regular:
    """``geometry`` (n,) shapely objects, and ``iou`` float64 (n,) with the outline that came in,
    NaN where that is kept.
    """

    geometry: np.ndarray
    iou: np.ndarray


@dataclass(frozen=True)
class _Runs:
    """Walls between break points, in order along their rings.

    ``ring`` is the index of the ring; ``start`` (m, 2) the break point before it, ``chord`` (m, 2)
    to the next one, ``middle`` (m, 2) of the outline between, ``angle`` of the line fitted to it,
    in radians.
    """

    ring: np.ndarray
    start: np.ndarray
    chord: np.ndarray
    middle: np.ndarray
    angle: np.ndarray

    @property
    def length(self) -> np.ndarray:
        return np.hypot(*self.chord.T)


def pixel_metric(at: np.ndarray, transform: Affine) -> np.ndarray:
    """The metric of columns and rows, where that of the CRS's x and y is ``at`` (n, 3); square
    metres per square pixel.
    """
    (e, f, g) = at.T
    t = transform
    across = e * t.a * t.a + 2 * f * t.a * t.d + g * t.d * t.d
    mixed = e * t.a * t.b + f * (t.a * t.e + t.b * t.d) + g * t.d * t.e
    along = e * t.b * t.b + 2 * f * t.b * t.e + g * t.e * t.e
    return np.column_stack([across, mixed, along])


def regularize(geometry: np.ndarray, at: np.ndarray) -> Regular:
    """Outlines with right angles of ``geometry`` (n,), polygons or multipolygons in pixels.

    ``at`` (n, 3) is the :func:`pixel_metric` at each of them, so that angles are right and
    tolerances metres on the ground. A result is taken where it is valid, has as many parts and
    holes and an IoU of at least :data:`LOWEST_IOU` with the outline that came in; other outlines,
    round and free forms among them, come out as they are. Each depends on nothing but itself.
    """
    parts, owner = shapely.get_parts(geometry, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    if not len(rings):
        return Regular(geometry, np.empty(0))
    # One array for all: points know their ring, rings their part, parts their footprint, and what
    # is decided for a footprint (direction, tolerances) is looked up by these numbers.
    foot = owner[part]
    plane = _Plane.about(geometry, at)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    runs = _break(
        plane.metres(points, foot[ring]),
        ring,
        plane.tolerance(_BREAK, _BREAK_PIXELS, _BREAK_SHARE)[foot],
    )
    direction = directions(runs.angle, runs.length**2, foot[runs.ring], len(geometry))
    # into the frame of the building, where walls are level or upright; `back` is the way out
    turn = _turn(direction[foot])
    walls = _walls(runs, turn, direction[foot][runs.ring], _SLANT_SHARE * plane.side[foot])
    shortest = plane.tolerance(_SHORT, _SHORT_PIXELS, _SHORT_SHARE)[foot]
    walls, corners = straighten(walls, shortest)
    back = np.einsum("mji,mj->mi", turn[walls.ring], corners)
    outlines, whole = _rings(plane.pixels(back, foot[walls.ring]), walls.ring, len(rings))
    exterior = np.diff(part, prepend=-1) > 0
    # a footprint is straightened whole or not at all, its courtyards too
    keep = ~_has_directions(runs, direction, foot, exterior, plane.area)
    keep[foot[exterior & ~whole]] = True
    # a hole too small for walls stays as it is
    outlines = np.where(keep[foot] | ~whole, rings, outlines)
    made = collect_parts(shapely.polygons(outlines, indices=part), owner)
    made[keep] = geometry[keep]
    return _judged(geometry, made, ~keep)


def directions(angle: np.ndarray, weight: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    """Angle in [0, pi/2) about which the lines at ``angle`` (m,) of each of ``count`` groups agree
    modulo a right one.

    The peak of a smoothed histogram of degrees, then the mean of what lies within 12 degrees of it;
    radians, float64 (count,).
    """
    # Angles modulo 90 degrees go round: 1 and 89 are 2 apart. Hence a histogram that is rolled, and
    # a mean of the differences from its peak, not of the angles. Walls at 1, 3 and 89 degrees have
    # the peak at 1.5, differences of -0.5, 1.5 and -2.5, and the direction 1.
    degree = np.degrees(angle) % 90
    cell = np.minimum(degree.astype(np.int64), 89)
    histogram = np.bincount(group * 90 + cell, weight, count * 90).reshape(count, 90)
    # a triangle of 6 degrees on either side
    smooth = sum((6 - abs(k)) * np.roll(histogram, k, axis=1) for k in range(-5, 6))
    peak = np.asarray(smooth).argmax(1) + 0.5
    off = (degree - peak[group] + 45) % 90 - 45
    near = np.where(np.abs(off) <= 12, weight, 0)
    mean = np.bincount(group, near * off, count) / np.maximum(
        np.bincount(group, near, count), 1e-12
    )
    return np.radians((peak + mean) % 90)


@dataclass(frozen=True)
class _Plane:
    """Between pixels and metres about the middle of each footprint: ``triangle`` (n, 3) holds the
    metric's Cholesky factor.

    ``area`` is in square metres, ``side`` its root, ``pixel`` the side of a pixel in metres.
    """

    middle: np.ndarray
    triangle: np.ndarray
    area: np.ndarray

    @classmethod
    def about(cls, geometry: np.ndarray, at: np.ndarray) -> _Plane:
        # The metric is L' L with the triangle L = (one two; 0 three): L times a step in pixels is a
        # step in metres, true in length and angle, with columns still along x.
        one = np.sqrt(at[:, 0])
        two = at[:, 1] / one
        three = np.sqrt(at[:, 2] - two * two)
        return cls(
            centres(geometry),
            np.column_stack([one, two, three]),
            shapely.area(geometry) * one * three,
        )

    @property
    def side(self) -> np.ndarray:
        return np.sqrt(self.area)

    def tolerance(self, metres: float, pixels: float, share: float) -> np.ndarray:
        """``metres``, but no more than a ``share`` of the footprint's side and no less than so many
        ``pixels``.
        """
        pixel = np.sqrt(self.triangle[:, 0] * self.triangle[:, 2])
        return np.maximum(pixels * pixel, np.minimum(metres, share * self.side))

    def metres(self, points: np.ndarray, foot: np.ndarray) -> np.ndarray:
        x, y = (points - self.middle[foot]).T
        one, two, three = self.triangle[foot].T
        return np.column_stack([one * x + two * y, three * y])

    def pixels(self, points: np.ndarray, foot: np.ndarray) -> np.ndarray:
        one, two, three = self.triangle[foot].T
        y = points[:, 1] / three
        x = (points[:, 0] - two * y) / one
        return (
            np.rint((np.column_stack([x, y]) + self.middle[foot]) * SUBPIXEL_STEPS) / SUBPIXEL_STEPS
        )


def _break(points: np.ndarray, ring: np.ndarray, tolerance: np.ndarray) -> _Runs:
    """Split closed rings of ``points`` at their break points and fit a line to each run between two
    of them.
    """
    # GEOS carries the third coordinate along: which of the points stay, not only where they are
    numbered = np.column_stack([points, np.arange(len(points))])
    thin = shapely.simplify(
        shapely.linestrings(numbered, indices=ring), tolerance, preserve_topology=False
    )
    stops, ring_of = shapely.get_coordinates(thin, include_z=True, return_index=True)
    last = np.append(ring_of[1:] != ring_of[:-1], True)
    at = stops[:, 2].astype(np.int64)
    begin = at[~last]
    run_ring = ring_of[~last]
    chord = points[at[np.flatnonzero(~last) + 1]] - points[begin]

    first = np.zeros(len(points), np.int64)
    first[begin] = 1
    inside = np.append(ring[1:] == ring[:-1], False)
    run = (np.cumsum(first) - 1)[inside]
    step = points[1:][inside[:-1]] - points[:-1][inside[:-1]]
    centre = points[:-1][inside[:-1]] + step / 2
    length = np.hypot(*step.T)

    # sums along the outline: each step counts by its length, not each point once
    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(run, values * length, len(begin))

    whole = total(np.ones(len(run)))
    middle = np.column_stack([total(values) / whole for values in centre.T])
    dx, dy = (centre - middle[run]).T
    sx, sy = step.T
    xx, xy, yy = (
        total(u * v + p * q / 12)
        for u, v, p, q in ((dx, dx, sx, sx), (dx, dy, sx, sy), (dy, dy, sy, sy))
    )
    # the main axis of the steps between two break points, whose second moments xx, xy, yy are those
    # of segments, each a twelfth of its square about its own middle
    angle = np.arctan2(2 * xy, xx - yy) / 2
    return _Runs(run_ring, points[begin], chord, middle, angle)


def _turn(direction: np.ndarray) -> np.ndarray:
    """Rotations (m, 2, 2) that lay ``direction`` along x."""
    c, s = np.cos(direction), np.sin(direction)
    return np.stack([np.stack([c, s], 1), np.stack([-s, c], 1)], 1)


def _has_directions(
    runs: _Runs, direction: np.ndarray, foot: np.ndarray, exterior: np.ndarray, area: np.ndarray
) -> np.ndarray:
    """Footprints whose outer walls follow their direction and that are not round."""
    outer = exterior[runs.ring]
    of = foot[runs.ring[outer]]
    length = runs.length[outer]
    off = (np.degrees(runs.angle[outer] - direction[of]) + 45) % 90 - 45
    around = np.bincount(of, length, len(area))
    aligned = np.bincount(of, np.where(np.abs(off) <= _ALONG, length, 0), len(area)) / np.maximum(
        around, 1e-12
    )
    points = np.einsum("mij,mj->mi", _turn(direction[of]), runs.start[outer])
    low = np.full((len(area), 2), np.inf)
    high = np.full((len(area), 2), -np.inf)
    np.minimum.at(low, of, points)
    np.maximum.at(high, of, points)
    fill = area / np.maximum((high - low).prod(1), 1e-12)
    compact = 4 * np.pi * area / np.maximum(around, 1e-12) ** 2
    return (aligned >= _ALIGNED) & ~((compact > _ROUND) & (fill < _ROUND_FILL))


def _walls(runs: _Runs, turn: np.ndarray, direction: np.ndarray, long: np.ndarray) -> Walls:
    """Walls turned to the nearer direction, with joints between parallel ones; long ones (``long``:
    one a ring) may slant.
    """
    rotate = turn[runs.ring]
    start, chord, middle = (
        np.einsum("mij,mj->mi", rotate, values) for values in (runs.start, runs.chord, runs.middle)
    )
    # Whole quarters are the building's two directions: at 0.04 (4 degrees) the wall turns to x, at
    # 0.97 to y, at 0.5 it is slanted where it is long, else it goes to the nearer of the two.
    quarter = np.degrees(runs.angle - direction) / 90
    kind = np.rint(quarter).astype(np.int64) % 2
    length = runs.length
    slanted = (np.abs(quarter - np.rint(quarter)) * 90 > _SLANT) & (length > long[runs.ring])
    kind[slanted] = SLANTED
    normal = np.column_stack([kind == 1, kind == 0]).astype(np.float64)
    angle = runs.angle[slanted] - direction[slanted]
    normal[slanted] = np.column_stack([-np.sin(angle), np.cos(angle)])
    along = np.column_stack([normal[:, 1], -normal[:, 0]])
    # a wall keeps its weight, a length, and the way it was walked
    way = np.sign((chord * along).sum(1))
    walls = Walls(
        runs.ring, kind, normal, (normal * middle).sum(1), along * (way * length)[:, None], start
    )

    return joined(walls)


def _rings(points: np.ndarray, ring: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Closed rings of ``points``, and which of ``count`` have at least three; the others are
    None.
    """
    whole = np.bincount(ring, minlength=count) >= 3
    chosen = whole[ring]
    out = np.full(count, None, object)
    number = np.cumsum(whole) - 1
    out[whole] = shapely.linearrings(points[chosen], indices=number[ring[chosen]])
    return out, whole


def _judged(raw: np.ndarray, made: np.ndarray, tried: np.ndarray) -> Regular:
    """What was ``made`` where it is sound and agrees with ``raw``, else that."""
    beyond = np.abs(shapely.bounds(made) - shapely.bounds(raw)).max(1, initial=0)
    sound = tried & stays_valid(made) & (beyond <= REACH)
    iou = np.full(len(raw), np.nan)
    # only what is sound: the area of an outline that crosses itself means nothing
    common = intersection_areas(raw[sound], made[sound])
    iou[sound] = common / (shapely.area(raw[sound]) + shapely.area(made[sound]) - common)
    good = sound & (np.nan_to_num(iou) >= LOWEST_IOU)
    return Regular(np.where(good, made, raw), np.where(good, iou, np.nan))
