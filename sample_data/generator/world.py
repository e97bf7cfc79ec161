"""What a scene is made of, before it is drawn. Metres, x to the right and y down; angles in radians
from x towards y.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from shapely import affinity
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from .styles import Colour


@dataclass(frozen=True)
class Part:
    """A rectangle of a building in its own frame (u along the street, v away from it) and the form
    of its roof.

    ``form`` is gable_u or gable_v (by the direction of the ridge), hip, mono, saw, vault or flat.
    """

    u0: float
    v0: float
    u1: float
    v1: float
    form: str
    lift: float = 0.0


@dataclass
class Building:
    """A building: its parts in a frame at ``x, y`` turned by ``angle``, its ``footprint``, its
    covering and heights.
    """

    x: float
    y: float
    angle: float
    parts: list[Part]
    footprint: Polygon
    kind: str
    roof: str
    colour: Colour
    pitch: float
    eaves: float
    seed: int


@dataclass
class Zone:
    """A piece of ground: ``cover`` names its look; ``crisp`` ones have sharp edges and lie on
    top.
    """

    shape: BaseGeometry
    cover: str
    angle: float = 0.0
    crisp: bool = False


@dataclass
class Box:
    """A small oriented thing that stands on the ground: a car, a wall, a container. ``centre, size,
    angle, height``.
    """

    x: float
    y: float
    length: float
    width: float
    angle: float
    height: float
    colour: Colour
    glass: bool = False


Tree = tuple[float, float, float, str]
"""x, y, radius of the crown (m), species."""


@dataclass
class World:
    """All that lies in a scene."""

    width: float
    height: float
    zones: list[Zone] = field(default_factory=list)
    buildings: list[Building] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)

    def holds(self, x: float, y: float, margin: float = 15.0) -> bool:
        return -margin < x < self.width + margin and -margin < y < self.height + margin


def pick(weights: dict[str, float], rng: np.random.Generator) -> str:
    """A key, by its weight."""
    names = list(weights)
    shares = np.array([weights[n] for n in names])
    return names[int(rng.choice(len(names), p=shares / shares.sum()))]


def place(shape: BaseGeometry, x: float, y: float, angle: float) -> BaseGeometry:
    """From a local frame to the scene's."""
    cos, sin = math.cos(angle), math.sin(angle)
    return affinity.affine_transform(shape, [cos, -sin, sin, cos, x, y])


def outline(parts: list[Part], x: float, y: float, angle: float) -> BaseGeometry:
    """Union of the parts, in the scene's frame."""
    rectangles = [box(p.u0, p.v0, p.u1, p.v1) for p in parts]
    return place(rectangles[0] if len(rectangles) == 1 else unary_union(rectangles), x, y, angle)


def rectangle(x: float, y: float, length: float, width: float, angle: float) -> Polygon:
    """A rectangle around its centre."""
    return place(box(-length / 2, -width / 2, length / 2, width / 2), x, y, angle)


def polygons(shape: BaseGeometry, least: float = 0.0) -> list[Polygon]:
    """The polygons in a geometry that cover more than ``least`` square metres."""
    pieces = getattr(shape, "geoms", [shape])
    return [p for p in pieces if p.geom_type == "Polygon" and p.area > least]


def largest(shape: BaseGeometry) -> Polygon:
    """The largest polygon in a geometry; an empty one where there is none."""
    return max(polygons(shape), key=lambda p: p.area, default=Polygon())
