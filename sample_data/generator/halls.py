"""Large buildings: industry and blocks of flats, their yards and car parks."""

from __future__ import annotations

import math

import numpy as np
from shapely.geometry import LineString

from .details import blob, car, plant, scatter_point, wander
from .houses import centred, court, form_for
from .site import Edge, Site, Spot, edges
from .styles import ROOFS, Colour
from .world import Box, Part, pick, place, rectangle

CONTAINERS: tuple[Colour, ...] = (
    (150, 70, 56),
    (52, 86, 130),
    (90, 110, 96),
    (200, 198, 190),
    (170, 140, 90),
)


def halls(site: Site) -> None:
    """Rows of large buildings in the frame of a block's longest side."""
    rng, quarter = site.rng, site.quarter
    flats = quarter.floors[1] > 3
    yards = {"asphalt_yard": 1.0, "concrete_yard": 1.0, "gravel": 0.7, "meadow": 0.5}
    site.cover(site.block, "lawn" if flats else pick(yards, rng))
    centre, reach = site.block.centroid, math.sqrt(site.block.area) * 1.6
    angle = max(edges(site.block), key=lambda e: e.length).angle
    frame = Edge(centre.x, centre.y, angle, reach)
    spread = 1.4 if flats else 1.0
    v = -reach / 2
    while v < reach / 2:
        depth = rng.uniform(*quarter.depth)
        u = -reach / 2
        while u < reach / 2:
            length = rng.uniform(*quarter.frontage)
            spot = (
                *frame.at(u + length / 2, v + depth / 2),
                angle + (rng.choice([0, 0, 0, math.pi / 2]) if flats else 0),
            )
            if rng.random() > quarter.density or not _hall(site, spot, length, depth):
                u += 6
                continue
            if rng.random() < 0.45:
                car_park(site, (*frame.at(u + length + 9, v + depth / 2), angle), depth)
            u += length + rng.uniform(8, 20) * spread
        v += depth + rng.uniform(9, 22) * spread
    if not flats:
        _worn(site, angle)
        _stacks(site, angle)
    plant(site, site.block, 0.005 * quarter.trees)


def _hall(site: Site, at: Spot, length: float, depth: float) -> bool:
    rng, quarter = site.rng, site.quarter
    flats = quarter.floors[1] > 3
    roof = site.roof(0.7) if flats else pick(site.style.halls, rng)
    flat = ROOFS[roof].texture == "flat"
    form = "flat" if flat else pick({"gable_u": 4, "vault": 0.7, "saw": 0.8, "hip": 0.5}, rng)
    if ROOFS[roof].texture in ("tile", "thatch") or (flats and not flat):
        form = "hip" if rng.random() < 0.4 else "gable_u"
    parts, draw = [centred(length, depth, form)], rng.random()
    if draw < 0.18 and length > 1.9 * depth:
        wing, back = depth * rng.uniform(0.6, 0.9), depth / 2 + rng.uniform(6, 16)
        parts.append(
            Part(-length / 2, -depth / 2, -length / 2 + wing, back, "flat" if flat else "gable_v")
        )
    elif draw < 0.26 and depth > 24:
        parts = court(length, depth, rng.uniform(8, 11), "flat" if flat else "gable_u")
    if (
        site.put(
            at, parts, "apartments" if flats else "hall", roof, rng.uniform(*quarter.floors), 3.0
        )
        is None
    ):
        return False
    if not flats and rng.random() < 0.4:
        _lean_to(site, at, length, depth)
    return True


def _lean_to(site: Site, at: Spot, length: float, depth: float) -> None:
    rng = site.rng
    side = rng.uniform(6, 14)
    shift = (length + side) / 2
    roof = pick(site.style.halls, rng)
    parts = [centred(side, depth * rng.uniform(0.4, 0.9), form_for(roof, 9, 8, rng))]
    site.put(
        (at[0] + shift * math.cos(at[2]), at[1] + shift * math.sin(at[2]), at[2]),
        parts,
        "hall",
        roof,
        1.2,
    )


def car_park(site: Site, at: Spot, length: float) -> None:
    """Bays along both sides of a lane; cars in most of them."""
    rng = site.rng
    lot = rectangle(*at[:2], 15.5, length, at[2])
    if not site.block.contains(lot) or any(lot.intersects(p) for p in site.placed):
        return
    site.placed.append(lot)
    site.cover(lot, "asphalt", at[2], True)
    frame, full = Edge(*at, 0.0), rng.uniform(0.2, 0.9)
    for v in np.arange(-length / 2 + 0.3, length / 2 - 2.2, 2.5):
        for u in (-5.2, 5.2):
            line = LineString([(u - 2.4, v), (u + 2.4, v)]).buffer(0.15, cap_style="flat")
            site.cover(place(line, *at), "faint_mark", 0, True)
            if rng.random() < full:
                site.world.boxes.append(
                    car(*frame.at(u + rng.normal(0, 0.2), v + 1.25), at[2], rng)
                )


def _worn(site: Site, angle: float) -> None:
    """Slabs, patches, grass and tracks on a yard that was never of a piece."""
    rng = site.rng
    for _ in range(int(site.block.area / 700)):
        x, y = scatter_point(site.block, rng)
        slab = rectangle(x, y, rng.uniform(4, 26), rng.uniform(3, 15), angle + rng.normal(0, 0.02))
        ground = pick(
            {"concrete_yard": 1, "asphalt_yard": 1, "gravel": 0.7, "meadow": 0.6, "yard": 0.5}, rng
        )
        site.cover(
            blob(slab, rng) if ground in ("meadow", "yard", "gravel") else slab, ground, angle
        )
    for _ in range(int(site.block.area / 4000)):
        path = wander(scatter_point(site.block, rng), scatter_point(site.block, rng), rng)
        site.cover(path.buffer(rng.uniform(1.2, 2.4)), pick({"gravel": 1, "asphalt_yard": 1}, rng))


def _stacks(site: Site, angle: float) -> None:
    """Containers, lorries and stacks: things with corners and shadows that are no buildings."""
    rng = site.rng
    for _ in range(int(site.block.area / 900)):
        x, y = scatter_point(site.block, rng)
        thing = rectangle(x, y, 13, 3, angle)
        if site.block.contains(thing) and not any(thing.intersects(p) for p in site.placed):
            turn = angle + rng.choice([0, math.pi / 2]) + rng.normal(0, 0.05)
            colour = CONTAINERS[int(rng.integers(len(CONTAINERS)))]
            site.world.boxes.append(
                Box(x, y, rng.choice([6.1, 12.2, 3.0]), 2.45, turn, rng.uniform(1.2, 2.8), colour)
            )
