"""Roofs: planes lit by the sun, coverings, and what stands on them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .light import Sun
from .noise import Noise
from .styles import ROOFS, Roof
from .world import Building, Part


@dataclass
class Patch:
    """The pixels of one roof: local coordinates ``u, v`` (m), the planes' rise ``z`` (m) and downhill direction."""

    mask: np.ndarray
    u: np.ndarray
    v: np.ndarray
    z: np.ndarray
    face_u: np.ndarray
    face_v: np.ndarray
    gsd: float


def paint_roof(
    canvas: np.ndarray,
    heights: np.ndarray,
    window: tuple[slice, slice],
    mask: np.ndarray,
    building: Building,
    noise: Noise,
    sun: Sun,
) -> None:
    """Draw a building where ``mask`` (row, col of ``window``) is True; writes colours and heights (m) there and only there."""
    rng = np.random.default_rng(building.seed)
    patch = _planes(building, window, mask, noise.gsd)
    light = _light(building, patch, sun)
    image = _cover(building, patch, light, noise, rng)
    z = building.eaves + patch.z
    roof = ROOFS[building.roof]
    if roof.texture == "flat":
        _flat_things(image, z, patch, building, rng)
    elif roof.texture == "shell":
        _shell(image, z, patch, building, rng)
    elif roof.texture != "thatch":
        _pitched_things(image, z, patch, building, light, rng)
    view = canvas[window]
    view[mask] = np.clip(image[mask], 8, 252).astype(np.uint8)
    heights[window][mask] = z[mask]


def _planes(building: Building, window: tuple[slice, slice], mask: np.ndarray, gsd: float) -> Patch:
    rows, cols = (np.arange(s.start, s.stop, dtype=np.float32) for s in window)
    dx, dy = (cols[None] + 0.5) * gsd - building.x, (rows[:, None] + 0.5) * gsd - building.y
    cos, sin = math.cos(building.angle), math.sin(building.angle)
    u, v = dx * cos + dy * sin, -dx * sin + dy * cos
    best, fu, fv = np.full(u.shape, -1.0, np.float32), np.zeros_like(u), np.zeros_like(u)
    for part in building.parts:
        z, pu, pv = _part(part, u, v, building.pitch)
        inside = (u >= part.u0 - 0.4) & (u <= part.u1 + 0.4) & (v >= part.v0 - 0.4) & (v <= part.v1 + 0.4)
        better = inside & (z + part.lift > best)
        best[better], fu[better], fv[better] = (z + part.lift)[better], pu[better], pv[better]
    return Patch(mask, u, v, np.maximum(best, 0), fu, fv, gsd)


