"""Band values: percentile stretch over a whole scene, and the [0, 1] that networks read."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from geoseg.errors import UnsuitableError
from geoseg.specs import Stretch

_SAMPLE = 1 << 20  # pixels kept of a scene of floats


class BandSampler:
    """Gathers the values of a scene window by window: exact counts of integers up to 16 bits, a random sample of the rest.

    The sample holds all pixels up to a million, then each with the same chance; it is the same in every run.
    """

    def __init__(self, bands: int, dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self.exact = self.dtype.kind in "ui" and self.dtype.itemsize <= 2
        self._lowest = int(np.iinfo(self.dtype).min) if self.exact else 0
        self._counts = np.zeros((bands, 1 << 8 * self.dtype.itemsize if self.exact else 0), np.int64)
        self._samples: list[np.ndarray] = []
        self._share = 1.0
        self._random = np.random.default_rng(0)

    def add(self, image: np.ndarray, valid: np.ndarray) -> None:
        """``image`` (band, row, col), finite where ``valid`` (row, col)."""
        values = image[:, valid]
        if self.exact:
            for band, counts in zip(values, self._counts, strict=True):
                counts += np.bincount(band.astype(np.int64) - self._lowest, minlength=len(counts))
            return
        self._samples.append(self._thin(values, self._share))
        while sum(sample.shape[1] for sample in self._samples) > _SAMPLE:
            self._share /= 2
            self._samples = [self._thin(np.concatenate(self._samples, axis=1), 0.5)]

    def _thin(self, values: np.ndarray, share: float) -> np.ndarray:
        return values if share == 1 else values[:, self._random.random(values.shape[1]) < share]

    def percentiles(self, low: float, high: float) -> Stretch:
        """Values at the ``low`` and ``high`` percent of each band. Raises UnsuitableError where nothing was valid."""
        if self.exact:
            totals = self._counts.cumsum(axis=1)
            if not totals[:, -1].all():
                raise UnsuitableError("the scene holds no valid pixel")
            ends = [[int(np.searchsorted(t, max(1, t[-1] * p / 100))) + self._lowest for t in totals] for p in (low, high)]
        else:
            if not any(sample.size for sample in self._samples):
                raise UnsuitableError("the scene holds no valid pixel")
            values = np.concatenate(self._samples, axis=1).astype("float64")
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
    """``image`` (band, row, col) as float32 in [0, 1]: by ``stretch``, else from 0 to the highest value of an integer type.

    Floats without a stretch are taken as they are, clipped.
    """
    if stretch is not None:
        low = np.array(stretch.low, "float32")[:, None, None]
        span = np.subtract(stretch.high, stretch.low).astype("float32")[:, None, None]
        return np.clip((image.astype("float32") - low) / span, 0, 1)
    if image.dtype.kind == "u":
        return image.astype("float32") * np.float32(1 / np.iinfo(image.dtype).max)
    if image.dtype.kind == "i":
        return np.maximum(image.astype("float32") * np.float32(1 / np.iinfo(image.dtype).max), 0)
    return np.clip(image.astype("float32"), 0, 1)


def to_uint8(image: np.ndarray, stretch: Stretch) -> np.ndarray:
    """``image`` stretched to 0..255, rounded."""
    return np.rint(to_unit(image, stretch) * 255).astype("uint8")
