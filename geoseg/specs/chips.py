"""How scenes and published data sets become chips."""

from __future__ import annotations

import re
from dataclasses import dataclass

from geoseg.errors import UsageError
from geoseg.specs.quantity import check


@dataclass(frozen=True)
class TilingSpec:
    """Square windows of ``size`` pixels that share ``overlap`` pixels with their neighbours."""

    size: int = 512
    overlap: int = 0

    def __post_init__(self) -> None:
        check(self.size >= 1, f"tile size {self.size} is not positive")
        check(
            0 <= self.overlap < self.size,
            f"overlap {self.overlap} must be at least 0 and below the tile size {self.size}",
        )

    @property
    def stride(self) -> int:
        return self.size - self.overlap


@dataclass(frozen=True)
class ChipSpec:
    """How `tile` cuts a scene into chips."""

    size: int = 512
    overlap: int = 0
    edge: str = "shift"
    max_nodata: float = 1.0
    bands: tuple[int, ...] | None = None
    rescale: str = "none"
    gsd: float | None = None
    split: tuple[float, ...] = (0.8, 0.1, 0.1)
    split_by: str = "block"
    block_size: int = 4
    seed: int = 0
    format: str = "tif"

    def __post_init__(self) -> None:
        TilingSpec(self.size, self.overlap)
        check(
            self.edge in ("shift", "pad", "partial", "drop"), f"unknown edge policy {self.edge!r}"
        )
        check(0 <= self.max_nodata <= 1, "--max-nodata is a fraction between 0 and 1")
        check(self.split_by in ("block", "scene", "random"), f"unknown split {self.split_by!r}")
        _check_split(self.split)
        check(self.format in ("tif", "png"), f"chips are tif or png, not {self.format!r}")
        check(self.block_size >= 1, "--block-size must be at least 1 (tiles a side)")
        parse_rescale(self.rescale)

    @property
    def tiling(self) -> TilingSpec:
        return TilingSpec(self.size, self.overlap)


def _check_split(split: tuple[float, ...]) -> None:
    fine = len(split) == 3 and abs(sum(split) - 1) < 1e-6 and min(split) >= 0
    check(fine, "--split takes three fractions that sum to 1")


def parse_rescale(text: str) -> tuple[str, float, float]:
    """``none``, ``minmax`` or ``percentile:LO,HI`` -> (kind, low, high) with percentiles in
    percent.
    """
    if text == "none":
        return "none", 0.0, 100.0
    if text == "minmax":
        return "percentile", 0.0, 100.0
    match = re.fullmatch(r"percentile:([0-9.]+),([0-9.]+)", text)
    if match and 0 <= float(match[1]) < float(match[2]) <= 100:
        return "percentile", float(match[1]), float(match[2])
    raise UsageError(
        f"--rescale {text!r} is none, minmax or percentile:LO,HI", "for example percentile:2,98"
    )


@dataclass(frozen=True)
class PrepareSpec:
    """How `prepare` converts a published data set; ``size`` is the greatest chip, in pixels a side.

    Where no split is published, ``split_by`` ``auto`` deals out blocks of ground where pictures
    have a place on it and no ``pattern`` names scenes, else scenes.
    """

    size: int = 2048
    bands: tuple[int, ...] | None = None
    rescale: str = "auto"
    classes: str | None = None
    labels: str | None = None
    pattern: str | None = None
    imagery: str | None = None
    target: str | None = None
    split: tuple[float, ...] = (0.8, 0.1, 0.1)
    split_by: str = "auto"
    block_size: int = 4
    seed: int = 0
    csv: bool = False

    def __post_init__(self) -> None:
        check(self.size >= 32, "--size must be at least 32")
        _check_split(self.split)
        check(
            self.split_by in ("auto", "block", "scene", "random"),
            f"unknown split {self.split_by!r}",
        )
        check(self.block_size >= 1, "--block-size must be at least 1 (pictures a side)")
        if self.rescale != "auto":
            parse_rescale(self.rescale)
