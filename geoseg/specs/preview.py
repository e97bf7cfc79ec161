"""Figures of scenes and chips."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from geoseg.specs.chips import parse_rescale
from geoseg.specs.scene import check_part
from geoseg.specs.settings import Range, check, check_settings
from geoseg.specs.train import Augmentation


@dataclass(frozen=True)
class PreviewSpec:
    """What `preview` draws: ``size`` is the longest side of the figure, in pixels.

    ``window`` is (column, row, width, height) in the scene's pixels, ``bounds`` (left, bottom,
    right, top) in ``bounds_crs`` or its CRS, ``nodata`` and ``crs`` are for scenes
    that name none. Of vector files ``layer`` is read and the footprints for which the SQL condition
    ``where`` holds, of the truth ``truth_layer`` and ``truth_where``. The default ``opacity`` is
    0.3 for one class and 0.6 for several, the default ``count`` 24 chips, or six rows of augmented
    ones.
    """

    size: Annotated[int, Range(200, 20_000)] = 1600
    window: tuple[int, ...] | None = None
    bounds: tuple[float, ...] | None = None
    bounds_crs: str | None = None
    nodata: float | None = None
    crs: str | None = None
    bands: tuple[int, ...] | None = None
    rescale: str = "auto"
    threshold: Annotated[float, Range(0, 1, low_open=True, high_open=True)] | None = None
    iou: Annotated[float, Range(0, 1, low_open=True)] = 0.5
    opacity: Annotated[float, Range(0, 1)] | None = None
    beside: bool = False
    title: str = ""
    split: str | None = None
    count: Annotated[int, Range(1)] | None = None
    seed: int = 0
    augment: Augmentation | None = None
    layer: str | None = None
    where: str | None = None
    truth_layer: str | None = None
    truth_where: str | None = None

    def __post_init__(self) -> None:
        check_settings(self)
        check_part(self.window, self.bounds, self.bounds_crs)
        check(
            self.bands is None or len(self.bands) in (1, 3),
            "bands",
            "must be one band, or three as red, green and blue",
        )
        if self.rescale != "auto":
            parse_rescale(self.rescale)

    @property
    def for_truth(self) -> PreviewSpec:
        """The same with ``layer`` and ``where`` of the truth."""
        layer = self.truth_layer or self.layer
        where = self.truth_where or self.where
        return replace(self, layer=layer, where=where)
