"""Footprints as they are handed out: cut to what was flown, on a grid of millimetres, neighbours
sharing their vertices.
"""

from __future__ import annotations

import math

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from shapely import STRtree, affinity
from shapely.geometry import Polygon

from .world import Building, largest, polygons

GRID = 0.001
LEAST_PIECE = 3.0


def flight(width: float, height: float, share: float, rng: np.random.Generator) -> Polygon:
    """What the flight covered of ``width`` x ``height`` metres: all but a ragged corner that holds
    ``share`` of the area.
    """
    corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]
    if share <= 0:
        return Polygon(corners)
    slant = rng.uniform(1.3, 2.6)
    along = min(math.sqrt(2 * share * slant * width * height), 0.9 * width)
    down = 2 * share * width * height / along
    t = np.linspace(0, 1, 9)
    sway = rng.normal(0, 0.006, 9) * (width + height) * np.sin(math.pi * t)
    edge = [
        (float(width - along * (1 - s)), float(max(0.0, down * s + w)))
        for s, w in zip(t, sway, strict=True)
    ]
    covered = Polygon([(0.0, 0.0), *edge, (width, height), (0.0, height)]).buffer(0)
    flip_x, flip_y = rng.choice([-1, 1], 2)
    return affinity.scale(covered, flip_x, flip_y, origin=(width / 2, height / 2))


def survey(
    buildings: list[Building], covered: Polygon, origin: tuple[float, float]
) -> tuple[list[Building], list[Polygon]]:
    """Each piece of a building inside ``covered``: its building, and its polygon in the CRS whose
    corner is ``origin``.
    """
    owners, shapes = [], []
    for building in buildings:
        shape = building.footprint
        pieces = (
            [shape]
            if covered.contains(shape)
            else polygons(shape.intersection(covered), LEAST_PIECE)
        )
        for piece in pieces:
            placed = affinity.affine_transform(piece, [1, 0, 0, -1, origin[0], origin[1]])
            for part in polygons(shapely.set_precision(placed, GRID), 0.5 * LEAST_PIECE):
                owners.append(building)
                shapes.append(part)
    met = _meet(shapes)
    kept = [i for i, shape in enumerate(met) if shape.area > 0.5 * LEAST_PIECE]
    return [owners[i] for i in kept], [met[i] for i in kept]


def _meet(shapes: list[Polygon]) -> list[Polygon]:
    """Walls shared exactly, not nearly, in every group of footprints that touch."""
    if not shapes:
        return []
    left, right = STRtree(shapes).query(shapes, predicate="dwithin", distance=2 * GRID)
    _, group = connected_components(
        coo_array((np.ones(len(left)), (left, right)), (len(shapes), len(shapes)))
    )
    order = np.argsort(group, kind="stable")
    met = list(shapes)
    for members in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if len(members) > 1:
            for i, shape in zip(members, _noded([shapes[i] for i in members]), strict=True):
                met[i] = shape
    return met


def _noded(shapes: list[Polygon]) -> list[Polygon]:
    """All outlines are noded together on the grid, and each face goes to the first footprint that
    it lies in.
    """
    lines = shapely.union_all(shapely.boundary(shapes), grid_size=GRID)
    faces = shapely.get_parts(shapely.polygonize([lines]))
    face, owner = STRtree(shapes).query(shapely.point_on_surface(faces), predicate="within")
    owned: list[list[Polygon]] = [[] for _ in shapes]
    for k in np.unique(face, return_index=True)[1]:
        owned[owner[k]].append(faces[face[k]])
    return [largest(shapely.coverage_union_all(own)) if own else Polygon() for own in owned]
