"""Fractal noise: periodic tiles for texture, coarse fields for the lie of the land. Values have
mean 0 and deviation 1.
"""

from __future__ import annotations

import numpy as np


def fractal(
    shape: tuple[int, int], power: float, rng: np.random.Generator, low: float = 0.0
) -> np.ndarray:
    """Periodic noise (row, col) float32 whose spectrum falls as frequency**-power; below ``low``
    cycles a pixel it is cut.
    """
    freq = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None])
    freq[0, 0] = 1.0
    gain = freq ** (-power) * (freq >= low)
    gain[0, 0] = 0.0
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * gain, s=shape)
    return (field / field.std()).astype(np.float32)


class Noise:
    """Noise of one scene: ``tile(name)`` wraps endlessly, ``field`` spans the scene."""

    def __init__(self, shape: tuple[int, int], gsd: float, rng: np.random.Generator) -> None:
        step = max(1, round(2.4 / gsd))
        self.step, self.gsd = step, gsd
        coarse = shape[0] // step + 3, shape[1] // step + 3
        padded = tuple(max(64, 2 * n) for n in coarse)
        # Twice the scene's size, since the noise is periodic and opposite edges would match.
        self.fields = [
            fractal((padded[0], padded[1]), power, rng)[: coarse[0], : coarse[1]].copy()
            for power in (1.9, 1.3, 1.3)
        ]
        self.tiles = {
            "white": fractal((509, 521), 0.0, rng),
            "grain": fractal((769, 757), 0.6, rng),
            "mid": fractal((1021, 1019), 1.2, rng, 0.004),
            "clump": fractal((887, 907), 1.7, rng, 0.02),
            "blotch": fractal((673, 691), 1.8, rng, 0.006),
        }

    def tile(self, name: str, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Texture at integer ``rows`` and ``cols`` (1-D each: an outer window; 2-D: point by
        point).
        """
        tile = self.tiles[name]
        rows, cols = rows % tile.shape[0], cols % tile.shape[1]
        return tile[rows[:, None], cols[None]] if rows.ndim == 1 else tile[rows, cols]

    def field(self, index: int, row: int, height: int, width: int) -> np.ndarray:
        """Coarse field ``index`` for the rows from ``row``, bilinear: (height, width) float32."""
        field = self.fields[index]
        y = np.arange(row, row + height, dtype=np.float32) / self.step
        x = np.arange(width, dtype=np.float32) / self.step
        i, j = y.astype(int), x.astype(int)
        fy, fx = (y - i)[:, None], (x - j)[None]
        lines = field[i] * (1 - fy) + field[i + 1] * fy
        result: np.ndarray = lines[:, j] * (1 - fx) + lines[:, j + 1] * fx
        return result
