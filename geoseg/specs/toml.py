"""Settings as TOML: what ``--config`` reads, ``--print-config`` prints and a training run notes."""

from __future__ import annotations

from typing import Any

from geoseg.specs.quantity import Quantity


def to_cli_text(value: Any) -> Any:
    """What one would type for a value that is no number, flag or text."""
    if isinstance(value, Quantity):
        return f"{value.value:g}{'px' if value.pixels else ''}"
    return ",".join(map(str, value)) if isinstance(value, tuple) else value


def to_toml(value: Any) -> str:
    """``value`` as TOML writes it; a mapping, or pairs of name and value, become a list of
    ``"NAME=VALUE"``.
    """
    if isinstance(value, tuple) and value and all(isinstance(item, tuple) for item in value):
        return to_toml(dict(value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(to_toml(item) for item in value)}]"
    if isinstance(value, dict):
        return to_toml(
            [
                f"{name}={to_cli_text(tuple(item)) if isinstance(item, list) else item}"
                for name, item in value.items()
            ]
        )
    text = str(to_cli_text(value)).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
