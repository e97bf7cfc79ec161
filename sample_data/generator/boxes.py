"""Cars, walls, containers and litter: boxes on the ground."""

from __future__ import annotations

import math

import numpy as np

from .easel import Easel
from .world import Box

GLASS = (48, 54, 62)


def put_boxes(easel: Easel, boxes: list[Box]) -> None:
    """Draw boxes on the ground, never on a roof."""
    gsd = easel.gsd
    for thing in boxes:
        reach = math.hypot(thing.length, thing.width) / 2 + gsd
        r0, r1 = (
            max(0, int((thing.y - reach) / gsd)),
            min(easel.shape[0], int((thing.y + reach) / gsd) + 2),
        )
        c0, c1 = (
            max(0, int((thing.x - reach) / gsd)),
            min(easel.shape[1], int((thing.x + reach) / gsd) + 2),
        )
        if r0 >= r1 or c0 >= c1:
            continue
        view = slice(r0, r1), slice(c0, c1)
        dx = (np.arange(c0, c1) + 0.5) * gsd - thing.x
        dy = (np.arange(r0, r1)[:, None] + 0.5) * gsd - thing.y
        cos, sin = math.cos(thing.angle), math.sin(thing.angle)
        u, v = dx * cos + dy * sin, -dx * sin + dy * cos
        inside = (
            (np.abs(u) <= thing.length / 2)
            & (np.abs(v) <= max(thing.width, gsd) / 2)
            & (easel.labels[view] == 0)
        )
        easel.canvas[view][inside] = thing.colour
        easel.heights[view][inside] = thing.height
        if thing.glass:
            _glaze(easel.canvas[view], easel.heights[view], inside, u / thing.length)


def _glaze(canvas: np.ndarray, heights: np.ndarray, inside: np.ndarray, along: np.ndarray) -> None:
    """Windscreen, rear window and a lower bonnet; ``along`` runs from -0.5 at the rear to 0.5."""
    windows = inside & (((along > 0.13) & (along < 0.25)) | ((along < -0.27) & (along > -0.36)))
    canvas[windows] = (0.35 * canvas[windows] + 0.65 * np.array(GLASS)).astype(np.uint8)
    heights[inside & (along > 0.27)] = 0.9
