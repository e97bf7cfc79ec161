"""Roofs: planes lit by the sun, and their coverings."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from .easel import Easel, Window
from .light import Sun
from .noise import Noise
from .patch import Patch
from .rooftop import Top, flat_things, pitched_things, shell
from .styles import ROOFS, Roof
from .world import Building, Part


def paint_roof(easel: Easel, window: Window, label: int, building: Building) -> None:
    """Draw a building where the labels of ``window`` are ``label``, there and only there."""
    rng = np.random.default_rng(building.seed)
    mask = easel.labels[window] == label
    patch = _planes(building, window, mask, easel.gsd)
    light = _light(building, patch, easel.sun)
    image = _cover(building, patch, light, easel.noise, rng)
    z = building.eaves + patch.z
    top, texture = Top(image, z, patch, rng), ROOFS[building.roof].texture
    if texture == "flat":
        flat_things(top, building)
    elif texture == "shell":
        shell(top)
    elif texture != "thatch":
        pitched_things(top, building, light)
    easel.canvas[window][mask] = np.clip(image[mask], 8, 252).astype(np.uint8)
    easel.heights[window][mask] = z[mask]


def _planes(building: Building, window: Window, mask: np.ndarray, gsd: float) -> Patch:
    rows, cols = (np.arange(s.start, s.stop, dtype=np.float32) for s in window)
    dx, dy = (cols[None] + 0.5) * gsd - building.x, (rows[:, None] + 0.5) * gsd - building.y
    cos, sin = math.cos(building.angle), math.sin(building.angle)
    u, v = dx * cos + dy * sin, -dx * sin + dy * cos
    best, fu, fv = np.full(u.shape, -1.0, np.float32), np.zeros_like(u), np.zeros_like(u)
    for part in building.parts:
        z, pu, pv = _part(part, u, v, building.pitch)
        inside = (
            (u >= part.u0 - 0.4)
            & (u <= part.u1 + 0.4)
            & (v >= part.v0 - 0.4)
            & (v <= part.v1 + 0.4)
        )
        better = inside & (z + part.lift > best)
        best[better], fu[better], fv[better] = (z + part.lift)[better], pu[better], pv[better]
    return Patch(mask, u, v, np.maximum(best, 0), fu, fv, gsd)


def _part(
    part: Part, u: np.ndarray, v: np.ndarray, pitch: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
        return (
            np.where(steep, (6.0 - tooth) * 1.1, tooth * 0.33),
            np.where(steep, 1.1, -0.33).astype(u.dtype),
            zero,
        )
    if part.form == "vault":
        t = np.clip(dv / half_v, -0.98, 0.98)
        return (
            half_v * 0.5 * np.sqrt(1 - t**2),
            zero,
            np.clip(0.5 * t / np.sqrt(1 - t**2), -1.2, 1.2),
        )
    by_u, by_v = half_u - np.abs(du), half_v - np.abs(dv)
    ends = by_u < by_v
    return (
        pitch * np.minimum(by_u, by_v),
        np.where(ends, np.sign(du), 0) * pitch,
        np.where(ends, 0, np.sign(dv)) * pitch,
    )


def _light(building: Building, patch: Patch, sun: Sun) -> np.ndarray:
    """Brightness against a flat surface's."""
    cos, sin = math.cos(building.angle), math.sin(building.angle)
    nx, ny = patch.face_u * cos - patch.face_v * sin, patch.face_u * sin + patch.face_v * cos
    return sun.shade(nx, ny)


