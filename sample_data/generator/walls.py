"""Walls that show beside a roof where the camera does not look straight down."""

from __future__ import annotations

import math

import numpy as np

from .light import Sun
from .world import Building

PLASTER = ((206, 198, 184), (184, 172, 158), (164, 128, 108), (214, 210, 202), (176, 170, 164), (196, 180, 150))


def paint_walls(
    canvas: np.ndarray,
    heights: np.ndarray,
    labels: np.ndarray,
    window: tuple[slice, slice],
    label: int,
    building: Building,
    gsd: float,
    sun: Sun,
    lean: tuple[float, float],
) -> None:
    """Draw the walls of building ``label`` on ground pixels beside its roof: the roof's mask, shifted step by step to its foot.

    ``lean`` (x, y) is the roof's offset from the foot in metres a metre of height; roofs stay where they are.
    """
    reach = building.eaves * math.hypot(*lean) / gsd
    if reach < 0.7 or building.roof == "shell":
        return
    steps = round(reach)
    pad = steps + 1
    rows, cols = (np.arange(max(s.start - pad, 0), min(s.stop + pad, n)) for s, n in zip(window, labels.shape, strict=True))
    view = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    roof, free = labels[view] == label, labels[view] == 0
    facing = (-lean[0], -lean[1])
    light = 0.62 + 0.45 * (facing[0] * sun.towards[0] + facing[1] * sun.towards[1]) / math.hypot(*lean)
    colour = np.array(PLASTER[building.seed % len(PLASTER)]) * max(light, 0.4)
    for k in range(1, steps + 1):
        dr, dc = (round(-lean[i] / math.hypot(*lean) * k) for i in (1, 0))
        z = building.eaves * (1 - (k - 0.5) / steps)
        moved = np.zeros_like(roof)
        to_r, from_r = _overlap(dr, len(roof))
        to_c, from_c = _overlap(dc, roof.shape[1])
        moved[to_r, to_c] = roof[from_r, from_c]
        new = moved & free & (heights[view] < z)
        canvas[view][new] = np.clip(colour * (0.92 + 0.16 * ((k * 7 + building.seed) % 5) / 4), 8, 240).astype(np.uint8)
        heights[view][new] = z


def _overlap(shift: int, length: int) -> tuple[slice, slice]:
    return slice(max(shift, 0), length + min(shift, 0)), slice(max(-shift, 0), length - max(shift, 0))
