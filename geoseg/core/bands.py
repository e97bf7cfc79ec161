"""Band values: percentile stretch over a whole scene, and the [0, 1] that networks read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from geoseg.errors import UnsuitableError
from geoseg.specs import Stretch, parse_rescale

BINS = 1 << 18  # a band: more than the values of 16 bits
_LARGE = 1e30  # a sum of such numbers may leave the range of float32


# Percentiles need no sorted copy of a scene, only counts. Floats are counted too, by their bits:
# read as integers they sort as the numbers do, once negative ones are turned about, and dropping
# low bits puts neighbours together:
#
#     value      bits (16 of 32)          key
#     -2.0       1100 0000 0000 0000      0011 1111 1111 1111     all bits turned
#     -1.0       1011 1111 1000 0000      0100 0000 0111 1111
#      1.0       0011 1111 1000 0000      1011 1111 1000 0000     the sign bit set
#      2.0       0100 0000 0000 0000      1100 0000 0000 0000
class BandHistogram:
    """Counts the values of a scene window by window, each band on its own.

    What is not finite does not count, nor does a pixel that is 0 in all bands of unsigned integers:
    that is a margin, whether the file says so or not. Exact for up to a quarter of a million
    different values a band, so for all integers of up to 16 bits. Of others neighbours are counted
    together in as narrow bins as will do: narrow near 0 and wider farther out, as the numbers of a
    float lie. The same for windows in any order.
    """

    def __init__(self, bands: int, dtype: str, bins: int = BINS) -> None:
        self.dtype = np.dtype(dtype)
        self.counts = [BinCounts(bins) for _ in range(bands)]
        self._black = False

    def add(self, image: np.ndarray, valid: np.ndarray) -> None:
        """Count ``image`` (band, row, col) where ``valid`` (row, col)."""
        if self.dtype.kind == "u":
            # a scene that is all margin still has a stretch: without data and black are two things
            self._black |= bool(valid.any())
            valid = valid & image.any(axis=0)
        for band, counts in zip(image, self.counts, strict=True):
            values = band[valid]
            counts.add(to_keys(values[np.isfinite(values)] if self.dtype.kind == "f" else values))

    def merge(self, other: BandHistogram) -> None:
        """Add what ``other``, of as many bands of the same dtype, has counted."""
        self._black |= other._black
        for own, others in zip(self.counts, other.counts, strict=True):
            own.merge(others)

    def values(self) -> list[np.ndarray] | None:
        """The different values of each band, sorted; None where there are none, or
        too many to be held.
        """
        bands = []
        for counts in self.counts:
            if counts.empty:
                return None
            keys = counts.keys()
            if counts.shift:
                return None
            bands.append(_from_keys(keys, self.dtype))
        return bands

    def percentiles(self, low: float, high: float) -> Stretch | None:
        """Values at the ``low`` and ``high`` percent of each band; None where nothing was valid."""
        if any(counts.empty for counts in self.counts):
            return (
                Stretch((0.0,) * len(self.counts), (1.0,) * len(self.counts))
                if self._black
                else None
            )
        ends = np.array(
            [_from_keys(counts.at((low, high)), self.dtype) for counts in self.counts]
        ).astype(float)
        # a band of one value has no range: it becomes 0
        # and at 1e30 adding 1 would change nothing
        steps = np.maximum(1, np.abs(ends[:, 0]) * 1e-6)
        return Stretch(
            tuple(ends[:, 0].tolist()),
            tuple(np.where(ends[:, 1] > ends[:, 0], ends[:, 1], ends[:, 0] + steps).tolist()),
        )


class BinCounts:
    """Counts of unsigned integers in bins of ``2**shift``, as small a power as leaves at most
    ``bins`` of them.
    """

    def __init__(self, bins: int = BINS) -> None:
        self.bins = bins
        self.shift = 0
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, keys: np.ndarray) -> None:
        if not keys.size:
            return
        self._parts.append(np.unique(keys >> self.shift, return_counts=True))
        # merging costs a sort, so not at every window
        if self.held > 4 * self.bins:
            self._merge()

    @property
    def held(self) -> int:
        """Bins in memory, some of them of the same values until they are merged."""
        return sum(len(keys) for keys, _ in self._parts)

    @property
    def empty(self) -> bool:
        return not self._parts

    def merge(self, other: BinCounts) -> None:
        shift = max(self.shift, other.shift)
        self._parts = [
            (keys >> shift - each.shift, counts)
            for each in (self, other)
            for keys, counts in each._parts
        ]
        self.shift = shift

    def at(self, percents: tuple[float, ...]) -> np.ndarray:
        """Lower ends of the bins that hold these percents of the values, counted from the
        lowest.
        """
        keys, counts = self._merge()
        totals = counts.cumsum()
        ranks = [max(1, totals[-1] * percent / 100) for percent in percents]
        return keys[np.searchsorted(totals, ranks)] << self.shift

    def keys(self) -> np.ndarray:
        """Lower ends of the bins, sorted."""
        return self._merge()[0] << self.shift

    def _merge(self) -> tuple[np.ndarray, np.ndarray]:
        keys, counts = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        counts = counts[order]
        # halve the bins until they are few enough: equal keys lie side by side, so one pass adds
        # them up
        while True:
            first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
            keys = keys[first]
            counts = np.add.reduceat(counts, first)
            if len(keys) <= self.bins:
                break
            keys = keys >> 1
            self.shift = self.shift + 1
        self._parts = [(keys, counts)]
        return keys, counts


def to_keys(values: np.ndarray) -> np.ndarray:
    """Unsigned integers in the order of ``values``, which are finite."""
    unsigned = np.dtype(f"u{values.itemsize}")
    top = unsigned.type(1 << 8 * values.itemsize - 1)
    if values.dtype.kind == "u":
        return values
    if values.dtype.kind == "i":
        return values.view(unsigned) ^ top
    bits = (values + 0).view(unsigned)  # -0 is 0
    return np.where(bits & top, ~bits, bits | top)


def _from_keys(keys: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    top = keys.dtype.type(1 << 8 * keys.itemsize - 1)
    if dtype.kind == "u":
        return keys
    if dtype.kind == "i":
        return (keys ^ top).view(dtype)
    return np.where(keys & top, keys ^ top, ~keys).view(dtype)


def percentile_stretch(
    chips: Iterable[tuple[np.ndarray, np.ndarray]], low: float, high: float
) -> Stretch | None:
    """Stretch from ``low`` to ``high`` percent over (image, valid) pairs; None where nothing is
    valid.
    """
    histogram: BandHistogram | None = None
    for image, valid in chips:
        histogram = histogram or BandHistogram(len(image), str(image.dtype))
        histogram.add(image, valid)
    return histogram.percentiles(low, high) if histogram else None


def to_unit(image: np.ndarray, stretch: Stretch | None = None) -> np.ndarray:
    """``image`` (band, row, col) as float32 in [0, 1]: by ``stretch``, else from 0 to the highest
    value of an integer type.

    Floats without a stretch are taken as they are, clipped.
    """
    if stretch is not None:
        # beyond 24 bits a range may lie so far from 0 that float32 would round its values together,
        # and the ends of another so far apart that their difference is none
        large = max(map(abs, (*stretch.low, *stretch.high))) > _LARGE
        wide = image.dtype.itemsize > 2 and image.dtype != np.float32
        working: Any = np.float64 if wide or large else np.float32
        low = np.array(stretch.low, working)[:, None, None]
        span = np.subtract(stretch.high, stretch.low).astype(working)[:, None, None]
        return np.clip((image.astype(working) - low) / span, 0, 1).astype(np.float32, copy=False)
    if image.dtype.kind == "u":
        return image.astype("float32") * np.float32(1 / np.iinfo(image.dtype).max)
    if image.dtype.kind == "i":
        return np.maximum(image.astype("float32") * np.float32(1 / np.iinfo(image.dtype).max), 0)
    return np.clip(image.astype("float32"), 0, 1)


def to_uint8(image: np.ndarray, stretch: Stretch | None = None) -> np.ndarray:
    """``image`` (band, row, col) as 0..255, rounded: :func:`to_unit` in 8 bits."""
    return np.rint(to_unit(image, stretch) * 255).astype("uint8")


def for_display(image: np.ndarray, valid: np.ndarray, rescale: str = "auto") -> np.ndarray:
    """``image`` (band, row, col) as uint8, by the ``valid`` (row, col) values in it alone.

    ``rescale`` is that of :func:`~geoseg.specs.parse_rescale`, or ``auto``: 8 bits stay as they
    are, others are stretched from their percentile 2 to 98.
    """
    if rescale == "auto":
        rescale = "none" if image.dtype == np.uint8 else "percentile:2,98"
    kind, low, high = parse_rescale(rescale)
    stretch = None if kind == "none" else percentile_stretch([(image, valid)], low, high)
    return image if image.dtype == np.uint8 and stretch is None else to_uint8(image, stretch)


def check_same_bands(files: Sequence[tuple[str, int, str]], hint: str | None = None) -> None:
    """Raises UnsuitableError, with ``hint``, for a file whose bands or dtype are not the first's.

    ``files`` are (path, number of bands, dtype).
    """
    (first, *others) = files
    for path, bands, dtype in others:
        if (bands, dtype) != first[1:]:
            raise UnsuitableError(
                f"{path}: has {bands} bands of {dtype}, {first[0]} {first[1]} of {first[2]}", hint
            )
