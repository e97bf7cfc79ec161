"""Open land: fields and farms, orchards, woods, parks."""

from __future__ import annotations

import math

import numpy as np
from shapely.geometry import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import split

from .details import blob, clutter, hedge, plant, scatter_point, wander
from .houses import centred, court, form_for, plan
from .plots import plots
from .site import Edge, Site, edges
from .styles import ROOFS
from .world import pick, polygons, rectangle


def fields(site: Site) -> None:
    """Fields side by side, hedgerows between some, now and then a farm."""
    rng, dryness = site.rng, site.style.dryness
    longest = max(edges(site.block), key=lambda e: e.length)
    angle = longest.angle + rng.choice([0, math.pi / 2])
    green = 1.3 * (1 - dryness) + 0.2
    covers = {
        "field_bare": 1.2,
        "field_green": green,
        "field_ripe": 1,
        "meadow": 1,
        "field_rows": 0.8,
        "scrub": 0.8 * dryness,
    }
    for piece in _strips(site, angle):
        site.cover(
            piece.buffer(-rng.uniform(0.2, 2.0)), pick(covers, rng), angle + rng.normal(0, 0.05)
        )
        if rng.random() < 0.22:
            orchard(site, piece, angle)
        if rng.random() < 0.4:
            path = wander(scatter_point(piece, rng), scatter_point(site.block, rng), rng)
            site.cover(path.buffer(rng.uniform(0.6, 1.4)), "track")
    if rng.random() < 0.8:
        farm(site, longest)
    plant(site, site.block, 0.0012 * site.quarter.trees)


def _strips(site: Site, angle: float) -> list[Polygon]:
    """The block cut along or across, a hedgerow on some cuts."""
    rng, pieces, far = site.rng, [site.block], 2000.0
    for _ in range(rng.integers(1, 4)):
        piece = max(pieces, key=lambda p: p.area)
        pieces.remove(piece)
        turn = angle + rng.normal(0, 0.05) + rng.choice([0, math.pi / 2])
        dx, dy, c = far * math.cos(turn), far * math.sin(turn), piece.centroid
        line = LineString([(c.x - dx, c.y - dy), (c.x + dx, c.y + dy)])
        pieces += polygons(split(piece, line))
        inside = line.intersection(piece)
        if rng.random() < 0.45 and inside.geom_type == "LineString":
            hedge(site, inside, rng.uniform(0.9, 2.2))
    return pieces


def farm(site: Site, edge: Edge) -> None:
    """A house and barns around a yard near the road."""
    rng = site.rng
    middle, (x, y) = edge.at(edge.length / 2, 0), edge.at(edge.length / 2, rng.uniform(22, 40))
    angle = edge.angle + rng.normal(0, 0.2)
    yard = blob(rectangle(x, y, rng.uniform(34, 56), rng.uniform(28, 42), angle), rng)
    site.cover(yard, pick({"yard": 2, "gravel": 1, "concrete_yard": 0.7}, rng))
    site.cover(wander(middle, (x, y), rng).buffer(1.7), "track")
    frame = Edge(x, y, angle, 0)
    for k in range(rng.integers(2, 5)):
        turn, away = k * math.pi / 2, rng.uniform(13, 17)
        spot = (*frame.at(-away * math.sin(turn), away * math.cos(turn)), angle + turn)
        roof = pick(site.style.halls | site.style.sheds, rng) if k else site.roof()
        length, depth = (
            (rng.uniform(15, 34), rng.uniform(8, 15))
            if k
            else (rng.uniform(12, 19), rng.uniform(8, 11))
        )
        parts = (
            [centred(length, depth, form_for(roof, length, depth, rng))]
            if k
            else plan(length, depth, roof, rng)
        )
        if rng.random() < 0.1:
            form = "flat" if ROOFS[roof].texture == "flat" else "gable_u"
            parts = court(length + 12, depth + 14, rng.uniform(6, 8), form)
        site.put(spot, parts, "farm" if k else "house", roof, rng.uniform(1, 2), 0.8)
    around = Point(x, y).buffer(38).intersection(site.block)
    plant(site, around, 0.006)
    clutter(site, around, 0.008)


