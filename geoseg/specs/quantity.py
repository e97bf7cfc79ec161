"""Lengths, areas and amounts of memory as users write them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import ClassVar, Self

from geoseg.errors import UsageError


@dataclass(frozen=True)
class Quantity:
    """A number with a unit: ``value`` in the unit of the ground, or in pixels when ``pixels``."""

    value: float
    pixels: bool = False

    ARTICLE: ClassVar[str] = "a"
    UNIT: ClassVar[str] = ""
    EXAMPLES: ClassVar[str] = ""

    @classmethod
    def parse(cls, text: str | float) -> Self:
        """``"2.5m"`` or ``"20m2"``, ``"40px"``; a bare number is in the unit of the ground.

        Raises UsageError for anything else, a length where an area belongs included.
        """
        # "5m2" is no length and "5m" no area: each class knows one unit, and pixels
        match = re.fullmatch(
            rf"\s*([0-9]*\.?[0-9]+(?:e-?[0-9]+)?)\s*(px|{cls.UNIT})?\s*", str(text)
        )
        if not match:
            name = f"{cls.ARTICLE} {cls.__name__.lower()}"
            raise UsageError(f"{str(text)!r} is not {name}", f"write {cls.EXAMPLES}")
        if not math.isfinite(value := float(match[1])):
            raise UsageError(f"{str(text)!r} is too large")
        return cls(value, match[2] == "px")

    def __str__(self) -> str:
        """The shortest text that :meth:`parse` reads as this quantity."""
        number = repr(float(self.value)).removesuffix(".0")
        return f"{number}{'px' if self.pixels else ''}"


class Length(Quantity):
    """Metres, or sides of a pixel."""

    UNIT = "m"
    EXAMPLES = "2.5, 2.5m (metres) or 4px (pixels)"

    def in_metres(self, gsd: float) -> float:
        """Metres at ``gsd`` metres per pixel."""
        return self.value * gsd if self.pixels else self.value


class Area(Quantity):
    """Square metres, or pixels."""

    ARTICLE = "an"
    UNIT = "m2"
    EXAMPLES = "20, 20m2 (square metres) or 40px (pixels)"


class Memory(Quantity):
    """Bytes; ``2GB`` are 2,000,000,000, ``2GiB`` 2**31."""

    UNIT = "B"
    EXAMPLES = "2GB, 800MB or 1.5GiB"

    @classmethod
    def parse(cls, text: str | float) -> Self:
        """``"2GB"``, ``"1.5GiB"``; a bare number is bytes. Raises UsageError for anything else."""
        match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(?:([kmgt])(i?))?b?\s*", str(text).lower())
        if not match:
            raise UsageError(f"{str(text)!r} is no amount of memory", f"write {cls.EXAMPLES}")
        power = "kmgt".find(match[2]) + 1 if match[2] else 0
        return cls(float(match[1]) * (1024 if match[3] else 1000) ** power)
