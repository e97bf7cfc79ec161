"""Trees: crowns drawn once per kind and size, then stamped."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from .easel import Easel
from .styles import Style
from .world import Tree

Stamp = tuple[np.ndarray, np.ndarray]


def _crown(kind: str, radius: float, easel: Easel, rng: np.random.Generator) -> Stamp:
    """Brightness and height (m) of a crown; 0 height outside of it."""
    gsd, noise = easel.gsd, easel.noise
    n = math.ceil(radius * 1.4 / gsd) + 1
    axis = np.arange(-n, n + 1) * gsd
    x, y = axis[None] + rng.uniform(-0.5, 0.5) * gsd, axis[:, None] + rng.uniform(-0.5, 0.5) * gsd
    angle, away = np.arctan2(y, x), np.hypot(x, y) / radius
    if kind == "palm":
        return _palm(angle, away, radius, rng)
    lobed = np.ones_like(angle)
    for lobes in range(2, 8):
        lobed += rng.normal(0, 0.12 / lobes) * np.sin(lobes * angle + rng.uniform(0, 6))
    r0, c0 = rng.integers(0, 900, 2)
    pixels = np.arange(len(axis))
    # Boughs are about a metre across whatever the crown's size; leaves are a pixel.
    boughs = noise.tile(
        "clump", r0 + np.rint(axis / 0.16).astype(int), c0 + np.rint(axis / 0.16).astype(int)
    )
    leaves = noise.tile("grain", r0 + pixels, c0 + pixels)
    away = away / lobed + 0.13 * boughs + 0.09 * leaves
    cone = kind == "cone"
    dome = np.clip(1 - away, 0, 1) if cone else np.clip(1 - away**2, 0, 1) ** 0.4
    tall = {"cone": 2.6, "bush": 0.9, "hedge": 0.9}.get(kind, 1.1) * radius
    relief = dome * min(tall, 1.2 * radius) + (dome > 0) * (0.16 if cone else 0.34) * boughs
    gy, gx = np.gradient(ndimage.gaussian_filter(relief, 0.3 / gsd), gsd)
    light = (
        easel.sun.shade(-gx, -gy) * (0.88 + 0.10 * boughs + 0.10 * leaves) * (0.86 + 0.18 * dome)
    )
    trunk = {"bush": 0.1, "hedge": 0.8, "cone": 0.5}.get(kind, 0.7 * radius)
    height = np.where(dome > 0.12, trunk + np.maximum(tall * dome + 0.5 * boughs * dome, 0.2), 0)
    return np.clip(light, 0.3, 1.7).astype(np.float32), height.astype(np.float32)


def _palm(angle: np.ndarray, away: np.ndarray, radius: float, rng: np.random.Generator) -> Stamp:
    """Fronds that droop: a star, darker between the fronds."""
    fronds = int(rng.integers(11, 19))
    bend = angle + 0.5 * away * rng.choice([-1, 1])
    star = np.abs(np.sin(bend * fronds / 2 + rng.uniform(0, 6)))
    reach = (0.45 + 0.7 * star) * (
        1 + 0.2 * np.sin(2 * angle + rng.uniform(0, 6)) + 0.12 * np.sin(5 * angle)
    )
    shape = np.clip(1.15 - away / reach, 0, 1)
    light = 0.7 + 0.75 * np.minimum(shape, 0.5) * (0.4 + star)
    height = (5 + radius) * (shape > 0.12) * (0.75 + 0.25 * np.sqrt(shape))
    return light.astype(np.float32), height.astype(np.float32)


def plant_trees(easel: Easel, trees: list[Tree], style: Style, rng: np.random.Generator) -> None:
    """Stamp every tree where it is higher than what stands there."""
    stamps: dict[tuple[str, int, int], Stamp] = {}
    for x, y, radius, kind in trees:
        size = max(1, round(math.log(radius / 0.4) / 0.14))
        key = kind, size, int(rng.integers(6))
        if key not in stamps:
            stamps[key] = _crown(kind, 0.4 * math.exp(size * 0.14), easel, rng)
        leaf: np.ndarray = np.array(style.leaf[int(rng.integers(len(style.leaf)))], np.float32)
        leaf = leaf * rng.normal(1.22, 0.15) + rng.normal(0, 4, 3)
        if kind == "cone":
            leaf *= (0.75, 0.8, 0.85)
        _stamp(easel, int(y / easel.gsd), int(x / easel.gsd), stamps[key], leaf)


def _stamp(easel: Easel, row: int, col: int, stamp: Stamp, leaf: np.ndarray) -> None:
    light, tall = stamp
    n = len(light) // 2
    r0, r1 = max(row - n, 0), min(row + n + 1, easel.shape[0])
    c0, c1 = max(col - n, 0), min(col + n + 1, easel.shape[1])
    if r0 >= r1 or c0 >= c1:
        return
    inner = slice(r0 - row + n, r1 - row + n), slice(c0 - col + n, c1 - col + n)
    here = easel.heights[r0:r1, c0:c1]
    above = tall[inner] > here
    easel.canvas[r0:r1, c0:c1][above] = np.clip(leaf * light[inner][above][:, None] + 6, 8, 240)
    here[above] = tall[inner][above]
