"""What stands in a block: rows of houses, houses on plots, halls, scattered houses."""

from __future__ import annotations

import math

import numpy as np
from shapely.geometry import LineString, Point, Polygon

from .houses import Site, along, centred, court, edges, form_for, plan
from .styles import ROOFS
from .world import Box, Part, Zone, pick, place, polygons, rectangle

CARS = (
    (232, 232, 230),
    (40, 42, 46),
    (150, 152, 156),
    (190, 192, 196),
    (150, 38, 36),
    (44, 70, 120),
    (96, 98, 102),
    (214, 206, 190),
)


def rows(site: Site) -> None:
    """Adjoining houses along the sides of a block, in ``rings`` rows one behind the other; yards behind them."""
    rng, quarter = site.rng, site.quarter
    lawn = rng.random() < site.style.lawn
    site.world.zones.append(Zone(site.block, "lawn" if lawn else "yard"))
    inner = site.block
    for _ in range(quarter.rings):
        row_depth = rng.uniform(*quarter.depth)
        for edge in edges(inner):
            if edge[3] > quarter.frontage[0] * 0.7:
                _row(site, edge, row_depth)
        left = polygons(inner.buffer(-(row_depth + rng.uniform(1.2, 4.5))), 90)
        if not left:
            return
        inner = max(left, key=lambda p: p.area)
    _backyard(site, inner)


def _row(site: Site, edge: tuple[float, float, float, float], row_depth: float) -> None:
    rng, quarter = site.rng, site.quarter
    setback, floors = rng.uniform(*quarter.setback), rng.integers(quarter.floors[0], quarter.floors[1] + 1)
    u = 0.0
    while u < edge[3] - 3:
        front = min(rng.uniform(*quarter.frontage), edge[3] - u)
        if rng.random() < quarter.gap or front < 3.5:
            if front > 5 and rng.random() < 0.5:
                site.world.zones.append(
                    Zone(
                        rectangle(*along(edge, u + front / 2, 5), front, 10, edge[2]),
                        pick({"yard": 2, "lawn": 1, "concrete": 1}, rng),
                    )
                )
            u += front
            continue
        roof = site.roof(0.6)
        depth = row_depth * rng.uniform(0.85, 1.15)
        own = max(1, int(floors + rng.choice([-1, 0, 0, 0, 1])))
        form = form_for(roof, front + 9, depth, rng)
        form = "gable_u" if form == "hip" and ROOFS[roof].texture != "thatch" else form
        parts = [centred(front, depth, form)]
        if rng.random() < 0.25:
            wing = front * rng.uniform(0.4, 0.6)
            back = depth / 2 + rng.uniform(2.5, 7)
            parts.append(Part(front / 2 - wing, 0, front / 2, back, "flat" if form in ("flat", "mono") else "gable_v"))
        twist = rng.normal(0, quarter.twist)
        x, y = along(edge, u + front / 2, setback + depth / 2)
        site.put((x, y, edge[2] + twist), parts, "apartments" if own > 3 else "house", roof, own)
        u += front + (rng.uniform(0.5, 2) if rng.random() < quarter.gap else 0)


def _backyard(site: Site, inner: Polygon) -> None:
    rng, style = site.rng, site.style
    for edge in edges(inner):
        u = rng.uniform(0, 6)
        while u < edge[3] - 4:
            width = rng.uniform(4, 11)
            if rng.random() < 0.6:
                cover = pick({"lawn": 3 * style.lawn, "yard": 1, "concrete": 0.8, "garden": 0.5, "gravel": 0.5}, rng)
                site.world.zones.append(
                    Zone(rectangle(*along(edge, u + width / 2, 6), width, 12, edge[2]).intersection(site.block), cover, edge[2])
                )
            if rng.random() < site.quarter.sheds * 0.5:
                shed(site, (*along(edge, u, rng.uniform(0, 8)), edge[2]))
            u += width
    plant(site, inner, 0.010 * site.quarter.trees)


def shed(site: Site, at: tuple[float, float, float], gap: float = 0.4) -> None:
    rng = site.rng
    length = rng.uniform(3.6, 8)
    depth = max(12.2 / length, rng.uniform(2.6, 5))
    roof = pick(site.style.sheds, rng)
    form = "flat" if ROOFS[roof].texture in ("flat", "shell") else ("mono" if rng.random() < 0.6 else "gable_u")
    site.put(at, [centred(length, depth, form)], "shed", roof, 0.75, gap)


