"""Small things: trees and hedges, walls, cars, sheds, paths, clutter."""

from __future__ import annotations

import math

import numpy as np
from shapely.geometry import LineString, Point, Polygon

from .houses import centred
from .site import Site, Spot
from .styles import ROOFS, Colour
from .world import Box, pick

CARS: tuple[Colour, ...] = (
    (232, 232, 230),
    (226, 228, 230),
    (40, 42, 46),
    (58, 60, 66),
    (150, 152, 156),
    (190, 192, 196),
    (150, 38, 36),
    (44, 70, 120),
    (96, 98, 102),
    (214, 206, 190),
)
LITTER: tuple[Colour, ...] = (
    (200, 198, 190),
    (120, 110, 98),
    (72, 66, 60),
    (90, 110, 140),
    (150, 96, 80),
    (170, 160, 140),
    (60, 76, 58),
)


def scatter_point(shape: Polygon, rng: np.random.Generator) -> tuple[float, float]:
    x0, y0, x1, y1 = shape.bounds
    return float(rng.uniform(x0, x1)), float(rng.uniform(y0, y1))


def car(x: float, y: float, angle: float, rng: np.random.Generator) -> Box:
    colour = CARS[int(rng.integers(len(CARS)))]
    van = rng.random() < 0.12
    length, width, height = (
        (6.2, 2.2, 2.5) if van else (rng.uniform(3.8, 4.9), rng.uniform(1.7, 1.9), 1.45)
    )
    return Box(x, y, length, width, angle + rng.normal(0, 0.03), height, colour, not van)


def wall(site: Site, ends: tuple[tuple[float, float], tuple[float, float]]) -> None:
    (x0, y0), (x1, y1) = ends
    tone = int(site.rng.integers(110, 190))
    length, angle = math.hypot(x1 - x0, y1 - y0), math.atan2(y1 - y0, x1 - x0)
    rise = site.rng.uniform(1.0, 2.1)
    site.world.boxes.append(
        Box((x0 + x1) / 2, (y0 + y1) / 2, length, 0.3, angle, rise, (tone, tone - 8, tone - 18))
    )


def hedge(site: Site, line: LineString, radius: float = 0.75) -> None:
    size = radius * site.rng.uniform(0.8, 1.5)
    for s in np.arange(0, line.length, size * 0.9):
        if site.rng.random() < 0.95:
            p = line.interpolate(s)
            site.world.trees.append((p.x, p.y, size * site.rng.uniform(0.85, 1.2), "hedge"))


def shed(site: Site, at: Spot, gap: float = 0.4) -> None:
    rng = site.rng
    length = rng.uniform(3.6, 8)
    depth = max(12.2 / length, rng.uniform(2.6, 5))
    roof = pick(site.style.sheds, rng)
    form = (
        "flat"
        if ROOFS[roof].texture in ("flat", "shell")
        else ("mono" if rng.random() < 0.6 else "gable_u")
    )
    site.put(at, [centred(length, depth, form)], "shed", roof, 0.75, gap)


def blob(shape: Polygon, rng: np.random.Generator) -> Polygon:
    """A shape with its outline pushed about."""
    ring = np.array(shape.segmentize(3).exterior.coords)[:-1]
    return Polygon(ring + rng.normal(0, 0.7, ring.shape)).buffer(0)


def wander(
    start: tuple[float, float], end: tuple[float, float], rng: np.random.Generator
) -> LineString:
    """A path that nobody surveyed."""
    t = np.linspace(0, 1, 12)
    span = math.dist(start, end)
    sway = rng.normal(0, 0.08) * span * np.sin(math.pi * t) + rng.normal(0, 0.04) * span * np.sin(
        2 * math.pi * t
    )
    across = np.array([start[1] - end[1], end[0] - start[0]]) / max(span, 1e-6)
    return LineString(np.outer(1 - t, start) + np.outer(t, end) + np.outer(sway, across))


def plant(site: Site, shape: Polygon, density: float) -> None:
    """Trees and bushes at random, ``density`` a square metre: alone, in clumps, now and then in a
    thicket.
    """
    rng = site.rng
    for _ in range(rng.poisson(density * shape.area / 3)):
        size = rng.lognormal(0.85, 0.42)
        many = int(rng.integers(8, 26)) if rng.random() < 0.1 else int(rng.integers(1, 6))
        _clump(site, shape, many, size, size * 0.75 * many**0.5)
    for _ in range(rng.poisson(density * shape.area * 0.5)):
        _clump(site, shape, int(rng.integers(1, 8)), 0.7, 1.3)


def _clump(site: Site, shape: Polygon, many: int, size: float, spread: float) -> None:
    rng = site.rng
    x, y = scatter_point(shape, rng)
    first = pick(site.style.species, rng) if size > 1 else "bush"
    for _ in range(many):
        spot = x + rng.normal(0, spread), y + rng.normal(0, spread)
        if shape.contains(Point(spot)):
            kind = first if rng.random() < 0.6 or size <= 1 else pick(site.style.species, rng)
            largest = 3.4 if kind == "palm" else 6.5
            site.world.trees.append(
                (*spot, float(np.clip(size * rng.uniform(0.55, 1.35), 0.35, largest)), kind)
            )


def clutter(site: Site, shape: Polygon, density: float) -> None:
    """Things people leave lying about: bins, planks, tubs, tarpaulins, heaps."""
    rng = site.rng
    for _ in range(rng.poisson(density * shape.area)):
        x, y = scatter_point(shape, rng)
        if shape.contains(Point(x, y)):
            long = min(rng.lognormal(0.1, 0.5), 4.0)
            colour = LITTER[int(rng.integers(len(LITTER)))]
            thing = Box(
                x,
                y,
                long,
                long * rng.uniform(0.3, 0.9),
                rng.uniform(0, math.pi),
                rng.uniform(0.2, 1.3),
                colour,
            )
            site.world.boxes.append(thing)