def _cover(
    building: Building, patch: Patch, light: np.ndarray, noise: Noise, rng: np.random.Generator
) -> np.ndarray:
    """Colours (row, col, band) float32 of the covering, lit."""
    roof, gsd = ROOFS[building.roof], patch.gsd
    to_u = np.abs(patch.face_u) > np.abs(patch.face_v)
    along, down = np.where(to_u, patch.v, patch.u), np.where(to_u, patch.u, patch.v)
    a, d = np.rint(along / gsd).astype(int), np.rint(down / gsd).astype(int)
    off = int(rng.integers(1000))
    tone = (
        1
        + 0.03 * noise.tile("white", a + off, d)
        + roof.wear * 0.05 * noise.tile("blotch", a + off, d + off)
    )
    base = np.array(building.colour, np.float32)
    image = np.broadcast_to(base, (*light.shape, 3)).copy()
    if roof.texture == "tile":
        tone += 0.035 * noise.tile("grain", a * 2 + off, d // 4) + 0.03 * noise.tile(
            "grain", a + off, d
        )
        _stain(image, noise.tile("blotch", a + off, d - off), (96, 92, 78), 0.3 * roof.wear, 1.0)
    elif roof.texture == "sheet":
        tone += _sheets(along, down, patch, rng, roof)
        rust = rng.random() ** 2 * roof.wear + (0.5 if building.roof == "rusty_tin" else 0)
        streak = 0.6 * noise.tile("blotch", a + off, d // 2) + 0.6 * noise.tile(
            "clump", a * 3 + off, d // 3
        )
        _stain(image, streak, (126, 88, 64), rust, 0.6)
    elif roof.texture == "thatch":
        tone += 0.10 * noise.tile("grain", a * 2 + off, d // 3) + 0.06 * noise.tile("clump", a, d)
    else:
        tone += _stains(patch, noise, off, roof, rng)
    boundary_margin = _ridge(patch)
    tone += boundary_margin * (
        0.10 if roof.texture == "tile" else -0.05 if roof.texture == "thatch" else 0.07
    )
    edge = patch.mask & ~ndimage.binary_erosion(patch.mask)
    if roof.texture in ("tile", "sheet"):
        tone[edge] -= 0.07
    image *= (tone * light)[..., None]
    return image


def _sheets(
    along: np.ndarray, down: np.ndarray, patch: Patch, rng: np.random.Generator, roof: Roof
) -> np.ndarray:
    """Panels a metre wide of slightly different tone, with seams."""
    table = rng.normal(0, 1, 997)
    wide, long = rng.uniform(0.8, 1.3), rng.choice([2.4, 3.6, 6.0, 30.0])
    i, j = np.floor(along / wide).astype(int), np.floor(np.abs(down) / long).astype(int)
    tone = (
        table[(i * 31 + j * 17 + 500 * (down > 0)) % 997]
        * rng.uniform(0.008, 0.05)
        * (0.6 + roof.wear)
    )
    period = max(wide, 3.2 * patch.gsd)
    tone += rng.uniform(0.01, 0.05) * np.cos(2 * np.pi * along / period)
    result: np.ndarray = tone - 0.06 * (np.mod(np.abs(down), long) < patch.gsd)
    return result


def _stain(
    image: np.ndarray, field: np.ndarray, colour: tuple[int, int, int], amount: float, start: float
) -> None:
    share = np.clip((field - start + 1.4 * amount) * 0.7, 0, 1)[..., None] * min(1.0, amount * 1.3)
    image += (np.array(colour, np.float32) - image) * share


def _stains(
    patch: Patch, noise: Noise, off: int, roof: Roof, rng: np.random.Generator
) -> np.ndarray:
    a, d = np.rint(patch.u / patch.gsd).astype(int), np.rint(patch.v / patch.gsd).astype(int)
    tone = roof.wear * (
        0.07 * noise.tile("clump", a + off, d) + 0.06 * noise.tile("blotch", a, d + off)
    )
    if rng.random() < 0.35:  # bays of a different pour
        table, bay = rng.normal(0, 0.05, 97), rng.uniform(3, 6)
        tone = (
            tone
            + table[
                (np.floor(patch.u / bay).astype(int) * 7 + np.floor(patch.v / bay).astype(int) * 13)
                % 97
            ]
        )
    return tone + 0.02 * noise.tile("grain", a, d + off)


def _ridge(patch: Patch) -> np.ndarray:
    """Where planes meet, as 0 or 1."""
    code = np.sign(patch.face_u) * 3 + np.sign(patch.face_v)
    boundary_margin = np.zeros(code.shape, bool)
    boundary_margin[1:] |= code[1:] != code[:-1]
    boundary_margin[:, 1:] |= code[:, 1:] != code[:, :-1]
    return boundary_margin & patch.mask