def plots(site: Site) -> None:
    """Detached houses on plots along the sides of a block, each with its garden."""
    rng, quarter, block = site.rng, site.quarter, site.block
    site.world.zones.append(Zone(block, "meadow"))
    reach = min(rng.uniform(26, 40), 1.7 * block.area / block.length)
    for edge in edges(block, 2.5):
        u = 0.0
        while u < edge[3] - quarter.frontage[0] * 0.75:
            front = min(rng.uniform(*quarter.frontage), edge[3] - u)
            corners = [along(edge, a, b) for a, b in ((u, 0), (u + front, 0), (u + front, reach), (u, reach))]
            if rng.random() > quarter.gap:
                _plot(site, edge, u, front, reach, Polygon(corners))
            u += front
    plant(site, block, 0.0022 * quarter.trees)


def _plot(site: Site, edge: tuple[float, float, float, float], u: float, front: float, reach: float, shape: Polygon) -> None:
    rng, quarter, style = site.rng, site.quarter, site.style
    cover = "lawn" if rng.random() < style.lawn else pick({"yard": 2, "meadow": 1, "gravel": 0.3}, rng)
    site.world.zones.append(Zone(shape.intersection(site.block), cover, edge[2]))
    length = float(np.clip(rng.uniform(0.5, 0.8) * front, 7.5, 19))
    depth = float(np.clip(rng.uniform(*quarter.depth), 6, 0.5 * reach))
    setback = rng.uniform(*quarter.setback)
    angle = edge[2] + rng.normal(0, quarter.twist + 0.01)
    roof = site.roof()
    parts = plan(length, depth, roof, rng)
    if rng.random() < 0.25:
        parts = [
            Part(p.v0, p.u0, p.v1, p.u1, {"gable_u": "gable_v", "gable_v": "gable_u"}.get(p.form, p.form), p.lift)
            for p in parts
        ]
    x, y = along(edge, u + front / 2 + rng.normal(0, 0.5), setback + depth / 2 + 1)
    house = site.put((x, y, angle), parts, "house", roof, int(rng.integers(quarter.floors[0], quarter.floors[1] + 1)), 1.5)
    if house is None:
        return
    _annexes(site, edge, (u, front, reach, setback), house.angle, (x, y, length, depth))
    _garden(site, edge, (u, front, reach, setback + depth))


def _annexes(
    site: Site,
    edge: tuple[float, float, float, float],
    plot: tuple[float, float, float, float],
    angle: float,
    house: tuple[float, float, float, float],
) -> None:
    rng = site.rng
    u, front, reach, setback = plot
    side = rng.choice([-1, 1])
    x, y, length, depth = house
    if rng.random() < 0.35:  # a garage that leans on the house
        width = rng.uniform(3.2, 6.2)
        shift = side * (length + width) / 2
        beside = x + shift * math.cos(angle), y + shift * math.sin(angle), angle
        roof = pick({"gravel": 1, "bitumen": 1, site.base_roof: 1}, rng)
        form = form_for(roof, 5, 6, rng)
        site.put(beside, [centred(width, min(depth, rng.uniform(5, 7)), form)], "garage", roof, 0.9)
    drive = u + front / 2 + side * front * 0.38
    cover = pick({"concrete": 1.2, "asphalt": 0.7, "gravel": 1, "pavers": 1.2, "yard": 0.5}, rng)
    run = setback + rng.uniform(3, depth)
    site.world.zones.append(
        Zone(rectangle(*along(edge, drive, run / 2), rng.uniform(2.6, 5), run, edge[2]), cover, edge[2], cover != "yard")
    )
    if rng.random() < 0.5:
        site.world.boxes.append(car(*along(edge, drive, run * 0.6), edge[2] + math.pi / 2, rng))
    if rng.random() < site.quarter.sheds:
        for _ in range(rng.integers(1, 3)):
            spot = along(edge, u + rng.uniform(0.15, 0.85) * front, rng.uniform(0.65, 0.95) * reach)
            shed(site, (*spot, edge[2] + rng.choice([0, math.pi / 2]) + rng.normal(0, 0.05 + site.quarter.twist)))


