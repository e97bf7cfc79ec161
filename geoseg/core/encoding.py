"""What numbers in rasters of labels mean, and the tags that say so."""

from __future__ import annotations

import numpy as np

VOID = 255  # a label that counts for no class: no data, or unknown


def layered(masks: np.ndarray) -> np.ndarray:
    """Masks uint8 (class, row, col) of 0, 1 and ``VOID`` as labels (row, col), from 1: the last
    class that a pixel is of.
    """
    numbers = np.arange(1, len(masks) + 1, dtype=np.uint8)[:, None, None]
    return np.where(
        (masks == VOID).all(axis=0), np.uint8(VOID), ((masks == 1) * numbers).max(axis=0)
    )
