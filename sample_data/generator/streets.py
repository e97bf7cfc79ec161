"""Streets and blocks: a rotated rectangle cut again and again by bent lines, until blocks suit
their quarter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from shapely import STRtree
from shapely.errors import GEOSException
from shapely.geometry import LineString, Polygon, box
from shapely.ops import split, unary_union

from .styles import QUARTERS, Style
from .world import pick, polygons, rectangle


@dataclass(frozen=True)
class Road:
    """A centre line with the width of the carriageway and of each footway beside it."""

    line: LineString
    width: float
    footway: float
    paved: bool


@dataclass(frozen=True)
class Block:
    """Ground between streets, with the name of its quarter."""

    shape: Polygon
    quarter: str


def lay_out(
    width: float, height: float, style: Style, rng: np.random.Generator
) -> tuple[list[Road], list[Block]]:
    """Roads and blocks that cover a scene of ``width`` x ``height`` metres and a little beyond."""
    frame = box(-40, -40, width + 40, height + 40)
    diagonal = math.hypot(width, height) + 120
    start = rectangle(width / 2, height / 2, diagonal, diagonal, rng.uniform(-0.75, 0.75))
    seeds, names = _seeds(width, height, style, rng)
    roads: list[Road] = []
    pieces: list[tuple[Polygon, str]] = []
    stack = [start]
    while stack:
        piece = stack.pop()
        if not piece.intersects(frame):
            continue
        centre = np.array(piece.representative_point().coords[0]) + rng.normal(0, 12, 2)
        name = names[int(np.argmin(((seeds - centre) ** 2).sum(axis=1)))]
        quarter = QUARTERS[name]
        limit = quarter.block * rng.uniform(0.7, 1.5)
        halves = _cut(piece, rng) if piece.area > limit else None
        if halves is None:
            pieces.append((piece, name))
            continue
        line, parts = halves
        roads.append(_road(line, piece.area, name, style, rng))
        stack += parts
    return roads, _blocks(pieces, roads)


def _seeds(
    width: float, height: float, style: Style, rng: np.random.Generator
) -> tuple[np.ndarray, list[str]]:
    """Centres of quarters, spread by picking the farthest of a few candidates; every quarter of the
    style comes up.
    """
    shares = style.quarters
    count = max(4, round(width * height / 210**2))
    total = sum(shares.values())
    wanted = {name: count * share / total for name, share in shares.items()}
    # A rare quarter comes up by chance in a small scene: it would fill too much of it.
    names = [name for name, n in wanted.items() for _ in range(round(n) or int(rng.random() < n))]
    names = names or [pick(shares, rng)]
    rng.shuffle(names)
    points = [rng.uniform((0, 0), (width, height))]
    while len(points) < len(names):
        candidates = rng.uniform((0, 0), (width, height), (12, 2))
        gaps = np.min(((candidates[:, None] - np.array(points)[None]) ** 2).sum(axis=2), axis=1)
        points.append(candidates[int(np.argmax(gaps))])
    return np.array(points), names


def _cut(piece: Polygon, rng: np.random.Generator) -> tuple[LineString, list[Polygon]] | None:
    """Halve a piece across its longer side along a bent line; None where no sound cut is found."""
    corners = np.array(piece.minimum_rotated_rectangle.exterior.coords)[:4]
    sides = np.diff(np.vstack([corners, corners[:1]]), axis=0)
    lengths = np.hypot(*sides.T)
    longer = 0 if lengths[0] >= lengths[1] else 1
    along, across = sides[longer], sides[1 - longer]
    for _ in range(6):
        middle = corners[longer] + along * rng.uniform(0.38, 0.62) + sides[(longer + 1) % 4] * 0.5
        turn = rng.normal(0, 0.26 if piece.area > 60000 else 0.13)
        heading = math.atan2(across[1], across[0]) + turn
        reach = float(lengths.max()) * 0.8
        t = np.linspace(-1, 1, 33)
        bow = rng.normal(0, 0.09) * reach * (1 - t**2) + rng.normal(0, 0.03) * reach * np.sin(
            t * rng.uniform(2, 5)
        )
        x = middle[0] + t * reach * math.cos(heading) - bow * math.sin(heading)
        y = middle[1] + t * reach * math.sin(heading) + bow * math.cos(heading)
        line = LineString(np.column_stack([x, y]))
        try:
            parts = polygons(split(piece, line))
        except GEOSException:
            continue
        if len(parts) == 2 and min(p.area for p in parts) > 0.25 * piece.area:
            inside = line.intersection(piece)
            if inside.geom_type == "LineString":
                return inside, parts
    return None


def _road(line: LineString, area: float, name: str, style: Style, rng: np.random.Generator) -> Road:
    quarter = QUARTERS[name]
    main = area > 90000
    paved = (main and style.paving > 0.5) or (
        rng.random() < style.paving and (quarter.paved or main)
    )
    width = quarter.road + (rng.uniform(1.5, 4) if main and paved else rng.uniform(-0.6, 0.8))
    kerbed = (
        paved
        and quarter.fill not in ("fields", "scatter", "wood")
        and rng.random() < style.paving - 0.1 * (width < 5)
    )
    footway = rng.uniform(1.0, 2.4) if kerbed else 0.0
    return Road(line, width, footway, paved)


def _blocks(pieces: list[tuple[Polygon, str]], roads: list[Road]) -> list[Block]:
    surfaces = [r.line.buffer(r.width / 2 + r.footway, cap_style="flat") for r in roads]
    tree = STRtree(surfaces)
    blocks = []
    for piece, name in pieces:
        near = [surfaces[i] for i in tree.query(piece, predicate="intersects")]
        left = piece.difference(unary_union(near)) if near else piece
        for part in polygons(left.buffer(-2).buffer(2, quad_segs=4), 60):
            blocks.append(Block(part, name))
    return blocks