def _garden(site: Site, edge: tuple[float, float, float, float], plot: tuple[float, float, float, float]) -> None:
    """Terrace, pool, beds, hedges or walls of one plot."""
    rng, world = site.rng, site.world
    u, front, reach, back = plot
    spot = along(edge, u + front / 2, back + 2.5)
    world.zones.append(
        Zone(
            rectangle(*spot, rng.uniform(4, 9), rng.uniform(2.5, 5), edge[2]),
            pick({"pavers": 2, "concrete": 1, "wood": 0.6}, rng),
            edge[2],
            True,
        )
    )
    if rng.random() < 0.16 and reach - back > 12:
        x, y = along(edge, u + front * rng.uniform(0.35, 0.65), back + rng.uniform(6, 9))
        pool = (
            rectangle(x, y, rng.uniform(5, 9), rng.uniform(3, 4.5), edge[2])
            if rng.random() < 0.6
            else Point(x, y).buffer(rng.uniform(1.5, 2.6))
        )
        world.zones += [Zone(pool.buffer(1.0, join_style="mitre"), "pavers", 0, True), Zone(pool, "water", 0, True)]
    if rng.random() < 0.4:
        x, y = along(edge, u + front * rng.uniform(0.3, 0.7), reach * rng.uniform(0.75, 0.92))
        world.zones.append(
            Zone(rectangle(x, y, rng.uniform(4, 9), rng.uniform(3, 7), edge[2]), "garden", edge[2] + rng.choice([0, 1.57]))
        )
    for a in (u, u + front):
        draw = rng.random()
        ends = along(edge, a, 0.6), along(edge, a, reach * 0.95)
        if draw < 0.4:
            hedge(site, LineString(ends))
        elif draw < 0.62:
            wall(site, ends)
    if rng.random() < 0.4:
        hedge(site, LineString([along(edge, u + 1, 0.8), along(edge, u + front * 0.7, 0.8)]))


def hedge(site: Site, line: LineString, radius: float = 0.75) -> None:
    size = radius * site.rng.uniform(0.8, 1.5)
    for s in np.arange(0, line.length, size * 0.9):
        if site.rng.random() < 0.95:
            p = line.interpolate(s)
            site.world.trees.append((p.x, p.y, size * site.rng.uniform(0.85, 1.2), "hedge"))


def wall(site: Site, ends: tuple[tuple[float, float], tuple[float, float]]) -> None:
    (x0, y0), (x1, y1) = ends
    tone = int(site.rng.integers(110, 190))
    middle = (x0 + x1) / 2, (y0 + y1) / 2
    length, angle = math.hypot(x1 - x0, y1 - y0), math.atan2(y1 - y0, x1 - x0)
    site.world.boxes.append(Box(*middle, length, 0.3, angle, site.rng.uniform(1.2, 2.2), (tone, tone - 8, tone - 18)))


def car(x: float, y: float, angle: float, rng: np.random.Generator) -> Box:
    van = rng.random() < 0.12
    colour = CARS[int(rng.integers(len(CARS)))]
    length, width, height = (6.2, 2.2, 2.5) if van else (rng.uniform(3.8, 4.9), rng.uniform(1.7, 1.9), 1.45)
    return Box(x, y, length, width, angle + rng.normal(0, 0.03), height, colour, not van)


def halls(site: Site) -> None:
    """Large buildings in the frame of a block, with yards, car parks and lorries between them."""
    rng, quarter = site.rng, site.quarter
    green = quarter.floors[1] > 3
    ground = "lawn" if green else pick({"asphalt_yard": 1, "concrete_yard": 1, "gravel": 0.7, "meadow": 0.5}, rng)
    site.world.zones.append(Zone(site.block, ground))
    longest = max(edges(site.block), key=lambda e: e[3])
    angle, centre = longest[2], site.block.centroid
    reach = math.sqrt(site.block.area) * 1.6
    v = -reach / 2
    while v < reach / 2:
        depth = rng.uniform(*quarter.depth)
        u = -reach / 2
        while u < reach / 2:
            length = rng.uniform(*quarter.frontage)
            x, y, _ = _spot(centre, angle, u + length / 2, v + depth / 2)
            turn = angle + (rng.choice([0, 0, 0, math.pi / 2]) if green else 0)
            if rng.random() > quarter.density or not _hall(site, (x, y, turn), length, depth):
                u += 6
                continue
            if rng.random() < 0.45:
                x, y, _ = _spot(centre, angle, u + length + 7, v + depth / 2)
                car_park(site, (x, y, angle), depth)
            u += length + rng.uniform(8, 20) * (1.5 if green else 1)
        v += depth + rng.uniform(9, 22) * (1.4 if green else 1)
    if not green:
        _yard_clutter(site, angle)
    plant(site, site.block, 0.004 * quarter.trees)


