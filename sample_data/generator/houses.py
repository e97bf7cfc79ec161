"""Plans and roofs of single buildings."""

from __future__ import annotations

import math

import numpy as np
from shapely.geometry import Polygon
from shapely.ops import unary_union

from .styles import ROOFS, Colour, Quarter, Style
from .world import Building, Part, World, outline, pick, polygons


class Site:
    """A block being built up: places buildings so that they touch at most."""

    def __init__(self, world: World, block: Polygon, quarter: Quarter, style: Style, rng: np.random.Generator) -> None:
        self.world, self.block, self.quarter, self.style, self.rng = world, block, quarter, style, rng
        self.placed: list[Polygon] = []
        self.base_roof = pick(style.roofs, rng)

    def put(
        self, at: tuple[float, float, float], parts: list[Part], kind: str, roof: str, floors: float, gap: float | None = None
    ) -> Building | None:
        """Place a building at ``x, y, angle``; with ``gap`` it keeps that many metres from others, else it is cut to touch.

        Returns None where there is no room.
        """
        x, y, angle = at
        if not self.world.holds(x, y, 60):
            return None
        shape = outline(parts, x, y, angle)
        if gap is not None:
            if not self.block.contains(shape) or any(shape.distance(p) < gap for p in self._near(shape, gap)):
                return None
        else:
            whole = shape.area
            near = self._near(shape, 0)
            shape = shape.intersection(self.block)
            shape = shape.difference(unary_union(near)) if near else shape
            pieces = sorted(polygons(shape.buffer(-0.7).buffer(0.7, join_style="mitre")), key=lambda p: p.area)
            if not pieces or pieces[-1].area < 0.45 * whole:
                return None
            # Opening drops slivers; the cut with the original keeps the shared walls where they were.
            kept = polygons(pieces[-1].intersection(shape))
            shape = max(kept, key=lambda p: p.area) if kept else pieces[-1]
        if shape.area < 9 or not isinstance(shape, Polygon):
            return None
        colour, pitch = self.paint(roof)
        building = Building(
            x, y, angle, parts, shape, kind, roof, colour, pitch, 0.4 + 2.8 * floors, int(self.rng.integers(2**31))
        )
        self.placed.append(shape)
        self.world.buildings.append(building)
        return building

    def _near(self, shape: Polygon, gap: float) -> list[Polygon]:
        x0, y0, x1, y1 = shape.bounds
        return [
            p
            for p in self.placed
            if p.bounds[0] < x1 + gap and p.bounds[2] > x0 - gap and p.bounds[1] < y1 + gap and p.bounds[3] > y0 - gap
        ]

    def paint(self, roof: str) -> tuple[Colour, float]:
        """A colour and a pitch for a covering."""
        kind, rng = ROOFS[roof], self.rng
        base = np.array(kind.colours[int(rng.integers(len(kind.colours)))], float)
        colour = np.clip(base * rng.normal(1, 0.08) + rng.normal(0, 5, 3), 18, 245).astype(int)
        return (int(colour[0]), int(colour[1]), int(colour[2])), float(rng.uniform(*kind.pitch))

    def roof(self, sameness: float = 0.45) -> str:
        """Roofs of a block resemble each other."""
        return self.base_roof if self.rng.random() < sameness else pick(self.style.roofs, self.rng)


def centred(length: float, depth: float, form: str, lift: float = 0.0) -> Part:
    return Part(-length / 2, -depth / 2, length / 2, depth / 2, form, lift)


def form_for(roof: str, length: float, depth: float, rng: np.random.Generator) -> str:
    """A roof form that suits a covering and the plan."""
    if ROOFS[roof].texture in ("flat", "shell"):
        return "flat"
    ridge = "gable_u" if length >= depth else "gable_v"
    if ROOFS[roof].texture == "thatch":
        return "hip"
    draw = rng.random()
    if ROOFS[roof].texture == "sheet" and draw < 0.3:
        return "mono"
    return "hip" if draw > 0.68 else ridge


def plan(length: float, depth: float, roof: str, rng: np.random.Generator) -> list[Part]:
    """A house: a bar, or an L, T, U or cross of bars under one roof."""
    form = form_for(roof, length, depth, rng)
    draw = rng.random()
    main = centred(length, depth, form)
    if draw < 0.5 or length < 8 or form == "mono":
        return [main]
    other = {"gable_u": "gable_v", "gable_v": "gable_u"}.get(form, form)
    wing = min(length * rng.uniform(0.35, 0.5), depth * 0.95)
    reach = depth * rng.uniform(0.3, 0.75)
    side = 1 if rng.random() < 0.5 else -1
    if draw < 0.78:  # L
        u = length / 2 - wing
        return [
            main,
            Part(u, -depth / 2, u + wing, depth / 2 + reach, other) if side > 0 else _flip(u, wing, depth, reach, other),
        ]
    if draw < 0.92:  # T
        u = rng.uniform(-0.25, 0.25) * length
        return [
            main,
            Part(
                u - wing / 2,
                -depth / 2 - (reach if side < 0 else 0),
                u + wing / 2,
                depth / 2 + (reach if side > 0 else 0),
                other,
            ),
        ]
    if length > 2.6 * wing:  # U
        u = length / 2 - wing
        return [
            main,
            Part(-u - wing, -depth / 2, -u, depth / 2 + reach, other),
            Part(u, -depth / 2, u + wing, depth / 2 + reach, other),
        ]
    return [main, Part(-wing / 2, -depth / 2 - reach * 0.5, wing / 2, depth / 2 + reach * 0.5, other)]


def _flip(u: float, wing: float, depth: float, reach: float, form: str) -> Part:
    return Part(-u - wing, -depth / 2, -u, depth / 2 + reach, form)


def court(length: float, depth: float, bar: float, form: str) -> list[Part]:
    """Four bars around a courtyard."""
    across = {"gable_u": "gable_v"}.get(form, form)
    u, v = length / 2, depth / 2
    return [
        Part(-u, -v, u, -v + bar, form),
        Part(-u, v - bar, u, v, form),
        Part(-u, -v, -u + bar, v, across),
        Part(u - bar, -v, u, v, across),
    ]


def edges(shape: Polygon, tolerance: float = 1.5) -> list[tuple[float, float, float, float]]:
    """Sides of a polygon as (x, y, angle, length), the interior on the side of +v."""
    from shapely.geometry.polygon import orient

    ring = np.array(orient(shape.simplify(tolerance), 1.0).exterior.coords)
    steps = np.diff(ring, axis=0)
    return [
        (float(p[0]), float(p[1]), math.atan2(s[1], s[0]), float(np.hypot(*s))) for p, s in zip(ring[:-1], steps, strict=True)
    ]


def along(edge: tuple[float, float, float, float], u: float, v: float) -> tuple[float, float]:
    """The point ``u`` metres along a side and ``v`` metres inwards."""
    x, y, angle, _ = edge
    return x + u * math.cos(angle) - v * math.sin(angle), y + u * math.sin(angle) + v * math.cos(angle)
