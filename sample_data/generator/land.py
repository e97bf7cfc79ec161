"""Open country, roads with their marks and traffic, and the scene put together."""

from __future__ import annotations

import math

import numpy as np
import shapely
from shapely import STRtree
from shapely.geometry import LineString, Point, Polygon, box
from shapely.ops import split, substring

from . import fill
from .houses import Site, centred, court, edges, form_for, plan
from .streets import Road, lay_out
from .styles import QUARTERS, ROOFS, Style
from .world import World, Zone, pick, polygons, rectangle


def compose(width: float, height: float, style: Style, rng: np.random.Generator) -> World:
    """Everything in a scene of ``width`` x ``height`` metres."""
    world = World(width, height)
    roads, blocks = lay_out(width, height, style, rng)
    frame = box(0, 0, width, height)
    world.zones.append(Zone(frame.buffer(60), "verge"))
    fillers = {"rows": fill.rows, "plots": fill.plots, "halls": fill.halls, "scatter": fill.scatter, "fields": fields}
    for block in blocks:
        if not block.shape.intersects(frame):
            continue
        quarter = QUARTERS[block.quarter]
        site = Site(world, block.shape, quarter, style, rng)
        if block.quarter == "wood":
            wood(site)
        elif rng.random() < 0.04 and quarter.fill not in ("fields", "halls"):
            park(site)
        else:
            fillers[quarter.fill](site)
    _lay_roads(world, roads, rng)
    _thin_trees(world, roads, rng)
    return world


def fields(site: Site) -> None:
    """Fields side by side, hedgerows between some, now and then a farm."""
    rng, style, world = site.rng, site.style, site.world
    along = max(edges(site.block), key=lambda e: e[3])
    pieces, angle = [site.block], along[2] + rng.choice([0, math.pi / 2])
    for _ in range(rng.integers(1, 4)):
        piece = max(pieces, key=lambda p: p.area)
        pieces.remove(piece)
        c, far = piece.centroid, 2000.0
        turn = angle + rng.normal(0, 0.05) + rng.choice([0, math.pi / 2])
        line = LineString(
            [(c.x - far * math.cos(turn), c.y - far * math.sin(turn)), (c.x + far * math.cos(turn), c.y + far * math.sin(turn))]
        )
        pieces += polygons(split(piece, line))
        if rng.random() < 0.4:
            fill.hedge(site, line.intersection(piece), rng.uniform(0.9, 2.2)) if line.intersection(
                piece
            ).geom_type == "LineString" else None
    covers = {
        "field_bare": 1.2,
        "field_green": 1.3 * (1 - style.dryness) + 0.2,
        "field_ripe": 1,
        "meadow": 1,
        "field_rows": 0.8,
        "scrub": 0.8 * style.dryness,
    }
    for piece in pieces:
        world.zones.append(Zone(piece.buffer(-rng.uniform(0.2, 2.0)), pick(covers, rng), angle + rng.normal(0, 0.05)))
        if rng.random() < 0.22:
            orchard(site, piece, angle)
        if rng.random() < 0.5:
            a, b = fill.scatter_point(piece, rng), fill.scatter_point(piece, rng)
            world.zones.append(Zone(fill.wander(a, b, rng).buffer(rng.uniform(0.6, 1.4)), "track"))
    if rng.random() < 0.8:
        farm(site, along)
    fill.plant(site, site.block, 0.0008 * site.quarter.trees)


