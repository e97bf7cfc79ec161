"""Houses: in rows along the street, on plots of their own, or anywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from shapely.geometry import LineString, Point, Polygon

from .details import blob, car, clutter, hedge, plant, scatter_point, shed, wall, wander
from .houses import centred, form_for, plan
from .site import Edge, Site, edges
from .styles import ROOFS
from .world import Part, Zone, pick, polygons, rectangle

TURNED = {"gable_u": "gable_v", "gable_v": "gable_u"}


def rows(site: Site) -> None:
    """Adjoining houses along the sides of a block, in ``rings`` rows one behind the other; yards
    behind them.
    """
    rng, quarter = site.rng, site.quarter
    site.cover(
        site.block,
        pick({"lawn": site.style.lawn, "yard": 1 - site.style.lawn, "concrete": 0.25}, rng),
    )
    inner = site.block
    for _ in range(quarter.rings):
        row_depth = rng.uniform(*quarter.depth)
        for edge in edges(inner):
            if edge.length > quarter.frontage[0] * 0.7:
                _row(site, edge, row_depth)
        left = polygons(inner.buffer(-(row_depth + rng.uniform(0.8, 4.0))), 60)
        if not left:
            break
        inner = max(left, key=lambda p: p.area)
    else:
        _backyards(site, inner)
    clutter(site, site.block, 0.006 * quarter.sheds)


def _row(site: Site, edge: Edge, row_depth: float) -> None:
    rng, quarter = site.rng, site.quarter
    setback, floors = (
        rng.uniform(*quarter.setback),
        rng.integers(quarter.floors[0], quarter.floors[1] + 1),
    )
    u = 0.0
    while u < edge.length - 3:
        front = min(rng.uniform(*quarter.frontage), edge.length - u)
        if rng.random() < quarter.gap or front < 3.5:
            if front > 5 and rng.random() < 0.5:
                ground = pick({"yard": 2, "lawn": 1, "concrete": 1}, rng)
                site.cover(
                    rectangle(*edge.at(u + front / 2, 5), front, 10, edge.angle), ground, edge.angle
                )
            u += front
            continue
        roof = site.roof(0.6)
        depth = row_depth * rng.uniform(0.85, 1.15)
        own = max(1, int(floors + rng.choice([-1, 0, 0, 0, 1])))
        x, y = edge.at(u + front / 2, setback + depth / 2)
        spot = x, y, edge.angle + rng.normal(0, quarter.twist)
        site.put(
            spot,
            _terrace(site, roof, front, depth),
            "apartments" if own > 3 else "house",
            roof,
            own,
        )
        u += front + (rng.uniform(0.5, 2) if rng.random() < quarter.gap else 0)


def _terrace(site: Site, roof: str, front: float, depth: float) -> list[Part]:
    """A house between two others: its ridge along the street, sometimes a wing behind."""
    rng = site.rng
    form = form_for(roof, front + 9, depth, rng)
    form = "gable_u" if form == "hip" and ROOFS[roof].texture != "thatch" else form
    parts = [centred(front, depth, form)]
    if rng.random() < 0.25:
        wing, back = front * rng.uniform(0.4, 0.6), depth / 2 + rng.uniform(2.5, 7)
        parts.append(
            Part(
                front / 2 - wing,
                0,
                front / 2,
                back,
                "flat" if form in ("flat", "mono") else "gable_v",
            )
        )
    return parts


def _backyards(site: Site, inner: Polygon) -> None:
    rng, style = site.rng, site.style
    for edge in edges(inner):
        u = rng.uniform(0, 6)
        while u < edge.length - 4:
            width = rng.uniform(4, 11)
            if rng.random() < 0.6:
                ground = pick(
                    {
                        "lawn": 3 * style.lawn,
                        "yard": 1,
                        "concrete": 0.8,
                        "garden": 0.5,
                        "gravel": 0.5,
                    },
                    rng,
                )
                site.cover(
                    rectangle(*edge.at(u + width / 2, 6), width, 12, edge.angle), ground, edge.angle
                )
            if rng.random() < site.quarter.sheds * 0.5:
                shed(site, (*edge.at(u, rng.uniform(0, 8)), edge.angle))
            u += width
    plant(site, inner, 0.012 * site.quarter.trees)


@dataclass(frozen=True)
class Plot:
    """A strip of ground ``front`` wide and ``reach`` deep, ``u`` along its edge; the house ends
    ``back`` metres inwards.
    """

    edge: Edge
    u: float
    front: float
    reach: float
    setback: float
    back: float = 0.0

    def at(self, across: float, inwards: float) -> tuple[float, float]:
        """The point at the share ``across`` of the front and ``inwards`` metres."""
        return self.edge.at(self.u + across * self.front, inwards)

    @property
    def shape(self) -> Polygon:
        return Polygon(
            [self.at(0, 0), self.at(1, 0), self.at(1, self.reach), self.at(0, self.reach)]
        )


def plots(site: Site) -> None:
    """Detached houses on plots along the sides of a block, each with its garden."""
    rng, quarter, block = site.rng, site.quarter, site.block
    site.cover(block, "meadow")
    reach = min(rng.uniform(26, 40), 1.7 * block.area / block.length)
    for edge in edges(block, 2.5):
        u = 0.0
        while u < edge.length - quarter.frontage[0] * 0.75:
            front = min(rng.uniform(*quarter.frontage), edge.length - u)
            if rng.random() > quarter.gap:
                _house_and_garden(site, Plot(edge, u, front, reach, rng.uniform(*quarter.setback)))
            u += front
    plant(site, block, 0.0042 * quarter.trees)
    clutter(site, block, 0.0012)


def _house_and_garden(site: Site, plot: Plot) -> None:
    rng, quarter = site.rng, site.quarter
    ground = (
        "lawn"
        if rng.random() < site.style.lawn
        else pick({"yard": 2, "meadow": 1, "gravel": 0.3}, rng)
    )
    site.cover(plot.shape, ground, plot.edge.angle)
    length = float(np.clip(rng.uniform(0.5, 0.8) * plot.front, 7.5, 19))
    depth = float(np.clip(rng.uniform(*quarter.depth), 6, 0.5 * plot.reach))
    roof = site.roof()
    parts = plan(length, depth, roof, rng)
    if rng.random() < 0.25:
        parts = [Part(p.v0, p.u0, p.v1, p.u1, TURNED.get(p.form, p.form), p.lift) for p in parts]
    x, y = plot.at(0.5, plot.setback + depth / 2 + 1)
    spot = x, y, plot.edge.angle + rng.normal(0, quarter.twist + 0.01)
    house = site.put(
        spot, parts, "house", roof, int(rng.integers(quarter.floors[0], quarter.floors[1] + 1)), 1.5
    )
    if house is None:
        return
    side = int(rng.choice([-1, 1]))
    if rng.random() < 0.35:
        _garage(site, spot, side * length / 2, depth)
    _drive(site, plot, side, depth)
    _garden(
        site, Plot(plot.edge, plot.u, plot.front, plot.reach, plot.setback, plot.setback + depth)
    )


def _garage(site: Site, house: tuple[float, float, float], wall_at: float, depth: float) -> None:
    """A garage that leans on the house's side ``wall_at`` metres from its middle."""
    rng, (x, y, angle) = site.rng, house
    width = rng.uniform(3.2, 6.2)
    shift = wall_at + math.copysign(width / 2, wall_at)
    roof = pick({"gravel": 1, "bitumen": 1, site.base_roof: 1}, rng)
    parts = [centred(width, min(depth, rng.uniform(5, 7)), form_for(roof, 5, 6, rng))]
    site.put(
        (x + shift * math.cos(angle), y + shift * math.sin(angle), angle),
        parts,
        "garage",
        roof,
        0.9,
    )


