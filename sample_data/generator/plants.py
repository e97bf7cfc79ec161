"""Trees: crowns drawn once per kind and size, stamped where they stand higher than what is there; small boxes too."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from .light import Sun
from .noise import Noise
from .styles import Colour, Style
from .world import Box, World

Stamp = tuple[np.ndarray, np.ndarray]


def _crown(kind: str, radius: float, gsd: float, sun: Sun, rng: np.random.Generator, noise: Noise) -> Stamp:
    """Brightness and height (m) of a crown; 0 height outside of it."""
    n = math.ceil(radius * 1.35 / gsd) + 1
    axis = np.arange(-n, n + 1) * gsd
    x, y = axis[None] + rng.uniform(-0.5, 0.5) * gsd, axis[:, None] + rng.uniform(-0.5, 0.5) * gsd
    angle, away = np.arctan2(y, x), np.hypot(x, y) / radius
    if kind == "palm":
        fronds = rng.integers(9, 14)
        star = np.abs(np.sin(angle * fronds / 2 + rng.uniform(0, 6)))
        reach = 0.35 + 0.8 * star**1.5
        shape = np.clip(1.25 - away / reach, 0, 1)
        height = (5 + radius) * (shape > 0.12) * (0.75 + 0.25 * np.sqrt(shape))
        return (0.75 + 0.5 * shape * star).astype(np.float32), height.astype(np.float32)
    waves = np.zeros_like(angle)
    for lobes in range(2, 7):
        waves += rng.normal(0, 0.11 / lobes) * np.sin(lobes * angle + rng.uniform(0, 6))
    r0, c0 = rng.integers(0, 900, 2)
    k = max(1, round(1.1 / radius / gsd * 0.5))
    clump = noise.tile("clump", r0 + np.arange(len(axis)) * k, c0 + np.arange(len(axis)) * k)
    away = away / (1 + waves) + 0.10 * clump
    dome = np.sqrt(np.clip(1 - away**2, 0, 1)) if kind != "cone" else np.clip(1 - away, 0, 1)
    tall = {"cone": 2.6, "bush": 0.9, "hedge": 0.9}.get(kind, 1.1) * radius
    bumps = dome * (1 + (0.28 if kind != "cone" else 0.12) * clump)
    gy, gx = np.gradient(ndimage.gaussian_filter(bumps * min(tall, 1.3 * radius), 0.6), gsd)
    light = sun.shade(-gx, -gy)
    light = light * (0.78 + 0.3 * dome) * (1 + 0.10 * noise.tile("white", r0 + np.arange(len(axis)), c0 + np.arange(len(axis))))
    trunk = {"bush": 0.1, "hedge": 0.8, "cone": 0.5}.get(kind, 0.7 * radius)
    height = np.where(dome > 0.05, trunk + tall * bumps, 0)
    return light.astype(np.float32), height.astype(np.float32)


def plant_trees(
    canvas: np.ndarray, heights: np.ndarray, world: World, style: Style, noise: Noise, sun: Sun, rng: np.random.Generator
) -> None:
    """Stamp every tree into the colours (row, col, band) and the heights (m)."""
    gsd = noise.gsd
    stamps: dict[tuple[str, int, int], Stamp] = {}
    for x, y, radius, kind in world.trees:
        size = max(1, round(math.log(radius / 0.4) / 0.14))
        key = kind, size, int(rng.integers(6))
        if key not in stamps:
            stamps[key] = _crown(kind, 0.4 * math.exp(size * 0.14), gsd, sun, rng, noise)
        leaf = np.array(style.leaf[int(rng.integers(len(style.leaf)))], np.float32)
        leaf = leaf * rng.normal(1.05, 0.13) + rng.normal(0, 4, 3)
        if kind == "cone":
            leaf *= (0.75, 0.8, 0.85)
        _stamp(canvas, heights, int(y / gsd), int(x / gsd), stamps[key], leaf)


def _stamp(canvas: np.ndarray, heights: np.ndarray, row: int, col: int, stamp: Stamp, leaf: np.ndarray) -> None:
    light, tall = stamp
    n = len(light) // 2
    r0, c0, r1, c1 = max(row - n, 0), max(col - n, 0), min(row + n + 1, len(heights)), min(col + n + 1, heights.shape[1])
    if r0 >= r1 or c0 >= c1:
        return
    inner = slice(r0 - row + n, r1 - row + n), slice(c0 - col + n, c1 - col + n)
    here = heights[r0:r1, c0:c1]
    above = tall[inner] > here
    canvas[r0:r1, c0:c1][above] = np.clip(leaf * light[inner][above][:, None] + 6, 8, 240)
    here[above] = tall[inner][above]


def put_boxes(canvas: np.ndarray, heights: np.ndarray, labels: np.ndarray, boxes: list[Box], gsd: float) -> None:
    """Draw cars, walls and containers on the ground, never on a roof (``labels`` above 0)."""
    for thing in boxes:
        reach = math.hypot(thing.length, thing.width) / 2 + gsd
        r0, r1 = max(0, int((thing.y - reach) / gsd)), min(len(heights), int((thing.y + reach) / gsd) + 2)
        c0, c1 = max(0, int((thing.x - reach) / gsd)), min(heights.shape[1], int((thing.x + reach) / gsd) + 2)
        if r0 >= r1 or c0 >= c1:
            continue
        dx = (np.arange(c0, c1) + 0.5) * gsd - thing.x
        dy = (np.arange(r0, r1)[:, None] + 0.5) * gsd - thing.y
        cos, sin = math.cos(thing.angle), math.sin(thing.angle)
        u, v = dx * cos + dy * sin, -dx * sin + dy * cos
        inside = (np.abs(u) <= thing.length / 2) & (np.abs(v) <= max(thing.width, gsd) / 2) & (labels[r0:r1, c0:c1] == 0)
        canvas[r0:r1, c0:c1][inside] = thing.colour
        heights[r0:r1, c0:c1][inside] = thing.height
        if thing.glass:
            _windows(canvas[r0:r1, c0:c1], heights[r0:r1, c0:c1], inside, u, thing)


def _windows(canvas: np.ndarray, heights: np.ndarray, inside: np.ndarray, u: np.ndarray, thing: Box) -> None:
    front = inside & (
        ((u > 0.12 * thing.length) & (u < 0.27 * thing.length)) | ((u < -0.27 * thing.length) & (u > -0.38 * thing.length))
    )
    dark: Colour = (48, 54, 62)
    canvas[front] = dark
    heights[inside & (u > 0.27 * thing.length)] = 0.9
