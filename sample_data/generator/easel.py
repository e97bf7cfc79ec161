"""What a scene is painted on, with what all painters share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .light import Sun
from .noise import Noise

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Easel:
    """``canvas`` (row, col, band) uint8: colours under an open sky; ``heights`` (row, col) float32,
    metres above ground; ``labels`` (row, col) int32: number of the footprint from 1, 0 elsewhere;
    painters change the first two in place.
    """

    canvas: np.ndarray
    heights: np.ndarray
    labels: np.ndarray
    noise: Noise
    sun: Sun

    @classmethod
    def blank(cls, labels: np.ndarray, noise: Noise, sun: Sun) -> Easel:
        return cls(
            np.empty((*labels.shape, 3), np.uint8),
            np.zeros(labels.shape, np.float32),
            labels,
            noise,
            sun,
        )

    @property
    def gsd(self) -> float:
        return self.noise.gsd

    @property
    def shape(self) -> tuple[int, int]:
        return self.heights.shape[0], self.heights.shape[1]