def _drive(site: Site, plot: Plot, side: int, depth: float) -> None:
    rng, angle = site.rng, plot.edge.angle
    across = 0.5 + 0.38 * side
    run = plot.setback + rng.uniform(3, depth)
    ground = pick({"concrete": 1.2, "asphalt": 0.7, "gravel": 1, "pavers": 1.2, "yard": 0.5}, rng)
    site.cover(
        rectangle(*plot.at(across, run / 2), rng.uniform(2.6, 5), run, angle),
        ground,
        angle,
        ground != "yard",
    )
    if rng.random() < 0.5:
        site.world.boxes.append(car(*plot.at(across, run * 0.6), angle + math.pi / 2, rng))


def _garden(site: Site, plot: Plot) -> None:
    """Terrace, pool, beds, sheds, hedges or walls of one plot."""
    rng, angle = site.rng, plot.edge.angle
    terrace = rectangle(
        *plot.at(0.5, plot.back + 2.5), rng.uniform(4, 9), rng.uniform(2.5, 5), angle
    )
    site.cover(terrace, pick({"pavers": 2, "concrete": 1, "wood": 0.6}, rng), angle, True)
    if rng.random() < 0.16 and plot.reach - plot.back > 12:
        x, y = plot.at(rng.uniform(0.35, 0.65), plot.back + rng.uniform(6, 9))
        long, wide = rng.uniform(5, 9), rng.uniform(3, 4.5)
        pool = (
            rectangle(x, y, long, wide, angle)
            if rng.random() < 0.6
            else Point(x, y).buffer(wide / 2)
        )
        site.cover(pool.buffer(1.0, join_style="mitre"), "pavers", 0, True)
        site.cover(pool, "water", 0, True)
    if rng.random() < 0.4:
        x, y = plot.at(rng.uniform(0.3, 0.7), plot.reach * rng.uniform(0.75, 0.92))
        site.cover(
            rectangle(x, y, rng.uniform(4, 9), rng.uniform(3, 7), angle),
            "garden",
            angle + rng.choice([0, 1.57]),
        )
    for _ in range(rng.integers(1, 3) if rng.random() < site.quarter.sheds else 0):
        x, y = plot.at(rng.uniform(0.15, 0.85), rng.uniform(0.65, 0.95) * plot.reach)
        shed(
            site,
            (x, y, angle + rng.choice([0, math.pi / 2]) + rng.normal(0, 0.05 + site.quarter.twist)),
        )
    _borders(site, plot)


