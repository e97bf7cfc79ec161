"""Square blocks of ground: where footprints lie, and how sure a score is that was counted block by
block.
"""

from __future__ import annotations

import numpy as np
from pyproj import CRS

from geoseg.geometry.measure import metric_tensor

# Weights of blocks held at a time
WEIGHTS = 2**22


def block_step(middle: np.ndarray, side: float, crs: CRS | None) -> np.ndarray:
    """Units of the CRS along x and y, float64 (2,), that are ``side`` metres of ground at the point
    ``middle`` (2,).
    """
    across, _, along = metric_tensor(middle[None], crs)[0]
    return side / np.sqrt([across, along])


def ground_blocks(
    points: np.ndarray, side: float, crs: CRS | None
) -> tuple[np.ndarray, np.ndarray]:
    """Which block each of ``points`` (n, 2) of x, y lies in: int (n,), and the bounds of the
    blocks: float64 (block, 4).

    Blocks are ``side`` metres wide in the middle of the points, ``side`` pixels without a CRS, and
    begin at their lower left; only those with points are numbered.
    """
    if not len(points):
        return np.empty(0, np.int64), np.empty((0, 4))
    low = points.min(axis=0)
    high = points.max(axis=0)
    step = block_step((low + high) / 2, side, crs)
    # for example points at 10, 90 and 130 m of 100 m blocks from 10 m on: blocks 0, 0 and 1
    cells, block = np.unique(np.floor((points - low) / step), axis=0, return_inverse=True)
    corner = low + cells * step
    return block.reshape(-1), np.column_stack([corner, corner + step])


def resample(counts: np.ndarray, times: int, seed: int, weights: int = WEIGHTS) -> np.ndarray:
    """Sums over as many blocks as there are, drawn with replacement: float64 (times, ...) of
    ``counts`` (block, ...).

    Whole blocks are drawn because neighbouring buildings fail together; drawn one by one they would
    make a score look surer than it is. Efron and Tibshirani, "An introduction to the bootstrap"
    (1993), chapter 8. About so many ``weights`` are held at a time; the result is the same.
    """
    blocks = len(counts)
    random = np.random.default_rng(seed)
    out = np.zeros((times, *counts.shape[1:]))
    at_once = max(1, weights // max(blocks, 1))
    for first in range(0, times if blocks else 0, at_once):
        part = out[first : first + at_once]
        # how often each block is drawn; sums over draws are then one product of matrices
        drawn = random.multinomial(blocks, np.full(blocks, 1 / blocks), len(part))
        part[:] = np.tensordot(drawn.astype(np.float64), counts, 1)
    return out


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The middle ``level`` of resampled ``values`` (n,)."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
