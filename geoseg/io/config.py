"""Files of text that users write: settings, lists of scenes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from geoseg.errors import InputError, UsageError

# Characters; a device such as /dev/zero has no end
_LONGEST = 2**26


def read_toml(path: Path) -> dict[str, Any]:
    """Raises InputError (missing, unreadable) and UsageError (not TOML)."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: is not TOML: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{path}: is nested too deeply") from error


def read_text(path: Path) -> str:
    """A file of UTF-8, or a pipe as shells make of ``<(ls *.tif)``. Raises InputError."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_LONGEST + 1)
    except FileNotFoundError as error:
        raise InputError(f"{path}: does not exist") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as text") from error
    if len(text) > _LONGEST:
        raise InputError(f"{path}: is too long")
    return text