def _borders(site: Site, plot: Plot) -> None:
    rng = site.rng
    for across in (0, 1):
        draw = rng.random()
        ends = plot.at(across, 0.6), plot.at(across, plot.reach * 0.95)
        if draw < 0.4:
            hedge(site, LineString(ends))
        elif draw < 0.62:
            wall(site, ends)
    if rng.random() < 0.4:
        hedge(site, LineString([plot.edge.at(plot.u + 1, 0.8), plot.at(0.7, 0.8)]))


def scatter(site: Site) -> None:
    """Houses anywhere in a block, each on its swept yard, with footpaths to the nearest side."""
    rng, quarter = site.rng, site.quarter
    site.cover(site.block, pick({"meadow": 2, "scrub": 1, "yard": 1.2 * site.style.dryness}, rng))
    main = edges(site.block)[0].angle
    for _ in range(int(site.block.area / 1100)):
        patch = rectangle(
            *scatter_point(site.block, rng),
            rng.uniform(8, 26),
            rng.uniform(8, 20),
            main + rng.normal(0, 0.3),
        )
        site.cover(
            patch, pick({"garden": 1, "field_rows": 1, "meadow": 1}, rng), main + rng.normal(0, 0.6)
        )
    for _ in range(int(quarter.density * site.block.area / 330)):
        _homestead(site, main + rng.choice([0, math.pi / 2]) + rng.normal(0, quarter.twist))
    plant(site, site.block, 0.008 * quarter.trees)
    clutter(site, site.block, 0.0015)


def _homestead(site: Site, angle: float) -> None:
    rng, quarter = site.rng, site.quarter
    x, y = scatter_point(site.block, rng)
    roof = site.roof(0.35)
    length, depth = rng.uniform(*quarter.frontage), rng.uniform(*quarter.depth)
    parts = plan(max(length, 1.1 * depth), depth, roof, rng)
    house = site.put(
        (x, y, angle), parts, "hut" if length < 7 else "house", roof, 1, rng.choice([0.5, 3, 8])
    )
    if house is None:
        return
    site.cover(blob(house.footprint.buffer(rng.uniform(1, 5)), rng), "swept")
    if rng.random() < 0.5:
        foot = site.block.exterior.interpolate(site.block.exterior.project(Point(x, y)))
        path = wander((x, y), (foot.x, foot.y), rng).buffer(rng.uniform(0.5, 1.1))
        site.world.zones.append(Zone(path, "track"))
    if rng.random() < quarter.sheds:
        shed(site, (x + rng.normal(0, 9), y + rng.normal(0, 9), angle + rng.normal(0, 0.3)))
