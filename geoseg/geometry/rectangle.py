"""How a mask lies in the smallest rectangle around it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely


class Rectangle(NamedTuple):
    """The smallest rectangle around a mask, turned as that lies: the ``share`` of it that the mask
    fills, its rectangularity (Rosin, Machine Vision and Applications 11, 1999), and its
    ``elongation``, the long side by the short one.
    """

    share: float
    elongation: float


def rectangle_around(mask: np.ndarray, pixel_size: tuple[float, float]) -> Rectangle:
    """That of the pixels of ``mask``, bool (row, col), of which there is one at least.

    ``pixel_size`` is metres along x and y.
    """
    across, along = pixel_size
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    # the hull is that of the corners of the outermost pixels of each row
    corners = np.concatenate(
        [np.column_stack([cols, rows + down]) for cols in (first, last) for down in (0, 1)]
    )
    box = shapely.minimum_rotated_rectangle(shapely.multipoints(corners * (across, along)))
    sides = np.hypot(*np.diff(shapely.get_coordinates(box)[:3], axis=0).T)
    area = np.count_nonzero(mask) * across * along
    return Rectangle(float(area / sides.prod()), float(sides.max() / sides.min()))
