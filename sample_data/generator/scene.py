"""The scene put together: streets, blocks filled by their quarter's character, roads."""

from __future__ import annotations

import numpy as np
import shapely
from shapely import STRtree
from shapely.geometry import box

from .halls import halls
from .land import fields, glade, park, wood
from .plots import plots, rows, scatter
from .roads import lay_roads
from .site import Site
from .streets import Road, lay_out
from .styles import QUARTERS, Style
from .world import World, Zone

FILLS = {
    "rows": rows,
    "plots": plots,
    "halls": halls,
    "scatter": scatter,
    "fields": fields,
    "wood": wood,
    "glade": glade,
}


def compose(width: float, height: float, style: Style, rng: np.random.Generator) -> World:
    """Everything in a scene of ``width`` x ``height`` metres."""
    world = World(width, height)
    roads, blocks = lay_out(width, height, style, rng)
    frame = box(0, 0, width, height)
    world.zones.append(Zone(frame.buffer(60), "verge"))
    for block in blocks:
        if block.shape.intersects(frame):
            quarter = QUARTERS[block.quarter]
            site = Site(world, block.shape, quarter, style, rng)
            leisure = rng.random() < 0.03 and quarter.fill in ("rows", "plots", "scatter")
            (park if leisure else FILLS[quarter.fill])(site)
    lay_roads(world, roads, rng)
    _thin_trees(world, roads, rng)
    return world


def _thin_trees(world: World, roads: list[Road], rng: np.random.Generator) -> None:
    """No trunks inside walls, on roads, or far outside the scene; crowns may hang over a roof's
    edge.
    """
    trees = [t for t in world.trees if world.holds(t[0], t[1], 8)]
    if not trees:
        return
    points = shapely.points([t[:2] for t in trees])
    keep = np.ones(len(trees), bool)
    if world.buildings:
        roofs = STRtree([b.footprint for b in world.buildings])
        index, gaps = roofs.query_nearest(points, return_distance=True, all_matches=False)
        radius = np.array([t[2] for t in trees])[index[0]]
        keep[index[0]] = gaps > radius * rng.uniform(0.35, 1.1, len(gaps))
    if roads:
        beds = STRtree([r.line.buffer(r.width / 2 + 0.3) for r in roads])
        keep[beds.query(points, predicate="within")[0]] = False
    world.trees = [t for t, ok in zip(trees, keep, strict=True) if ok]
