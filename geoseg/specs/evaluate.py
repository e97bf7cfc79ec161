"""How a prediction is compared with the truth."""

from __future__ import annotations

from dataclasses import dataclass

from geoseg.specs.quantity import Quantity, check


@dataclass(frozen=True)
class EvaluateSpec:
    """``threshold`` None is the raster's own; ``bootstrap`` 0 gives no intervals.

    ``neighbourhood`` is the side of the blocks of ground that errors are told by and that the
    bootstrap draws.
    """

    iou: float = 0.5
    threshold: float | None = None
    boundary_width: int = 3
    neighbourhood: Quantity = Quantity(100)
    bootstrap: int = 0
    seed: int = 0
    sweep: bool = False
    profile: str = "none"

    def __post_init__(self) -> None:
        check(0 < self.iou <= 1, "--iou must lie above 0 and not above 1")
        check(
            self.threshold is None or 0 < self.threshold < 1, "--threshold must lie between 0 and 1"
        )
        check(self.boundary_width >= 1, "--boundary-width must be at least 1")
        check(self.neighbourhood.value > 0, "--neighbourhood must be above 0")
        check(not self.neighbourhood.pixels, "--neighbourhood is a length on the ground, in metres")
        check(self.bootstrap >= 0, "--bootstrap must not be negative")
        check(
            self.profile in ("none", "spacenet2"),
            f"--profile is none or spacenet2, not {self.profile!r}",
        )
        check(
            self.profile == "none" or self.iou == 0.5,
            "--profile spacenet2 matches at an IoU of 0.5",
        )