def farm(site: Site, edge: tuple[float, float, float, float]) -> None:
    """A house and barns around a yard near the road."""
    rng = site.rng
    middle = edge[0] + 0.5 * edge[3] * math.cos(edge[2]), edge[1] + 0.5 * edge[3] * math.sin(edge[2])
    inward = rng.uniform(22, 40)
    x, y = middle[0] - inward * math.sin(edge[2]), middle[1] + inward * math.cos(edge[2])
    angle = edge[2] + rng.normal(0, 0.2)
    yard = fill.blob(rectangle(x, y, rng.uniform(34, 56), rng.uniform(28, 42), angle), rng).intersection(site.block)
    site.world.zones.append(Zone(yard, pick({"yard": 2, "gravel": 1, "concrete_yard": 0.7}, rng)))
    site.world.zones.append(Zone(fill.wander(middle, (x, y), rng).buffer(1.7), "track"))
    for k in range(rng.integers(2, 5)):
        turn = angle + k * math.pi / 2
        away = rng.uniform(13, 17)
        spot = x + away * math.cos(turn + math.pi / 2), y + away * math.sin(turn + math.pi / 2), turn
        roof = site.roof() if k == 0 else pick(site.style.halls | site.style.sheds, rng)
        length, depth = (rng.uniform(12, 19), rng.uniform(8, 11)) if k == 0 else (rng.uniform(15, 34), rng.uniform(8, 15))
        if rng.random() < 0.12:
            parts = court(length + 12, depth + 14, rng.uniform(6, 8), "flat" if ROOFS[roof].texture == "flat" else "gable_u")
        else:
            parts = plan(length, depth, roof, rng) if k == 0 else [centred(length, depth, form_for(roof, length, depth, rng))]
        site.put(spot, parts, "farm" if k else "house", roof, rng.uniform(1, 2), 0.8)
    fill.plant(site, Point(x, y).buffer(38).intersection(site.block), 0.006)


def orchard(site: Site, piece: Polygon, angle: float) -> None:
    rng = site.rng
    step, size, c = rng.uniform(4.5, 8), rng.uniform(1.4, 2.4), piece.centroid
    reach = math.sqrt(piece.area) * 0.8
    kind = "palm" if site.style.species.get("palm", 0) > rng.random() else "round"
    prepared = piece.buffer(-3)
    for u in np.arange(-reach, reach, step):
        for v in np.arange(-reach, reach, step):
            x = c.x + u * math.cos(angle) - v * math.sin(angle) + rng.normal(0, 0.3)
            y = c.y + u * math.sin(angle) + v * math.cos(angle) + rng.normal(0, 0.3)
            if rng.random() < 0.9 and prepared.contains(Point(x, y)):
                site.world.trees.append((x, y, size * rng.uniform(0.7, 1.25), kind))


def wood(site: Site) -> None:
    """A wood with clearings, rarely a hut."""
    rng = site.rng
    site.world.zones.append(Zone(site.block, "forest_floor"))
    for _ in range(rng.integers(1, 4)):
        x, y = fill.scatter_point(site.block, rng)
        site.world.zones.append(Zone(fill.blob(Point(x, y).buffer(rng.uniform(8, 24)), rng).intersection(site.block), "meadow"))
    shape = site.block.buffer(-2)
    kinds = {k: v for k, v in site.style.species.items() if k != "bush"} | {"cone": rng.uniform(0, 1.5)}
    for _ in range(rng.integers(0, 4)):
        x, y = fill.scatter_point(site.block, rng)
        site.put(
            (x, y, rng.uniform(0, 3)), [centred(rng.uniform(5, 10), rng.uniform(4, 7), "gable_u")], "hut", "rusty_tin", 1, 1
        )
    for _ in range(int(shape.area / 22)):
        x, y = fill.scatter_point(shape, rng)
        if shape.contains(Point(x, y)) and rng.random() < 0.8:
            site.world.trees.append((x, y, float(np.clip(rng.lognormal(1.05, 0.3), 1, 6)), pick(kinds, rng)))


def park(site: Site) -> None:
    """Lawn, paths, tall trees, a pitch."""
    rng, world = site.rng, site.world
    world.zones.append(Zone(site.block, "lawn"))
    for _ in range(3):
        ends = [site.block.exterior.interpolate(rng.uniform(0, 1), normalized=True) for _ in range(2)]
        world.zones.append(
            Zone(
                fill.wander((ends[0].x, ends[0].y), (ends[1].x, ends[1].y), rng).buffer(1.2).intersection(site.block), "gravel"
            )
        )
    c = site.block.centroid
    if site.block.area > 4000:
        pitch = rectangle(c.x, c.y, 36, 18, edges(site.block)[0][2]).intersection(site.block)
        world.zones.append(Zone(pitch, pick({"court": 1, "sand": 1, "concrete": 1}, rng), 0, True))
    fill.plant(site, site.block, 0.009)


