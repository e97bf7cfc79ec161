"""Lengths and areas as users write them, and the check of a setting."""

from __future__ import annotations

import re
from dataclasses import dataclass

from geoseg.errors import UsageError

_QUANTITY = re.compile(r"^\s*([0-9]*\.?[0-9]+)\s*(px|m2|m)?\s*$")


def check(condition: bool, message: str) -> None:
    """Raise UsageError with ``message`` unless ``condition`` holds."""
    if not condition:
        raise UsageError(message)


@dataclass(frozen=True)
class Quantity:
    """A length or an area: ``value`` in metres (or square metres), or in pixels when ``pixels``."""

    value: float
    pixels: bool = False

    @classmethod
    def parse(cls, text: str | float) -> Quantity:
        """``"10"``, ``"10m2"``, ``"2.5m"`` or ``"40px"``; bare numbers are metres or square
        metres.
        """
        match = _QUANTITY.match(str(text))
        if not match:
            raise UsageError(f"{text!r} is not a length or an area", "write 10, 10m2, 2.5m or 40px")
        return cls(float(match[1]), match[2] == "px")

    def in_metres(self, gsd: float, power: int) -> float:
        """Value in metres (``power`` 1) or square metres (``power`` 2) at ``gsd`` metres per
        pixel.
        """
        return self.value * gsd**power if self.pixels else self.value
