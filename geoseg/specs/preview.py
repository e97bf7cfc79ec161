"""Pictures of scenes and chips."""

from __future__ import annotations

from dataclasses import dataclass

from geoseg.specs.chips import parse_rescale
from geoseg.specs.quantity import check


@dataclass(frozen=True)
class PreviewSpec:
    """What `preview` draws: ``size`` is the longest side of the picture, in pixels.

    ``window`` is (column, row, width, height) in the scene's pixels, ``bounds`` (left, bottom,
    right, top) in its CRS. Without ``opacity`` buildings are laid over faintly and several classes
    strongly; without ``count`` there are 24 chips, or six rows of augmented ones.
    """

    size: int = 1600
    window: tuple[int, ...] | None = None
    bounds: tuple[float, ...] | None = None
    bands: tuple[int, ...] | None = None
    rescale: str = "auto"
    threshold: float | None = None
    iou: float = 0.5
    opacity: float | None = None
    beside: bool = False
    title: str = ""
    split: str | None = None
    count: int | None = None
    seed: int = 0
    augment: str | None = None

    def __post_init__(self) -> None:
        check(200 <= self.size <= 20_000, "--size is from 200 to 20000 pixels")
        check(
            self.window is None or (len(self.window) == 4 and min(self.window[2:]) > 0),
            "--window takes COL,ROW,WIDTH,HEIGHT",
        )
        left, bottom, right, top = (
            self.bounds if self.bounds and len(self.bounds) == 4 else (0, 0, 0, 0)
        )
        check(
            self.bounds is None or (left < right and bottom < top),
            "--bounds takes LEFT,BOTTOM,RIGHT,TOP",
        )
        check(
            self.bands is None or len(self.bands) in (1, 3),
            "a picture shows one band, or three as red, green and blue",
        )
        check(0 < self.iou <= 1, "--iou must lie between 0 and 1")
        check(self.opacity is None or 0 <= self.opacity <= 1, "--opacity must lie between 0 and 1")
        check(self.count is None or self.count >= 1, "--count must be at least 1")
        if self.rescale != "auto":
            parse_rescale(self.rescale)
