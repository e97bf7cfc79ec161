"""Walls that show beside a roof where the camera does not look straight down."""

from __future__ import annotations

import math

import numpy as np

from .easel import Easel, Window
from .world import Building

PLASTER = (
    (206, 198, 184),
    (184, 172, 158),
    (164, 128, 108),
    (214, 210, 202),
    (176, 170, 164),
    (196, 180, 150),
)


def paint_walls(
    easel: Easel, window: Window, label: int, building: Building, lean: tuple[float, float]
) -> None:
    """Draw the walls of building ``label`` on ground pixels beside its roof: the roof's mask,
    shifted step by step to its foot.

    ``lean`` (x, y) is the roof's offset from the foot in metres a metre of height; roofs stay where
    they are.
    """
    slant = math.hypot(*lean)
    steps = round(building.eaves * slant / easel.gsd)
    if steps < 1 or building.roof == "shell":
        return
    rows, cols = (slice(max(s.start - steps, 0), s.stop + steps) for s in window)
    canvas, heights, labels = (
        easel.canvas[rows, cols],
        easel.heights[rows, cols],
        easel.labels[rows, cols],
    )
    x, y = -lean[0] / slant, -lean[1] / slant
    light = 0.62 + 0.45 * (x * easel.sun.towards[0] + y * easel.sun.towards[1])
    colour = np.array(PLASTER[building.seed % len(PLASTER)]) * max(light, 0.4)
    roof = labels == label
    for k in range(1, steps + 1):
        z = building.eaves * (1 - (k - 0.5) / steps)
        wall = _shifted(roof, round(y * k), round(x * k)) & (labels == 0) & (heights < z)
        course = 0.92 + 0.04 * ((k * 7 + building.seed) % 5)
        canvas[wall] = np.clip(colour * course, 8, 240).astype(np.uint8)
        heights[wall] = z


def _shifted(mask: np.ndarray, down: int, right: int) -> np.ndarray:
    moved = np.zeros_like(mask)
    to_row, from_row = _overlap(down, mask.shape[0])
    to_col, from_col = _overlap(right, mask.shape[1])
    moved[to_row, to_col] = mask[from_row, from_col]
    return moved


def _overlap(shift: int, length: int) -> tuple[slice, slice]:
    return slice(max(shift, 0), length + min(shift, 0)), slice(
        max(-shift, 0), length - max(shift, 0)
    )
