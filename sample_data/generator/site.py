"""A block being built up, and the sides it is built along."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from .styles import ROOFS, Colour, Quarter, Style
from .world import Building, Part, World, Zone, largest, outline, pick

Spot = tuple[float, float, float]
# Walls that nearly meet, to the last bit of a float, lead overlays astray: all is kept on a grid of
# a tenth of a millimetre.
GRID = 1e-4


class Edge(NamedTuple):
    """A side of a block from ``x, y`` in the direction ``angle``; the block lies on the side
    of +v.
    """

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
    return [
        Edge(x, y, math.atan2(s[1], s[0]), float(np.hypot(*s)))
        for (x, y), s in zip(starts, steps, strict=True)
    ]


class Site:
    """A block being built up: places buildings so that they touch at most."""

    def __init__(
        self, world: World, block: Polygon, quarter: Quarter, style: Style, rng: np.random.Generator
    ) -> None:
        self.world, self.block, self.quarter, self.style, self.rng = (
            world,
            block,
            quarter,
            style,
            rng,
        )
        self.placed: list[Polygon] = []
        self.base_roof = pick(
            {name: share for name, share in style.roofs.items() if name != "shell"}, rng
        )

    def put(
        self,
        at: Spot,
        parts: list[Part],
        kind: str,
        roof: str,
        floors: float,
        gap: float | None = None,
    ) -> Building | None:
        """Place a building at ``x, y, angle``; with ``gap`` it keeps that many metres from others,
        else it is cut to touch.

        Returns None where there is no room.
        """
        x, y, angle = at
        if not self.world.holds(x, y, 60):
            return None
        shape = largest(shapely.set_precision(outline(parts, x, y, angle), GRID))
        if gap is None:
            shape = self._fitted(shape)
        elif not self.block.contains(shape) or any(
            shape.distance(p) < gap for p in self._near(shape, gap)
        ):
            return None
        if shape.area < 9:
            return None
        colour, pitch = self.paint(roof)
        building = Building(
            x,
            y,
            angle,
            parts,
            shape,
            kind,
            roof,
            colour,
            pitch,
            0.4 + 2.8 * floors,
            int(self.rng.integers(2**31)),
        )
        self.placed.append(shape)
        self.world.buildings.append(building)
        return building

    def _fitted(self, shape: Polygon) -> Polygon:
        """What is left of a plan within the block and beside its neighbours; empty where that is
        little or slivers.
        """
        whole = shape.area
        shape = largest(shapely.intersection(shape, self.block, grid_size=GRID))
        for other in self._near(shape, 0) if shape else ():
            shape = largest(shapely.difference(shape, other, grid_size=GRID))
        opened = largest(shape.buffer(-0.7).buffer(0.7, join_style="mitre"))
        if opened.area < 0.45 * whole:
            return Polygon()
        # The opening drops slivers; cut with the original it leaves shared walls where they were.
        return largest(shapely.intersection(opened, shape, grid_size=GRID))

    def cover(
        self, shape: BaseGeometry, cover: str, angle: float = 0.0, crisp: bool = False
    ) -> None:
        """Lay ground within the block."""
        self.world.zones.append(Zone(shape.intersection(self.block), cover, angle, crisp))

    def _near(self, shape: Polygon, gap: float) -> list[Polygon]:
        x0, y0, x1, y1 = shape.bounds
        return [
            p
            for p in self.placed
            if p.bounds[0] < x1 + gap
            and p.bounds[2] > x0 - gap
            and p.bounds[1] < y1 + gap
            and p.bounds[3] > y0 - gap
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
