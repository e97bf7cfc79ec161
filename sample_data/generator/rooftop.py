"""What stands on roofs: parapets and tanks, chimneys and dormers, panels; and roofs not built
yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .patch import Patch
from .styles import ROOFS, Colour
from .world import Building, Part

TANKS: tuple[Colour, ...] = ((38, 40, 44), (60, 110, 170), (222, 222, 220), (196, 190, 178))
SHELTERS = ("tin", "rusty_tin", "blue_metal", "red_metal")
CHIMNEYS: tuple[Colour, ...] = ((150, 96, 76), (176, 168, 158), (110, 104, 100))


@dataclass
class Top:
    """A roof as it is drawn: ``image`` (row, col, band) float32 and ``z`` (row, col) in metres,
    changed in place.
    """

    image: np.ndarray
    z: np.ndarray
    patch: Patch
    rng: np.random.Generator

    def near(self, u: float, v: float, length: float, width: float) -> np.ndarray:
        """Roof pixels within a rectangle around ``u, v``."""
        patch = self.patch
        return (np.abs(patch.u - u) <= length / 2) & (np.abs(patch.v - v) <= width / 2) & patch.mask

    def slab(self, at: tuple[float, float, float, float], colour: Colour, rise: float) -> None:
        """A box ``u, v, length, width``, ``rise`` m above the highest roof under it (0: flush with
        the roof).
        """
        inside = self.near(*at)
        if inside.any():
            self.image[inside] = colour
            self.z[inside] = self.z[inside].max() + rise if rise else self.z[inside] + 0.1

    def disc(self, at: tuple[float, float], radius: float, colour: Colour, rise: float) -> None:
        inside = (np.hypot(self.patch.u - at[0], self.patch.v - at[1]) <= radius) & self.patch.mask
        if inside.any():
            self.image[inside] = colour
            self.z[inside] = self.z[inside].max() + rise

    def rim(self, area: np.ndarray, colour: np.ndarray, rise: float) -> None:
        """A parapet along the edge of ``area``."""
        edge = area & ~ndimage.binary_erosion(area, iterations=max(1, round(0.35 / self.patch.gsd)))
        self.image[edge] = np.clip(colour, 0, 245)
        self.z[edge] += rise

    def anywhere(self, part: Part, margin: float = 1.2) -> tuple[float, float]:
        def within(low: float, high: float) -> float:
            return (
                float(self.rng.uniform(low + margin, high - margin))
                if high - low > 2 * margin
                else (low + high) / 2
            )

        return within(part.u0, part.u1), within(part.v0, part.v1)


def _colour(values: np.ndarray) -> Colour:
    red, green, blue = (int(c) for c in np.clip(values, 0, 248))
    return red, green, blue


def flat_things(top: Top, building: Building) -> None:
    """A storey more, parapet, then what people and machines need up there."""
    rng, base = top.rng, np.array(building.colour, np.float32)
    lived = building.kind in ("house", "apartments")
    if lived and rng.random() < 0.45:
        _storey(top, building.parts[0], base)
    if rng.random() < 0.75:
        top.rim(top.patch.mask, base * rng.uniform(0.95, 1.22), rng.uniform(0.4, 1.1))
    for part in building.parts:
        area = (part.u1 - part.u0) * (part.v1 - part.v0)
        if area < 25:
            continue
        if lived:
            _living(top, part, base)
        _machines(top, part, min(14, area / (90 if not lived else 160)))
        if not lived and rng.random() < 0.4:
            _skylights(top, part)
        if rng.random() < 0.12:
            _panels(top, part, 1.0)


def _storey(top: Top, part: Part, base: np.ndarray) -> None:
    """A storey more on part of the house, with its own rim; pots along the terrace."""
    rng, patch = top.rng, top.patch
    share, side = rng.uniform(0.3, 0.65), rng.choice([-1, 1])
    low, high, where = (
        (part.v0, part.v1, patch.v) if rng.random() < 0.5 else (part.u0, part.u1, patch.u)
    )
    cut = low + share * (high - low) if side < 0 else high - share * (high - low)
    upper = patch.mask & ((where < cut) if side < 0 else (where > cut))
    top.image[upper] *= rng.uniform(0.82, 1.2) * (1 + rng.normal(0, 0.02, 3))
    top.z[upper] += 2.9
    top.rim(upper, base * rng.uniform(0.95, 1.25), 0.6)
    for _ in range(rng.integers(0, 9)):
        green = int(rng.integers(70, 110))
        top.disc(
            top.anywhere(part, 0.6), rng.uniform(0.3, 0.6), (green - 20, green, green - 32), 0.4
        )


def _living(top: Top, part: Part, base: np.ndarray) -> None:
    """A stairhead, a shelter of tin, water tanks."""
    rng = top.rng
    if rng.random() < 0.55:
        at = (*top.anywhere(part, 2), rng.uniform(2.2, 4.2), rng.uniform(2.2, 3.6))
        top.slab(at, _colour(base * rng.uniform(0.85, 1.15)), 2.3)
    if rng.random() < 0.3:
        tin = ROOFS[SHELTERS[int(rng.integers(len(SHELTERS)))]].colours
        top.slab(
            (*top.anywhere(part, 2), rng.uniform(3, 6), rng.uniform(2.5, 5)),
            tin[int(rng.integers(len(tin)))],
            2.1,
        )
    for _ in range(rng.poisson(0.9)):
        top.disc(
            top.anywhere(part), rng.uniform(0.5, 0.85), TANKS[int(rng.integers(len(TANKS)))], 1.3
        )


def _machines(top: Top, part: Part, expected: float) -> None:
    rng = top.rng
    grey = int(rng.integers(150, 225))
    for _ in range(rng.poisson(expected)):
        at = (*top.anywhere(part), rng.uniform(0.9, 2.6), rng.uniform(0.9, 2.0))
        top.slab(at, (grey, grey, grey), rng.uniform(0.5, 1.4))


def _skylights(top: Top, part: Part) -> None:
    rng = top.rng
    step_u, step_v, tone = rng.uniform(5, 9), rng.uniform(5, 9), int(rng.integers(190, 235))
    for u in np.arange(part.u0 + 3, part.u1 - 2, step_u):
        for v in np.arange(part.v0 + 3, part.v1 - 2, step_v):
            top.slab((u, v, 1.4, 1.4), (tone - 10, tone, tone), 0.3)


def _panels(top: Top, part: Part, light: float) -> None:
    """Solar panels, 1.05 x 1.75 m each, in rows on one half of the roof."""
    rng, patch = top.rng, top.patch
    span_u, span_v = part.u1 - part.u0, part.v1 - part.v0
    length = min(rng.integers(3, 12) * 1.05, span_u * 0.7)
    width = min(rng.integers(1, 4) * 1.75, span_v * 0.36)
    u = top.anywhere(part, 2.0)[0]
    v = (part.v0 + part.v1) / 2 + rng.choice([-1, 1]) * span_v / 4
    inside = top.near(u, v, length, width)
    tone = np.array((38, 48, 74), np.float32) * rng.uniform(0.8, 1.4) * light
    line = (np.mod(patch.u - u + length / 2, 1.05) < 0.12) | (
        np.mod(patch.v - v + width / 2, 1.75) < 0.12
    )
    top.image[inside] = tone
    top.image[inside & line] = tone * 1.7
    top.z[inside] += 0.15


def pitched_things(top: Top, building: Building, light: np.ndarray) -> None:
    """Chimneys, dormers, roof windows, panels; strips of daylight sheets on halls."""
    rng, main = top.rng, building.parts[0]
    sheet = ROOFS[building.roof].texture == "sheet"
    if sheet and building.kind == "hall" and rng.random() < 0.6:
        _daylight(top, main, light)
    if building.kind not in ("house", "apartments", "farm") or (sheet and rng.random() < 0.7):
        return
    for _ in range(rng.integers(0, 3)):
        at = (*top.anywhere(main, 1.0), rng.uniform(0.6, 1.1), rng.uniform(0.6, 0.9))
        top.slab(at, CHIMNEYS[int(rng.integers(len(CHIMNEYS)))], rng.uniform(0.8, 1.5))
    if main.form == "gable_u" and main.v1 - main.v0 > 7:
        _dormers(top, main, np.array(building.colour))
    if rng.random() < 0.15:
        _panels(top, main, float(np.clip(light[top.patch.mask].mean(), 0.7, 1.2)))


def _dormers(top: Top, part: Part, colour: np.ndarray) -> None:
    """Dormers, or windows flush with the roof."""
    rng, span = top.rng, part.v1 - part.v0
    built = rng.random() < 0.3
    for u in np.arange(part.u0 + 2.2, part.u1 - 1.8, rng.uniform(2.8, 4.5)):
        v = (part.v0 + part.v1) / 2 + rng.choice([-1, 1]) * span * rng.uniform(0.2, 0.3)
        if built:
            top.slab(
                (u, v, rng.uniform(1.5, 2.4), 2.2),
                _colour(colour * (1.12 if rng.random() < 0.5 else 0.86)),
                0.35,
            )
        elif rng.random() < 0.35:
            top.slab((u, v, 0.9, 1.2), (92, 104, 122), 0)


def _daylight(top: Top, part: Part, light: np.ndarray) -> None:
    rng, patch = top.rng, top.patch
    tone = int(rng.integers(180, 226))
    band = (np.abs(patch.v) > 1.2) & (np.abs(patch.v) < part.v1 * 0.8) & patch.mask
    for u in np.arange(part.u0 + 4, part.u1 - 3, rng.uniform(5, 9)):
        inside = (np.abs(patch.u - u) < 0.5) & band
        top.image[inside] = np.array((tone - 12, tone, tone - 6)) * light[inside][:, None]


def shell(top: Top) -> None:
    """Walls without a roof: rooms of bare earth or grass, open to the sky."""
    rng, patch = top.rng, top.patch
    floor = np.array(
        ((150, 128, 98), (118, 120, 76), (160, 148, 130))[int(rng.integers(3))], np.float32
    )
    walls = patch.mask & ~ndimage.binary_erosion(
        patch.mask, iterations=max(1, round(0.3 / patch.gsd))
    )
    thick = max(0.25, patch.gsd * 0.75)
    walls |= patch.mask & (
        (np.mod(patch.u, rng.uniform(3, 5)) < thick) | (np.mod(patch.v, rng.uniform(3, 5)) < thick)
    )
    rooms = patch.mask & ~walls
    top.image[rooms] = top.image[rooms] * 0.25 + floor * 0.75
    top.z[rooms] = 0.1
    top.z[walls] = rng.uniform(0.8, 2.8)
