"""Lay chips over one another, wherever they lie and however they overlap.

Unlike :mod:`geoseg.core.blend`, which knows the tiling and so the sum of the weights beforehand,
this keeps the sum.
"""

from __future__ import annotations

import numpy as np

from geoseg.core.blend import window_weights

BLENDS = ("hann", "mean", "max", "first", "last")


def taper(size: int) -> np.ndarray:
    """Weights float64 (size) that fall from the middle of a chip to its ends, without ever
    being 0.
    """
    return window_weights(size, size // 2)


class Merger:
    """An image (band, row, col) that chips are added to, in their order; pixels that no chip has
    are not valid.

    ``hann`` averages with weights that fall towards the border of each chip, ``mean`` with equal
    ones; ``max`` takes the greatest value of each band, ``first`` and ``last`` the pixel of one
    chip. Averages are rounded where ``dtype`` is an integer; where chips agree they come out
    unchanged (integers up to 2**53).

    Numbers of classes have no averages: of ``labels`` the chip counts that has the greatest weight
    at a pixel, the first of equal ones.
    """

    def __init__(
        self, shape: tuple[int, int, int], dtype: str, blend: str = "hann", labels: bool = False
    ) -> None:
        if blend not in BLENDS:
            raise ValueError(f"unknown blend {blend!r}")
        self.dtype = np.dtype(dtype)
        self.blend = blend
        self.weighs = blend in ("hann", "mean")
        self.averages = self.weighs and not labels
        # float32 holds 24 bits, enough for 16 and the error of some additions
        working = np.float32 if self.dtype.kind in "iu" and self.dtype.itemsize <= 2 else np.float64
        self.image = np.zeros(shape, working if self.averages else self.dtype)
        self.weight = np.zeros(shape[1:], working if self.weighs else bool)

    def add(
        self,
        row: int,
        col: int,
        image: np.ndarray,
        valid: np.ndarray,
        weight: np.ndarray | None = None,
    ) -> None:
        """Add a chip (band, row, col) whose upper left pixel goes to ``row``, ``col``; it must lie
        inside.

        ``valid`` bool and ``weight`` float are (row, col); the weight is 1 where none is given, and
        only ``hann`` and ``mean`` use it.
        """
        part = slice(row, row + valid.shape[0]), slice(col, col + valid.shape[1])
        target = self.image[:, *part]
        seen = self.weight[part]
        if self.weighs:
            own = (valid if weight is None else weight * valid).astype(self.weight.dtype)
            if not self.averages:
                np.copyto(target, image, where=own > seen)
                np.maximum(seen, own, out=seen)
                return
            seen += own
            share = np.divide(own, seen, out=np.zeros_like(seen), where=own > 0)
            # a running mean: what agrees with it leaves it as it is, to the last bit
            target += (image - target) * share
            return
        # of pixels that nobody has had yet `max`, too, takes what comes: the image holds 0 there
        taken = valid if self.blend == "last" else valid & ~seen
        if self.blend == "max":
            taken = taken | (valid & (image > target))
        np.copyto(target, image, where=taken)
        seen |= valid

    def result(self, fill: float = 0) -> tuple[np.ndarray, np.ndarray]:
        """Image (band, row, col) of the dtype, ``fill`` where no chip is valid, and valid bool
        (row, col).
        """
        valid = self.weight > 0
        image = (
            np.rint(self.image, out=self.image)
            if self.averages and self.dtype.kind in "iu"
            else self.image
        )
        image = image.astype(self.dtype)
        image[:, ~valid] = fill
        return image, valid
