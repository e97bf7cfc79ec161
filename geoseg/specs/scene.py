"""Which part of a scene is read, and how."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from geoseg.errors import UsageError
from geoseg.specs.settings import Range, check, check_settings


@dataclass(frozen=True)
class SceneSpec:
    """How scenes are read: all of it, as it says of itself, by default.

    ``nodata`` is the value of pixels without data in scenes that name none. ``window`` is (column,
    row, width, height) in pixels, ``bounds`` (left, bottom, right, top) in ``bounds_crs``, by
    default the scene's CRS. ``gsd`` is metres per pixel: those of a picture without a CRS, others
    are resampled to it. ``scene_crs`` is the CRS of scenes that have none, whose place is that of a
    worldfile.
    """

    nodata: float | None = None
    window: tuple[int, ...] | None = None
    bounds: tuple[float, ...] | None = None
    bounds_crs: str | None = None
    gsd: Annotated[float, Range(0, low_open=True)] | None = None
    scene_crs: str | None = None

    def __post_init__(self) -> None:
        check_settings(self)
        check(
            self.window is None or (len(self.window) == 4 and min(self.window[2:]) > 0),
            "window",
            "must be COL,ROW,WIDTH,HEIGHT",
        )
        left, bottom, right, top = (
            self.bounds if self.bounds and len(self.bounds) == 4 else (0, 0, 0, 0)
        )
        check(
            self.bounds is None or (left < right and bottom < top),
            "bounds",
            "must be LEFT,BOTTOM,RIGHT,TOP",
        )
        check(not (self.window and self.bounds), "bounds", "does not go with `window`")
        check(bool(self.bounds) or not self.bounds_crs, "bounds_crs", "needs `bounds`")


def band_numbers(text: str) -> tuple[int, ...]:
    """``"3,2,1"`` or ``"1-3"`` -> band numbers from 1. Raises UsageError for anything else."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([1-9]\d*)(?:\s*-\s*([1-9]\d*))?\s*", part)
        if not match or (match[2] and int(match[2]) < int(match[1])):
            raise UsageError(f"{text!r} is no list of band numbers such as 3,2,1 or 1-4")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(found)
