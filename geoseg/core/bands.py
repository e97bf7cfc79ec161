"""Band values: percentile stretch over a whole scene, and the [0, 1] that networks read."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from geoseg.errors import UnsuitableError
from geoseg.specs import Stretch

_SAMPLE = 65_536  # values kept of a window of floats


class BandSampler:
    """Gathers the values of a scene window by window: exact counts for 8 and 16 bits, a regular sample for the rest."""

    def __init__(self, bands: int, dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self.exact = self.dtype in (np.uint8, np.uint16)
        self._counts = np.zeros((bands, 1 << 8 * self.dtype.itemsize if self.exact else 0), np.int64)
        self._samples: list[np.ndarray] = []

    def add(self, image: np.ndarray, valid: np.ndarray) -> None:
        """``image`` (band, row, col), ``valid`` (row, col)."""
        values = image[:, valid]
        if self.exact:
            for band, counts in zip(values, self._counts, strict=True):
                counts += np.bincount(band, minlength=len(counts))
        elif values.size:
            self._samples.append(values[:, :: max(1, values.shape[1] // _SAMPLE)].astype("float64"))

    def percentiles(self, low: float, high: float) -> Stretch:
        """Values at the ``low`` and ``high`` percent of each band. Raises UnsuitableError where nothing was valid."""
        if self.exact:
            totals = self._counts.cumsum(axis=1)
            if not totals[:, -1].all():
                raise UnsuitableError("the scene holds no valid pixel")
            ends = [[int(np.searchsorted(t, max(1, p / 100 * t[-1]))) for t in totals] for p in (low, high)]
        else:
            if not self._samples:
                raise UnsuitableError("the scene holds no valid pixel")
            values = np.concatenate(self._samples, axis=1)
            ends = np.percentile(values, [low, high], axis=1).tolist()
        lows = tuple(float(v) for v in ends[0])
        return Stretch(lows, tuple(float(h) if h > lo else lo + 1 for lo, h in zip(lows, ends[1], strict=True)))


def percentile_stretch(chips: Iterable[tuple[np.ndarray, np.ndarray]], low: float, high: float) -> Stretch:
    """Stretch from ``low`` to ``high`` percent over (image, valid) pairs."""
    sampler: BandSampler | None = None
    for image, valid in chips:
        sampler = sampler or BandSampler(len(image), str(image.dtype))
        sampler.add(image, valid)
    if sampler is None:
        raise UnsuitableError("the scene holds no valid pixel")
    return sampler.percentiles(low, high)


def to_unit(image: np.ndarray, stretch: Stretch | None = None) -> np.ndarray:
    """``image`` (band, row, col) as float32 in [0, 1]: by ``stretch``, else over the full range of an integer type.

    Floats without a stretch are taken as they are, clipped.
    """
    if stretch is not None:
        low = np.array(stretch.low, "float32")[:, None, None]
        span = np.array(stretch.high, "float32")[:, None, None] - low
        return np.clip((image.astype("float32") - low) / span, 0, 1)
    if image.dtype.kind in "ui":
        return image.astype("float32") * np.float32(1 / np.iinfo(image.dtype).max)
    return np.clip(image.astype("float32"), 0, 1)


def to_uint8(image: np.ndarray, stretch: Stretch) -> np.ndarray:
    """``image`` stretched to 0..255, rounded."""
    return np.rint(to_unit(image, stretch) * 255).astype("uint8")