def _lay_roads(world: World, roads: list[Road], rng: np.random.Generator) -> None:
    for road in roads:
        if road.footway:
            world.zones.append(Zone(road.line.buffer(road.width / 2 + road.footway, cap_style="flat"), "footway", 0, True))
    for road in roads:
        bed = road.line.buffer(road.width / 2 + (0.0 if road.paved else 0.5), cap_style="flat")
        world.zones.append(
            Zone(bed, pick({"road_dark": 1, "road": 2, "road_light": 1}, rng) if road.paved else "track", 0, road.paved)
        )
    for road in roads:
        if road.paved:
            _marks(world, road, rng)
            _traffic(world, road, rng)


def _marks(world: World, road: Road, rng: np.random.Generator) -> None:
    length = road.line.length
    for _ in range(int(length / 60)):  # patches of newer or older asphalt
        s = rng.uniform(0, length)
        x, y, angle = _at(road.line, s, rng.uniform(-0.3, 0.3) * road.width)
        world.zones.append(
            Zone(
                rectangle(x, y, rng.uniform(2, 12), rng.uniform(0.8, 2.5), angle),
                pick({"road_dark": 1, "road_light": 1}, rng),
                0,
                True,
            )
        )
    if road.width < 6.4:
        return
    for s in np.arange(4, length - 6, 9.0):
        world.zones.append(Zone(substring(road.line, s, s + 4).buffer(0.16, cap_style="flat"), "mark", 0, True))
    for side in (-1, 1):
        if road.width > 8:
            edge = road.line.parallel_offset(road.width / 2 - 0.4, "left" if side < 0 else "right")
            world.zones.append(Zone(edge.buffer(0.15, cap_style="flat"), "faint_mark", 0, True))
    if length > 60 and road.footway:
        x, y, angle = _at(road.line, rng.uniform(12, length - 12), 0)
        for v in np.arange(-road.width / 2 + 0.5, road.width / 2 - 0.3, 1.0):
            spot = x - v * math.sin(angle), y + v * math.cos(angle)
            world.zones.append(Zone(rectangle(*spot, 3.5, 0.5, angle), "mark", 0, True))


def _traffic(world: World, road: Road, rng: np.random.Generator) -> None:
    s = rng.uniform(0, 30)
    busy = 26 if road.width > 7 else 55
    while s < road.line.length:
        side = rng.choice([-1, 1])
        parked = road.footway > 0 and rng.random() < 0.7
        x, y, angle = _at(road.line, s, side * (road.width / 2 - 1.05 if parked else road.width / 4))
        if world.holds(x, y):
            world.boxes.append(fill.car(x, y, angle, rng))
        s += rng.exponential(busy * 0.3 if parked else busy) + 5.5


def _at(line: LineString, s: float, offset: float) -> tuple[float, float, float]:
    a, b = line.interpolate(max(0, s - 1)), line.interpolate(s + 1)
    angle = math.atan2(b.y - a.y, b.x - a.x)
    p = line.interpolate(s)
    return p.x - offset * math.sin(angle), p.y + offset * math.cos(angle), angle


def _thin_trees(world: World, roads: list[Road], rng: np.random.Generator) -> None:
    """No trunks inside walls, on roads, or far outside the scene; crowns may hang over a roof's edge."""
    trees = [t for t in world.trees if world.holds(t[0], t[1], 8)]
    if not trees:
        return
    points = shapely.points([t[:2] for t in trees])
    keep = np.ones(len(trees), bool)
    if world.buildings:
        index, gaps = STRtree([b.footprint for b in world.buildings]).query_nearest(
            points, return_distance=True, all_matches=False
        )
        radius = np.array([t[2] for t in trees])[index[0]]
        keep[index[0]] = gaps > radius * rng.uniform(0.35, 1.1, len(gaps))
    beds = [r.line.buffer(r.width / 2 + 0.3) for r in roads]
    if beds:
        keep[STRtree(beds).query(points, predicate="within")[0]] = False
    world.trees = [t for t, ok in zip(trees, keep, strict=True) if ok]
