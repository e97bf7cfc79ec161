"""Which part of a scene is read, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

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
