"""One sun: shading of planes, cast shadows by marching over the heights, and the camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

STRIP = 384


@dataclass(frozen=True)
class Sun:
    """Azimuth and elevation in radians; azimuth clockwise from north (up)."""

    azimuth: float
    elevation: float
    ambient: float = 0.42

    @property
    def towards(self) -> tuple[float, float]:
        """Unit vector on the ground towards the sun, (x right, y down)."""
        return math.sin(self.azimuth), -math.cos(self.azimuth)

    def shade(self, nx: np.ndarray, ny: np.ndarray) -> np.ndarray:
        """Brightness relative to flat ground of planes whose downhill gradient is ``nx, ny`` (rise
        over run).
        """
        x, y = self.towards
        lit = (nx * x + ny * y) * math.cos(self.elevation) + math.sin(self.elevation)
        direct = np.maximum(lit, 0) / np.sqrt(1 + nx**2 + ny**2) / math.sin(self.elevation)
        result: np.ndarray = self.ambient + (1 - self.ambient) * np.clip(direct, 0, 1.42)
        return result


@dataclass(frozen=True)
class Camera:
    """How the picture is taken: gain of each band, gamma, saturation, haze (added grey), blur in
    pixels, noise in counts, what is left of each band in the shade, and ``lean``: how far (x, y) a
    roof stands off its foot, metres a metre of height.
    """

    gain: tuple[float, float, float]
    gamma: float
    saturation: float
    haze: float
    blur: float
    noise: float
    shade: tuple[float, float, float]
    lean: tuple[float, float]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Camera:
        warm, level = rng.normal(0, 0.035), rng.uniform(0.9, 1.12)
        dark = rng.uniform(0.3, 0.5)
        lean, towards = rng.choice([0.0, 0.04, 0.09, 0.15]), rng.uniform(0, 2 * math.pi)
        return cls(
            (level * (1 + warm), level, level * (1 - warm)),
            float(rng.uniform(0.8, 1.02)),
            float(rng.uniform(0.76, 1.06)),
            float(rng.uniform(0, 14)),
            float(rng.uniform(0.36, 0.66)),
            float(rng.uniform(1.2, 3.2)),
            (dark * 0.94, dark, dark * 1.16),
            (lean * math.cos(towards), lean * math.sin(towards)),
        )


def shadow(heights: np.ndarray, rows: tuple[int, int], gsd: float, sun: Sun) -> np.ndarray:
    """Share of sunlight that is blocked in ``rows`` (from, to), (row, col) float32 in [0, 1].

    Rays march from every pixel to the sun in steps of a pixel along their main axis; softened over
    0.35 m of height.
    """
    row, stop = rows
    x, y = sun.towards
    scale = 1 / max(abs(x), abs(y))
    rise = scale * gsd * math.tan(sun.elevation)
    tallest = float(heights[max(0, row - 400) : stop + 400].max())
    own = heights[row:stop]
    over = np.full(own.shape, -1.0, np.float32)
    width = heights.shape[1]
    for k in range(1, min(400, int(tallest / rise) + 1) + 1):
        dr, dc = round(k * y * scale), round(k * x * scale)
        r0, r1 = max(row + dr, 0), min(stop + dr, len(heights))
        c0, c1 = max(dc, 0), min(width + dc, width)
        if r0 < r1 and c0 < c1:
            to = (slice(r0 - dr - row, r1 - dr - row), slice(c0 - dc, c1 - dc))
            np.maximum(over[to], heights[r0:r1, c0:c1] - np.float32(k * rise), out=over[to])
    result: np.ndarray = np.clip((over - own) / np.float32(0.35), 0, 1)
    return result


def expose(
    canvas: np.ndarray, heights: np.ndarray, gsd: float, sun: Sun, camera: Camera, seed: int
) -> np.ndarray:
    """The picture (band, row, col) uint8 in 1..255 of a painted canvas (row, col, band), strip by
    strip.
    """
    height, width = heights.shape
    picture = np.empty((3, height, width), np.uint8)
    halo = 6
    for row in range(0, height, STRIP):
        stop = min(row + STRIP, height)
        top, bottom = max(0, row - halo), min(height, stop + halo)
        dark = ndimage.gaussian_filter(shadow(heights, (top, bottom), gsd, sun), 0.5)
        strip = _develop(canvas[top:bottom], dark, camera, np.random.default_rng((seed, row)))
        picture[:, row:stop] = strip[:, row - top : stop - top]
    return picture


def _develop(
    canvas: np.ndarray, dark: np.ndarray, camera: Camera, rng: np.random.Generator
) -> np.ndarray:
    bands = np.empty((3, *dark.shape), np.float32)
    for i in range(3):
        lit = canvas[..., i] * (1 - dark * np.float32(1 - camera.shade[i]))
        bands[i] = ndimage.gaussian_filter(lit, camera.blur)
    luma = bands.mean(axis=0)
    for i in range(3):  # colour is softer than light, as after JPEG
        bands[i] = luma + camera.saturation * ndimage.gaussian_filter(bands[i] - luma, 1.1)
        tone = np.maximum(bands[i] * camera.gain[i], 0) / 255
        bands[i] = 255 * tone**camera.gamma * (1 - camera.haze / 255) + camera.haze
    grain = ndimage.gaussian_filter(rng.standard_normal(dark.shape, np.float32), 0.5) * 1.6
    bands += grain * camera.noise
    bands += rng.standard_normal(bands.shape, np.float32) * (0.35 * camera.noise)
    clipped: np.ndarray = np.clip(np.rint(bands), 1, 255).astype(np.uint8)
    return clipped
