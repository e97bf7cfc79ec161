"""Whether numbers of 16 bits, or floats, hold an 8-bit picture, and which of them is its 255."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Highest values of 8, 10, 11, 12, 14, 15 and 16 bits
FULL = (255, 1023, 2047, 4095, 16383, 32767, 65535)
# A picture uses its range: its highest value and its median, as parts of the full value. Raw
# counts of a sensor, which want a stretch, stay far below
HIGHEST = 0.85
MEDIAN = 0.2
SHADES = 256


# Three pictures of 8 bits in 16, and a satellite scene that is none:
#
#     0, 257, 514 .. 65535        multiples of 257: 255 is 65535
#     0, 4, 8, 12, 16 .. 1023     256 shades over 10 bits, rounded: 255 is 1023
#     0, 1, 2, 3 .. 4080          fills 12 bits: 255 is 4095
#     180, 181 .. 2900            counts of a sensor, which fill no number of bits: none
def full_scale(values: Sequence[np.ndarray], bits: int | None = None) -> float | None:
    """The value that is 255 in the 8-bit picture that bands hold; None where they hold none.

    ``values`` are the different values of each band, sorted; ``bits`` is how many of its bits the
    file says that it uses. Few values that are the multiples of one number, or the 256 shades
    spread over 10 to 16 bits, are certain signs; of other values the range is one.
    """
    if not all(len(band) for band in values):
        return None
    low = min(band[0] for band in values)
    high = max(band[-1] for band in values)
    if low < 0 or high <= 0:
        return None
    if all(band.dtype.kind == "f" for band in values) and high <= 1:
        return 1.0 if _fills(values, 1) or _shades(values, 1.0) else None
    if high <= FULL[0]:
        return 255.0 if high > FULL[0] / 2 else None
    if max(map(len, values)) <= SHADES and (exact := _exact(values, float(high))):
        return exact
    top = 2**bits - 1 if bits else next((top for top in FULL if high <= top), None)
    return float(top) if top and high <= top and _fills(values, top) else None


def _fills(values: Sequence[np.ndarray], top: float) -> bool:
    highest = max(band[-1] for band in values)
    median = max(float(np.median(band)) for band in values)
    return bool(highest >= HIGHEST * top and median >= MEDIAN * top)


def _exact(values: Sequence[np.ndarray], high: float) -> float | None:
    """255 times the number that all values are multiples of, or the full value over which 256
    shades were spread.
    """
    whole = _together(values)
    if (whole == np.rint(whole)).all():
        step = int(np.gcd.reduce(whole.astype(np.int64)))
        if step > 1 and SHADES / 2 < high / step < SHADES:
            return 255.0 * step
    return next((float(top) for top in FULL[1:] if high <= top and _shades(values, top)), None)


def _shades(values: Sequence[np.ndarray], top: float) -> bool:
    """Whether all values are such as 256 shades from 0 to ``top`` give, rounded to whole numbers
    where there are more of these.
    """
    whole = _together(values) * (255 / top)
    shades = np.rint(whole)
    off = 255 / top if top > 1 else 1e-3
    return bool(shades[-1] > SHADES / 2 and (abs(shades - whole) < off).all())


def _together(values: Sequence[np.ndarray]) -> np.ndarray:
    return np.unique(np.concatenate([np.asarray(band, np.float64) for band in values]))
