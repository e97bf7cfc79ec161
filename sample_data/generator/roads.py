"""Roads on the ground: beds, footways, marks, patches, traffic."""

from __future__ import annotations

import math

import numpy as np
from shapely.geometry import LineString
from shapely.ops import substring

from .details import car
from .streets import Road
from .world import World, Zone, pick, rectangle


def lay_roads(world: World, roads: list[Road], rng: np.random.Generator) -> None:
    """Footways first, then the beds over them, so that junctions stay open; then marks and cars."""
    for road in roads:
        if road.footway:
            strip = road.line.buffer(road.width / 2 + road.footway, cap_style="flat")
            world.zones.append(Zone(strip, "footway", 0, True))
    surface = pick({"road_dark": 1, "road": 2, "road_light": 1}, rng)
    for road in roads:
        bed = road.line.buffer(road.width / 2 + (0.0 if road.paved else 0.4), cap_style="square")
        own = (
            surface
            if rng.random() < 0.7
            else pick({"road_dark": 1, "road": 2, "road_light": 1}, rng)
        )
        world.zones.append(Zone(bed, own if road.paved else "track", 0, road.paved))
    for road in roads:
        if road.paved:
            _patches(world, road, rng)
            _marks(world, road, rng)
            _traffic(world, road, rng)


def _patches(world: World, road: Road, rng: np.random.Generator) -> None:
    """Asphalt of another age."""
    for _ in range(int(road.line.length / 60)):
        x, y, angle = _at(
            road.line, rng.uniform(0, road.line.length), rng.uniform(-0.3, 0.3) * road.width
        )
        patch = rectangle(x, y, rng.uniform(2, 12), rng.uniform(0.8, 2.5), angle)
        world.zones.append(Zone(patch, pick({"road_dark": 1, "road_light": 1}, rng), 0, True))


def _marks(world: World, road: Road, rng: np.random.Generator) -> None:
    length = road.line.length
    if road.width < 6.4:
        return
    for s in np.arange(4, length - 6, 9.0):
        world.zones.append(
            Zone(substring(road.line, s, s + 4).buffer(0.16, cap_style="flat"), "mark", 0, True)
        )
    for side in (-1, 1):
        if road.width > 8:
            edge = road.line.offset_curve(side * (road.width / 2 - 0.4))
            world.zones.append(Zone(edge.buffer(0.15, cap_style="flat"), "faint_mark", 0, True))
    if length > 60 and road.footway:
        x, y, angle = _at(road.line, rng.uniform(12, length - 12), 0)
        for v in np.arange(-road.width / 2 + 0.5, road.width / 2 - 0.3, 1.0):
            bar = rectangle(x - v * math.sin(angle), y + v * math.cos(angle), 3.5, 0.5, angle)
            world.zones.append(Zone(bar, "mark", 0, True))


def _traffic(world: World, road: Road, rng: np.random.Generator) -> None:
    s = rng.uniform(0, 30)
    busy = 26 if road.width > 7 else 55
    while s < road.line.length:
        side = rng.choice([-1, 1])
        parked = road.footway > 0 and rng.random() < 0.7
        x, y, angle = _at(
            road.line, s, side * (road.width / 2 - 1.05 if parked else road.width / 4)
        )
        if world.holds(x, y):
            world.boxes.append(car(x, y, angle, rng))
        s += rng.exponential(busy * 0.3 if parked else busy) + 5.5


def _at(line: LineString, s: float, offset: float) -> tuple[float, float, float]:
    """Point and direction ``s`` metres along a line, ``offset`` metres to its side."""
    before, here, after = (line.interpolate(max(0.0, s + step)) for step in (-1, 0, 1))
    angle = math.atan2(after.y - before.y, after.x - before.x)
    return here.x - offset * math.sin(angle), here.y + offset * math.cos(angle), angle
