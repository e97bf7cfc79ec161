"""A number that marks pixels without data, in a raster that does not declare it."""

from __future__ import annotations

import numpy as np

# What programs write where there is nothing; imagery has no such numbers below its own
_MARKS = (-999, -9999, -99999, -999999, -32767, -32768)
# No imagery holds such numbers beside others: 1e20 of climate models, 3.4e38, the largest float32
_HUGE = 1e20
_ORDINARY = 1e10


# What is taken for a mark, and what is not:
#
#     0.1 .. 0.4 and -9999        a mark: the others lie within a part of the way to it
#     -9800 .. 12000 and -9999    none: heights or counts that happen to include the number
#     0 .. 255 and 1e30           a mark
#     -32768 .. 32767             none: the lowest number of the type, and its neighbours
def nodata_mark(values: np.ndarray) -> float | None:
    """The value among ``values``, signed numbers of a sample, finite or not, that can only mark
    pixels without data: one that programs use so, far from all others. None where there is none.
    """
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    for end in (values.min(), values.max()):
        if not (end in _MARKS or abs(float(end)) >= _HUGE):
            continue
        others = values[values != end]
        if not others.size or _is_far(float(end), others.astype(np.float64)):
            return float(end)
    return None


def _is_far(end: float, others: np.ndarray) -> bool:
    low, high = float(others.min()), float(others.max())
    if abs(end) >= _HUGE:
        return max(abs(low), abs(high)) <= _ORDINARY
    return low - end > (high - low) / 2


def ends(values: np.ndarray) -> np.ndarray:
    """The two lowest and the two highest different numbers among ``values``: all of a part of a
    raster that :func:`nodata_mark` needs.
    """
    values = values[np.isfinite(values)]
    if not values.size:
        return values
    low, high = values.min(), values.max()
    inner = values[(values != low) & (values != high)]
    between = [inner.min(), inner.max()] if inner.size else []
    return np.array([low, *between, high], values.dtype)