def _spot(centre: Point, angle: float, u: float, v: float) -> tuple[float, float, float]:
    return centre.x + u * math.cos(angle) - v * math.sin(angle), centre.y + u * math.sin(angle) + v * math.cos(angle), angle


def _hall(site: Site, at: tuple[float, float, float], length: float, depth: float) -> bool:
    rng, quarter = site.rng, site.quarter
    roof = pick(site.style.halls, rng) if quarter.floors[1] <= 3 else site.roof(0.7)
    flat = ROOFS[roof].texture == "flat"
    form = "flat" if flat else pick({"gable_u": 4, "vault": 0.7, "saw": 0.8, "hip": 0.5}, rng)
    if ROOFS[roof].texture in ("tile", "thatch"):
        form = "hip" if rng.random() < 0.4 else "gable_u"
    draw = rng.random()
    parts = [centred(length, depth, form)]
    if draw < 0.18 and length > 1.9 * depth:
        wing = depth * rng.uniform(0.6, 0.9)
        parts.append(
            Part(-length / 2, -depth / 2, -length / 2 + wing, depth / 2 + rng.uniform(6, 16), "flat" if flat else "gable_v")
        )
    elif draw < 0.26 and depth > 24:
        parts = court(length, depth, rng.uniform(8, 11), "flat" if flat else "gable_u")
    floors = rng.uniform(*quarter.floors)
    kind = "hall" if quarter.floors[1] <= 3 else "apartments"
    placed = site.put(at, parts, kind, roof, floors, 3.0)
    if placed and kind == "hall" and rng.random() < 0.4:
        side = rng.uniform(6, 14)
        shift = (length + side) / 2
        spot = at[0] + shift * math.cos(at[2]), at[1] + shift * math.sin(at[2]), at[2]
        small = pick(site.style.halls, rng)
        site.put(spot, [centred(side, depth * rng.uniform(0.4, 0.9), form_for(small, 9, 8, rng))], "hall", small, 1.2)
    return placed is not None


def car_park(site: Site, at: tuple[float, float, float], length: float) -> None:
    """Bays along both sides of a lane; cars in most of them."""
    rng, world = site.rng, site.world
    lot = rectangle(*at[:2], 15.5, length, at[2])
    if not site.block.contains(lot) or any(lot.intersects(p) for p in site.placed):
        return
    site.placed.append(lot)
    world.zones.append(Zone(lot, "asphalt", at[2], True))
    full = rng.uniform(0.2, 0.9)
    for v in np.arange(-length / 2 + 0.3, length / 2 - 2.2, 2.5):
        for u in (-5.2, 5.2):
            mark = place(LineString([(u - 2.4, v), (u + 2.4, v)]).buffer(0.15, cap_style="flat"), *at)
            world.zones.append(Zone(mark, "faint_mark", 0, True))
            if rng.random() < full:
                spot = _spot(Point(at[0], at[1]), at[2], u + rng.normal(0, 0.2), v + 1.25)
                world.boxes.append(car(*spot, rng))


def _yard_clutter(site: Site, angle: float) -> None:
    """Containers, lorries and stacks: things with corners and shadows that are no buildings."""
    rng = site.rng
    for _ in range(int(site.block.area / 900)):
        x, y = scatter_point(site.block, rng)
        colour = [(150, 70, 56), (52, 86, 130), (90, 110, 96), (200, 198, 190), (170, 140, 90)][int(rng.integers(5))]
        thing = rectangle(x, y, 13, 3, angle)
        if site.block.contains(thing) and not any(thing.intersects(p) for p in site.placed):
            turn = angle + rng.choice([0, math.pi / 2]) + rng.normal(0, 0.05)
            site.world.boxes.append(Box(x, y, rng.choice([6.1, 12.2, 3.0]), 2.45, turn, rng.uniform(1.2, 2.8), colour))


