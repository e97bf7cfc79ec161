"""A block being built up, and the sides it is built along."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient
from shapely.ops import unary_union

from .styles import ROOFS, Colour, Quarter, Style
from .world import Building, Part, World, Zone, outline, pick, polygons

Spot = tuple[float, float, float]


class Edge(NamedTuple):
    """A side of a block from ``x, y`` in the direction ``angle``; the block lies on the side of +v."""

    x: float
    y: float
    angle: float
    length: float

    def at(self, u: float, v: float) -> tuple[float, float]:
        """The point ``u`` metres along and ``v`` metres inwards."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return self.x + u * cos - v * sin, self.y + u * sin + v * cos


def edges(shape: Polygon, tolerance: float = 1.5) -> list[Edge]:
    """Sides of a polygon, small bends straightened."""
    ring = np.array(orient(shape.simplify(tolerance), 1.0).exterior.coords)
    steps = np.diff(ring, axis=0)
    starts = ring[:-1].tolist()
    return [Edge(x, y, math.atan2(s[1], s[0]), float(np.hypot(*s))) for (x, y), s in zip(starts, steps, strict=True)]


class Site:
    """A block being built up: places buildings so that they touch at most."""

    def __init__(self, world: World, block: Polygon, quarter: Quarter, style: Style, rng: np.random.Generator) -> None:
        self.world, self.block, self.quarter, self.style, self.rng = world, block, quarter, style, rng
        self.placed: list[Polygon] = []
        self.base_roof = pick({name: share for name, share in style.roofs.items() if name != "shell"}, rng)

    def put(
        self, at: Spot, parts: list[Part], kind: str, roof: str, floors: float, gap: float | None = None
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

    def cover(self, shape: BaseGeometry, cover: str, angle: float = 0.0, crisp: bool = False) -> None:
        """Lay ground within the block."""
        self.world.zones.append(Zone(shape.intersection(self.block), cover, angle, crisp))

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