def orchard(site: Site, piece: Polygon, angle: float) -> None:
    """Trees on a grid."""
    rng, c = site.rng, piece.centroid
    step, size = rng.uniform(4.5, 8), rng.uniform(1.4, 2.4)
    reach, frame = math.sqrt(piece.area) * 0.8, Edge(c.x, c.y, angle, 0)
    kind = "palm" if site.style.species.get("palm", 0) > rng.random() else "round"
    inside = piece.buffer(-3)
    for u in np.arange(-reach, reach, step):
        for v in np.arange(-reach, reach, step):
            x, y = frame.at(u + rng.normal(0, 0.3), v + rng.normal(0, 0.3))
            if rng.random() < 0.9 and inside.contains(Point(x, y)):
                site.world.trees.append((x, y, size * rng.uniform(0.7, 1.25), kind))


def wood(site: Site) -> None:
    """A closed wood with clearings and a hut or two."""
    rng = site.rng
    site.cover(site.block, "forest_floor")
    for _ in range(rng.integers(0, 4)):
        roof = pick(site.style.sheds, rng)
        spot = (*scatter_point(site.block, rng), rng.uniform(0, 3))
        site.put(
            spot,
            [centred(rng.uniform(5, 10), rng.uniform(4, 7), form_for(roof, 7, 5, rng))],
            "hut",
            roof,
            1,
            1,
        )
    kinds = _kinds(site)
    clearings = [
        Point(scatter_point(site.block, rng)).buffer(rng.uniform(6, 20))
        for _ in range(rng.integers(0, 4))
    ]
    for clearing in clearings:
        site.cover(blob(clearing, rng), "meadow")
    shape = site.block.buffer(-2)
    for clearing in clearings:
        shape = shape.difference(clearing)
    canopy(site, shape, kinds)


def glade(site: Site) -> None:
    """Houses on plots in a closed wood; some stand free, of some the crowns hide a part."""
    rng, first = site.rng, len(site.world.buildings)
    plots(site)
    shape = site.block.buffer(-2)
    for building in site.world.buildings[first:]:
        shape = shape.difference(building.footprint.buffer(rng.uniform(0, 11)))
    canopy(site, shape, _kinds(site))


def _kinds(site: Site) -> dict[str, float]:
    """Trees of a wood."""
    tall = {k: v for k, v in site.style.species.items() if k != "bush"}
    return tall | {"cone": site.rng.uniform(0, 0.7)}


def canopy(site: Site, shape: BaseGeometry, kinds: dict[str, float]) -> None:
    """Crowns that close over a shape in the block."""
    rng = site.rng
    typical = rng.uniform(0.95, 1.3)
    for _ in range(int(site.block.area / 9)):
        x, y = scatter_point(site.block, rng)
        if shape.contains(Point(x, y)):
            kind = pick(kinds, rng)
            largest = 3.6 if kind == "palm" else 6.5
            site.world.trees.append(
                (x, y, float(np.clip(rng.lognormal(typical, 0.3), 1.2, largest)), kind)
            )


def park(site: Site) -> None:
    """Lawn, paths, tall trees, a pitch."""
    rng, rim = site.rng, site.block.exterior
    site.cover(site.block, "lawn")
    for _ in range(3):
        start, end = (rim.interpolate(rng.uniform(0, 1), normalized=True) for _ in range(2))
        site.cover(wander((start.x, start.y), (end.x, end.y), rng).buffer(1.2), "gravel")
    if site.block.area > 4000:
        c = site.block.centroid
        pitch = rectangle(c.x, c.y, 36, 18, edges(site.block)[0].angle)
        site.cover(pitch, pick({"court": 1, "sand": 1, "concrete": 1}, rng), 0, True)
    plant(site, site.block, 0.012)
