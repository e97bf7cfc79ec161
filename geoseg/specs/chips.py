"""How scenes and published data sets become chips."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from geoseg.errors import SettingError
from geoseg.specs.settings import Range, check, check_settings

Split = tuple[Annotated[float, Range(0, 1)], ...]
SPLIT = (0.8, 0.1, 0.1)  # train, val and test where nothing else is asked for


@dataclass(frozen=True)
class TilingSpec:
    """Square windows of ``size`` pixels that share ``overlap`` pixels with their neighbours, or
    somewhat more where they are to start at multiples of ``step`` pixels.
    """

    size: Annotated[int, Range(1, 2**16)] = 512
    overlap: Annotated[int, Range(0)] = 0
    step: Annotated[int, Range(1)] = 1

    def __post_init__(self) -> None:
        check_settings(self)
        check(
            self.overlap < self.size,
            "overlap",
            f"{self.overlap} is not below the tile size, {self.size}",
        )
        check(
            self.step <= self.size - self.overlap,
            "step",
            f"{self.step} is more than lies between two windows, {self.size - self.overlap}",
        )

    @property
    def stride(self) -> int:
        return (self.size - self.overlap) // self.step * self.step


@dataclass(frozen=True)
class ChipSpec:
    """How `tile` cuts a scene into chips. A ``split`` of None is :data:`SPLIT` where there are
    labels to learn from, else none: all chips are kept, and together they are the scene.
    """

    size: Annotated[int, Range(1, 2**16)] = 512
    overlap: Annotated[int, Range(0)] = 0
    edge: Literal["shift", "pad", "partial", "drop"] = "shift"
    max_nodata: Annotated[float, Range(0, 1)] = 1.0
    bands: tuple[int, ...] | None = None
    rescale: str = "none"
    gsd: Annotated[float, Range(0, low_open=True)] | None = None
    split: Split | None = None
    split_by: Literal["block", "scene", "random"] = "block"
    block_size: Annotated[int, Range(1)] = 4
    seed: int = 0
    format: Literal["tif", "png"] = "tif"

    def __post_init__(self) -> None:
        check_settings(self)
        TilingSpec(self.size, self.overlap)
        if self.split is not None:
            _check_split(self.split)
        parse_rescale(self.rescale)

    @property
    def tiling(self) -> TilingSpec:
        return TilingSpec(self.size, self.overlap)

    def with_stride(self, stride: int | None) -> ChipSpec:
        """The same with chips ``stride`` pixels from one to the next, in place of an overlap.

        Raises SettingError where there is an overlap too, or chips would have gaps between.
        """
        if stride is None:
            return self
        check(stride > 0, "stride", f"must be 1 or more, not {stride}")
        check(not self.overlap, "stride", "cannot be combined with `overlap`")
        if stride > self.size:
            raise SettingError(
                "stride",
                f"{stride} is above the size, {self.size}",
                "chips would have gaps between",
            )
        return replace(self, overlap=self.size - stride)

    def fractions(self, labelled: bool) -> tuple[float, ...] | None:
        """Fractions of train, val and test for scenes that are ``labelled`` or not; None where
        nothing is split. A unit of the split other than the usual one asks for a split too.
        """
        wanted = labelled or self.split_by != "block"
        return self.split or (SPLIT if wanted else None)


def _check_split(split: tuple[float, ...]) -> None:
    complete = len(split) == 3 and abs(sum(split) - 1) < 1e-6
    check(complete, "split", "must be three fractions that sum to 1")


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
    raise SettingError(
        "rescale",
        f"must be none, minmax or percentile:LO,HI, not {text!r}",
        "for example percentile:2,98",
    )


@dataclass(frozen=True)
class PrepareSpec:
    """How `prepare` converts a published data set; ``size`` is the greatest chip, in pixels a side.

    Where no split is published, ``split_by`` ``auto`` splits by blocks of ground if the images are
    georeferenced and no ``pattern`` names their scenes, else by scene.
    """

    size: Annotated[int, Range(32)] = 2048
    bands: tuple[int, ...] | None = None
    rescale: str = "auto"
    classes: str | None = None
    labels: str | None = None
    pattern: str | None = None
    imagery: str | None = None
    target: Literal["road", "lane"] | None = None
    split: Split = SPLIT
    split_by: Literal["auto", "block", "scene", "random"] = "auto"
    block_size: Annotated[int, Range(1)] = 4
    seed: int = 0
    csv: bool = False

    def __post_init__(self) -> None:
        check_settings(self)
        _check_split(self.split)
        if self.rescale != "auto":
            parse_rescale(self.rescale)
