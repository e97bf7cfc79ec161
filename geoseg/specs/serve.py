"""Where the web page is served, and what those who use it may ask of the machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from geoseg.errors import UsageError
from geoseg.specs.settings import Range, check_settings

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


@dataclass(frozen=True)
class ServeSpec:
    """The page's address, and its limits.

    ``max_upload`` is that of one file, ``max_memory`` that of the process that works on it, both in
    bytes; ``max_seconds`` is how long it may take, ``max_pixels`` how large a scene may be, in
    megapixels. Host names are answered if they stand in ``allow_host``; addresses and localhost
    always are.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Range(0, 65535)] = 7860
    allow_host: tuple[str, ...] = ()
    max_upload: Annotated[int, Range(1)] = 200 * 10**6
    max_memory: Annotated[int, Range(1)] = 4 * 10**9
    max_seconds: Annotated[int, Range(1)] = 600
    max_pixels: Annotated[float, Range(0, low_open=True)] = 100.0

    def __post_init__(self) -> None:
        check_settings(self)


def byte_count(text: str) -> int:
    """``"200MB"``, ``"4G"`` or ``"1500000"`` -> bytes. Raises UsageError for anything else."""
    match = re.fullmatch(r"\s*(\d*\.?\d+)\s*([KMG]?)B?\s*", text, re.IGNORECASE)
    if not match:
        raise UsageError(f"{text!r} is no size", "write 200MB or 4GB")
    return round(float(match[1]) * _UNITS[match[2].upper()])


def byte_text(count: int) -> str:
    """``200 MB`` for 200,000,000 bytes."""
    for unit in ("G", "M", "K"):
        if count >= _UNITS[unit]:
            return f"{count / _UNITS[unit]:.3g} {unit.replace('K', 'k')}B"
    return f"{count} bytes"
