"""How a prediction is compared with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from geoseg.specs.quantity import Length
from geoseg.specs.settings import Range, check, check_settings


@dataclass(frozen=True)
class EvaluateSpec:
    """``threshold`` None is the raster's own; ``bootstrap`` 0 gives no intervals.

    ``neighbourhood`` is the size of the ground blocks by which errors are reported and which the
    bootstrap samples.
    """

    iou: Annotated[float, Range(0, 1, low_open=True)] = 0.5
    threshold: Annotated[float, Range(0, 1, low_open=True, high_open=True)] | None = None
    boundary_width: Annotated[int, Range(1)] = 3
    neighbourhood: Length = Length(100)
    bootstrap: Annotated[int, Range(0)] = 0
    seed: int = 0
    sweep: bool = False
    profile: Literal["none", "spacenet2"] = "none"

    def __post_init__(self) -> None:
        check_settings(self)
        check(self.neighbourhood.value > 0, "neighbourhood", "must be above 0")
        check(not self.neighbourhood.pixels, "neighbourhood", "must be in metres, not in pixels")
        check(
            self.profile == "none" or self.iou == 0.5,
            "iou",
            f"the profile {self.profile} matches at 0.5",
        )