def scatter_point(shape: Polygon, rng: np.random.Generator) -> tuple[float, float]:
    x0, y0, x1, y1 = shape.bounds
    return float(rng.uniform(x0, x1)), float(rng.uniform(y0, y1))


def scatter(site: Site) -> None:
    """Houses anywhere in a block, each on its swept yard, with footpaths to the nearest side."""
    rng, quarter, world = site.rng, site.quarter, site.world
    world.zones.append(Zone(site.block, pick({"meadow": 2, "scrub": 1, "yard": 1.2 * site.style.dryness}, rng)))
    main = edges(site.block)[0][2]
    for _ in range(int(site.block.area / 1100)):
        x, y = scatter_point(site.block, rng)
        cover = pick({"garden": 1, "field_rows": 1, "meadow": 1}, rng)
        world.zones.append(
            Zone(
                rectangle(x, y, rng.uniform(8, 26), rng.uniform(8, 20), main + rng.normal(0, 0.3)).intersection(site.block),
                cover,
                main + rng.normal(0, 0.6),
            )
        )
    for _ in range(int(quarter.density * site.block.area / 330)):
        x, y = scatter_point(site.block, rng)
        angle = main + rng.choice([0, math.pi / 2]) + rng.normal(0, quarter.twist)
        roof = site.roof(0.35)
        length, depth = rng.uniform(*quarter.frontage), rng.uniform(*quarter.depth)
        parts = plan(max(length, 1.1 * depth), depth, roof, rng)
        house = site.put((x, y, angle), parts, "hut" if length < 7 else "house", roof, 1, rng.choice([0.5, 3, 8]))
        if house is None:
            continue
        world.zones.append(Zone(blob(house.footprint.buffer(rng.uniform(1, 5)), rng).intersection(site.block), "swept"))
        foot = site.block.exterior.interpolate(site.block.exterior.project(Point(x, y)))
        if rng.random() < 0.5:
            world.zones.append(Zone(wander((x, y), (foot.x, foot.y), rng).buffer(rng.uniform(0.5, 1.1)), "track"))
        if rng.random() < quarter.sheds:
            shed(site, (x + rng.normal(0, 9), y + rng.normal(0, 9), angle + rng.normal(0, 0.3)))
    plant(site, site.block, 0.006 * quarter.trees)


def blob(shape: Polygon, rng: np.random.Generator) -> Polygon:
    """A shape with its outline pushed about."""
    ring = np.array(shape.segmentize(3).exterior.coords)[:-1]
    return Polygon(ring + rng.normal(0, 0.7, ring.shape)).buffer(0)


def wander(start: tuple[float, float], end: tuple[float, float], rng: np.random.Generator) -> LineString:
    """A path that nobody surveyed."""
    t = np.linspace(0, 1, 12)
    span = math.dist(start, end)
    sway = rng.normal(0, 0.08) * span * np.sin(math.pi * t) + rng.normal(0, 0.04) * span * np.sin(2 * math.pi * t)
    across = np.array([start[1] - end[1], end[0] - start[0]]) / max(span, 1e-6)
    points = np.outer(1 - t, start) + np.outer(t, end) + np.outer(sway, across)
    return LineString(points)


def plant(site: Site, shape: Polygon, density: float) -> None:
    """Trees at random, in clumps, ``density`` a square metre."""
    rng = site.rng
    for _ in range(rng.poisson(density * shape.area / 2)):
        x, y = scatter_point(shape, rng)
        size = rng.lognormal(0.85, 0.42)
        for _ in range(rng.integers(1, 5)):
            spot = x + rng.normal(0, size * 1.3), y + rng.normal(0, size * 1.3)
            if shape.contains(Point(spot)):
                kind = pick(site.style.species, rng)
                site.world.trees.append((*spot, float(np.clip(size * rng.uniform(0.6, 1.3), 0.7, 6.5)), kind))
