"""Settings files."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from geoseg.errors import UsageError
from geoseg.io.scene_names import _read_text


def read_toml(path: Path) -> dict[str, Any]:
    """Raises InputError (missing, unreadable) and UsageError (not TOML)."""
    try:
        return tomllib.loads(_read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: is not TOML: {error}") from error
