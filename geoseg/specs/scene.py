"""Which part of a scene is read, and how."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated

from geoseg.errors import UsageError
from geoseg.specs.settings import Range, check, check_settings

# Rows and columns of a raster, as GDAL counts them
LARGEST = 2**31


@dataclass(frozen=True)
class SceneSpec:
    """How scenes are read: all of it, as it says of itself, by default.

    ``nodata`` is the value of pixels without data in scenes that name none. ``window`` is (column,
    row, width, height) in pixels, ``bounds`` (left, bottom, right, top) in ``bounds_crs``, by
    default the scene's CRS. ``gsd`` is metres per pixel: those of a picture without a CRS, others
    are resampled to it. ``scene_crs`` is the CRS of scenes that have none, whose place is that of a
    worldfile. ``force`` is to read scenes too that claim far more pixels than their files can hold.
    """

    nodata: float | None = None
    window: tuple[int, ...] | None = None
    bounds: tuple[float, ...] | None = None
    bounds_crs: str | None = None
    gsd: Annotated[float, Range(0, low_open=True)] | None = None
    scene_crs: str | None = None
    force: bool = False

    def __post_init__(self) -> None:
        check_settings(self)
        check_part(self.window, self.bounds, self.bounds_crs)


def check_part(
    window: tuple[int, ...] | None, bounds: tuple[float, ...] | None, bounds_crs: str | None
) -> None:
    """Raise SettingError unless ``window``, ``bounds`` or neither name a part of a scene."""
    whole = window is None or (len(window) == 4 and min(window[2:]) > 0)
    check(whole, "window", "must be COL,ROW,WIDTH,HEIGHT")
    check(max(map(abs, window or (0,))) < LARGEST, "window", "reaches beyond any raster")
    check(all(map(math.isfinite, bounds or ())), "bounds", "must be finite numbers")
    left, bottom, right, top = bounds if bounds and len(bounds) == 4 else (0, 0, 0, 0)
    ordered = bounds is None or (left < right and bottom < top)
    check(ordered, "bounds", "must be LEFT,BOTTOM,RIGHT,TOP")
    check(not (window and bounds), "bounds", "does not go with `window`")
    check(bool(bounds) or not bounds_crs, "bounds_crs", "needs `bounds`")


def band_numbers(text: str) -> tuple[int, ...]:
    """``"3,2,1"`` or ``"1-3"`` -> band numbers from 1. Raises UsageError for anything else."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([1-9]\d*)(?:\s*-\s*([1-9]\d*))?\s*", part)
        if not match or (match[2] and int(match[2]) < int(match[1])):
            raise UsageError(f"{text!r} is no list of band numbers such as 3,2,1 or 1-4")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(found)