def _part(part: Part, u: np.ndarray, v: np.ndarray, pitch: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rise and downhill direction times pitch of one rectangle's roof."""
    du, dv = u - (part.u0 + part.u1) / 2, v - (part.v0 + part.v1) / 2
    half_u, half_v = (part.u1 - part.u0) / 2, (part.v1 - part.v0) / 2
    zero = np.zeros_like(u)
    if part.form == "flat" or pitch == 0:
        return zero, zero, zero
    if part.form == "gable_u":
        return pitch * (half_v - np.abs(dv)), zero, np.sign(dv) * pitch
    if part.form == "gable_v":
        return pitch * (half_u - np.abs(du)), np.sign(du) * pitch, zero
    if part.form == "mono":
        slope = min(pitch, 0.25)
        return slope * (half_v - dv), zero, zero + slope
    if part.form == "saw":
        tooth = np.mod(du + half_u, 6.0)
        steep = tooth > 4.6
        return np.where(steep, (6.0 - tooth) * 1.1, tooth * 0.33), np.where(steep, 1.1, -0.33).astype(u.dtype), zero
    if part.form == "vault":
        t = np.clip(dv / half_v, -0.98, 0.98)
        return half_v * 0.5 * np.sqrt(1 - t**2), zero, np.clip(0.5 * t / np.sqrt(1 - t**2), -1.2, 1.2)
    by_u, by_v = half_u - np.abs(du), half_v - np.abs(dv)
    ends = by_u < by_v
    return pitch * np.minimum(by_u, by_v), np.where(ends, np.sign(du), 0) * pitch, np.where(ends, 0, np.sign(dv)) * pitch


def _light(building: Building, patch: Patch, sun: Sun) -> np.ndarray:
    """Brightness against a flat surface's."""
    cos, sin = math.cos(building.angle), math.sin(building.angle)
    nx, ny = patch.face_u * cos - patch.face_v * sin, patch.face_u * sin + patch.face_v * cos
    return sun.shade(nx, ny)


def _cover(building: Building, patch: Patch, light: np.ndarray, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    """Colours (row, col, band) float32 of the covering, lit."""
    roof, gsd = ROOFS[building.roof], patch.gsd
    to_u = np.abs(patch.face_u) > np.abs(patch.face_v)
    along, down = np.where(to_u, patch.v, patch.u), np.where(to_u, patch.u, patch.v)
    a, d = np.rint(along / gsd).astype(int), np.rint(down / gsd).astype(int)
    off = int(rng.integers(1000))
    tone = 1 + 0.03 * noise.tile("white", a + off, d) + roof.wear * 0.05 * noise.tile("blotch", a + off, d + off)
    base = np.array(building.colour, np.float32)
    image = np.broadcast_to(base, (*light.shape, 3)).copy()
    if roof.texture == "tile":
        tone += 0.035 * noise.tile("grain", a * 2 + off, d // 4) + 0.03 * noise.tile("grain", a + off, d)
        _stain(image, noise.tile("blotch", a + off, d - off), (96, 92, 78), 0.3 * roof.wear, 1.0)
    elif roof.texture == "sheet":
        tone += _sheets(along, down, patch, rng, roof)
        rust = rng.random() ** 2 * roof.wear + (0.5 if building.roof == "rusty_tin" else 0)
        streak = 0.6 * noise.tile("blotch", a + off, d // 2) + 0.6 * noise.tile("clump", a * 3 + off, d // 3)
        _stain(image, streak, (126, 88, 64), rust, 0.6)
    elif roof.texture == "thatch":
        tone += 0.10 * noise.tile("grain", a * 2 + off, d // 3) + 0.06 * noise.tile("clump", a, d)
    else:
        tone += _stains(patch, noise, off, roof, rng)
    ridge = _ridge(patch)
    tone += ridge * (0.10 if roof.texture == "tile" else -0.05 if roof.texture == "thatch" else 0.07)
    edge = patch.mask & ~ndimage.binary_erosion(patch.mask)
    if roof.texture in ("tile", "sheet"):
        tone[edge] -= 0.07
    image *= (tone * light)[..., None]
    return image


def _sheets(along: np.ndarray, down: np.ndarray, patch: Patch, rng: np.random.Generator, roof: Roof) -> np.ndarray:
    """Panels a metre wide of slightly different tone, with seams."""
    table = rng.normal(0, 1, 997)
    wide, long = rng.uniform(0.8, 1.3), rng.choice([2.4, 3.6, 6.0, 30.0])
    i, j = np.floor(along / wide).astype(int), np.floor(np.abs(down) / long).astype(int)
    tone = table[(i * 31 + j * 17 + 500 * (down > 0)) % 997] * rng.uniform(0.008, 0.05) * (0.6 + roof.wear)
    period = max(wide, 3.2 * patch.gsd)
    tone += rng.uniform(0.01, 0.05) * np.cos(2 * np.pi * along / period)
    result: np.ndarray = tone - 0.06 * (np.mod(np.abs(down), long) < patch.gsd)
    return result


def _stain(image: np.ndarray, field: np.ndarray, colour: tuple[int, int, int], amount: float, start: float) -> None:
    share = np.clip((field - start + 1.4 * amount) * 0.7, 0, 1)[..., None] * min(1.0, amount * 1.3)
    image += (np.array(colour, np.float32) - image) * share


def _stains(patch: Patch, noise: Noise, off: int, roof: Roof, rng: np.random.Generator) -> np.ndarray:
    a, d = np.rint(patch.u / patch.gsd).astype(int), np.rint(patch.v / patch.gsd).astype(int)
    tone = roof.wear * (0.07 * noise.tile("clump", a + off, d) + 0.06 * noise.tile("blotch", a, d + off))
    if rng.random() < 0.35:  # bays of a different pour
        table, bay = rng.normal(0, 0.05, 97), rng.uniform(3, 6)
        tone = tone + table[(np.floor(patch.u / bay).astype(int) * 7 + np.floor(patch.v / bay).astype(int) * 13) % 97]
    return tone + 0.02 * noise.tile("grain", a, d + off)


def _ridge(patch: Patch) -> np.ndarray:
    """Where planes meet, as 0 or 1."""
    code = np.sign(patch.face_u) * 3 + np.sign(patch.face_v)
    ridge = np.zeros(code.shape, bool)
    ridge[1:] |= code[1:] != code[:-1]
    ridge[:, 1:] |= code[:, 1:] != code[:, :-1]
    return ridge & patch.mask


def _slab(
    image: np.ndarray,
    z: np.ndarray,
    patch: Patch,
    at: tuple[float, float, float, float],
    colour: tuple[int, int, int],
    rise: float,
    light: float = 1.0,
) -> None:
    """A box ``u, v, length, width`` on the roof, ``rise`` m above the highest roof under it (0: flush with the roof)."""
    u, v, length, width = at
    inside = (np.abs(patch.u - u) <= length / 2) & (np.abs(patch.v - v) <= width / 2) & patch.mask
    if not inside.any():
        return
    image[inside] = np.array(colour, np.float32) * light
    z[inside] = z[inside] + 0.1 if rise == 0 else z[inside].max() + rise


def _disc(
    image: np.ndarray, z: np.ndarray, patch: Patch, at: tuple[float, float, float], colour: tuple[int, int, int], rise: float
) -> None:
    inside = (np.hypot(patch.u - at[0], patch.v - at[1]) <= at[2]) & patch.mask
    if inside.any():
        image[inside] = colour
        z[inside] = z[inside].max() + rise


def _anywhere(part: Part, rng: np.random.Generator, margin: float = 1.2) -> tuple[float, float]:
    def within(low: float, high: float) -> float:
        return float(rng.uniform(low + margin, high - margin)) if high - low > 2 * margin else (low + high) / 2

    return within(part.u0, part.u1), within(part.v0, part.v1)


def _flat_things(image: np.ndarray, z: np.ndarray, patch: Patch, building: Building, rng: np.random.Generator) -> None:
    """Parapet, stairheads, tanks, machines, skylights, panels, a shelter of tin."""
    base = np.array(building.colour, np.float32)
    if rng.random() < 0.75:
        steps = max(1, round(0.35 / patch.gsd))
        rim = patch.mask & ~ndimage.binary_erosion(patch.mask, iterations=steps)
        image[rim] = np.clip(base * rng.uniform(0.95, 1.22), 0, 245)
        z[rim] += rng.uniform(0.4, 1.1)
    grey = (int(rng.integers(150, 225)),) * 3
    for part in building.parts:
        area = (part.u1 - part.u0) * (part.v1 - part.v0)
        lived = building.kind in ("house", "apartments", "terrace")
        if area < 25:
            continue
        if lived and rng.random() < 0.55:
            u, v = _anywhere(part, rng, 2)
            tint = tuple(int(c) for c in np.clip(base * rng.uniform(0.85, 1.15), 0, 245))
            _slab(image, z, patch, (u, v, rng.uniform(2.2, 4.2), rng.uniform(2.2, 3.6)), (tint[0], tint[1], tint[2]), 2.3)
        if lived and rng.random() < 0.3:
            u, v = _anywhere(part, rng, 2)
            tin = ROOFS[("tin", "rusty_tin", "blue_metal", "red_metal")[int(rng.integers(4))]].colours[0]
            _slab(image, z, patch, (u, v, rng.uniform(3, 6), rng.uniform(2.5, 5)), tin, 2.1)
        for _ in range(rng.poisson(0.9 if lived else 0.2)):
            colour = ((38, 40, 44), (60, 110, 170), (222, 222, 220), (196, 190, 178))[int(rng.integers(4))]
            _disc(image, z, patch, (*_anywhere(part, rng), rng.uniform(0.5, 0.85)), colour, 1.3)
        for _ in range(rng.poisson(min(14, area / (90 if not lived else 160)))):
            _slab(
                image,
                z,
                patch,
                (*_anywhere(part, rng), rng.uniform(0.9, 2.6), rng.uniform(0.9, 2.0)),
                grey,
                rng.uniform(0.5, 1.4),
            )
        if not lived and rng.random() < 0.4:
            _skylights(image, z, patch, part, rng)
        if rng.random() < 0.14:
            _panels(image, z, patch, part, rng, 1.0)


def _skylights(image: np.ndarray, z: np.ndarray, patch: Patch, part: Part, rng: np.random.Generator) -> None:
    step_u, step_v = rng.uniform(5, 9), rng.uniform(5, 9)
    tone = int(rng.integers(190, 235))
    for u in np.arange(part.u0 + 3, part.u1 - 2, step_u):
        for v in np.arange(part.v0 + 3, part.v1 - 2, step_v):
            _slab(image, z, patch, (u, v, 1.4, 1.4), (tone - 10, tone, tone), 0.3)


def _panels(image: np.ndarray, z: np.ndarray, patch: Patch, part: Part, rng: np.random.Generator, light: float) -> None:
    """Solar panels, 1.0 x 1.7 m each, in rows."""
    u, v = _anywhere(part, rng, 2.0)
    length = min(rng.integers(3, 12) * 1.05, (part.u1 - part.u0) * 0.7)
    width = min(rng.integers(1, 4) * 1.75, (part.v1 - part.v0) * 0.36)
    side = np.sign(v - (part.v0 + part.v1) / 2) or 1
    v = (part.v0 + part.v1) / 2 + side * (part.v1 - part.v0) / 4
    inside = (np.abs(patch.u - u) <= length / 2) & (np.abs(patch.v - v) <= width / 2) & patch.mask
    tone = np.array((38, 48, 74), np.float32) * rng.uniform(0.8, 1.4) * light
    line = (np.mod(patch.u - u + length / 2, 1.05) < 0.12) | (np.mod(patch.v - v + width / 2, 1.75) < 0.12)
    image[inside] = tone
    image[inside & line] = tone * 1.7
    z[inside] += 0.15


def _pitched_things(
    image: np.ndarray, z: np.ndarray, patch: Patch, building: Building, light: np.ndarray, rng: np.random.Generator
) -> None:
    """Chimneys, dormers, roof windows, panels; strips of daylight sheets on halls."""
    main = building.parts[0]
    sheet = ROOFS[building.roof].texture == "sheet"
    if sheet and building.kind == "hall" and rng.random() < 0.6:
        for u in np.arange(main.u0 + 4, main.u1 - 3, rng.uniform(5, 9)):
            tone = int(rng.integers(180, 226))
            inside = (np.abs(patch.u - u) < 0.5) & (np.abs(patch.v) > 1.2) & (np.abs(patch.v) < main.v1 * 0.8) & patch.mask
            image[inside] = np.array((tone - 12, tone, tone - 6)) * light[inside][:, None]
        return
    if building.kind not in ("house", "apartments", "terrace", "farm") or (sheet and rng.random() < 0.7):
        return
    for _ in range(rng.integers(0, 3)):
        tint = ((150, 96, 76), (176, 168, 158), (110, 104, 100))[int(rng.integers(3))]
        _slab(
            image,
            z,
            patch,
            (*_anywhere(main, rng, 1.0), rng.uniform(0.6, 1.1), rng.uniform(0.6, 0.9)),
            tint,
            rng.uniform(0.8, 1.5),
        )
    span_v = main.v1 - main.v0
    if main.form == "gable_u" and span_v > 7:
        dormers = rng.random() < 0.3
        for u in np.arange(main.u0 + 2.2, main.u1 - 1.8, rng.uniform(2.8, 4.5)):
            side = rng.choice([-1, 1])
            v = (main.v0 + main.v1) / 2 + side * span_v * rng.uniform(0.2, 0.3)
            if dormers:
                shade = 1.15 if rng.random() < 0.5 else 0.85
                colour = tuple(int(c * shade) for c in building.colour)
                _slab(image, z, patch, (u, v, rng.uniform(1.5, 2.4), 2.2), (colour[0], colour[1], colour[2]), 0.35)
            elif rng.random() < 0.35:
                _slab(image, z, patch, (u, v, 0.9, 1.2), (92, 104, 122), 0)
    if rng.random() < 0.16:
        _panels(image, z, patch, main, rng, float(np.clip(light[patch.mask].mean(), 0.7, 1.2)))


def _shell(image: np.ndarray, z: np.ndarray, patch: Patch, building: Building, rng: np.random.Generator) -> None:
    """Walls without a roof: rooms of bare earth or grass, open to the sky."""
    floor = np.array(((150, 128, 98), (118, 120, 76), (160, 148, 130))[int(rng.integers(3))], np.float32)
    steps = max(1, round(0.3 / patch.gsd))
    walls = patch.mask & ~ndimage.binary_erosion(patch.mask, iterations=steps)
    thick = max(0.25, patch.gsd * 0.75)
    room_u, room_v = rng.uniform(3, 5), rng.uniform(3, 5)
    walls |= patch.mask & ((np.mod(patch.u, room_u) < thick) | (np.mod(patch.v, room_v) < thick))
    rooms = patch.mask & ~walls
    image[rooms] = image[rooms] * 0.25 + floor * 0.75
    z[rooms] = 0.1
    z[walls] = rng.uniform(0.8, 2.8)
