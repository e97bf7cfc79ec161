"""Settings as text: as one types them, and as the TOML that ``--config`` reads."""

from __future__ import annotations

from typing import Any

import tomli_w

from geoseg.specs.quantity import Quantity


def to_cli_text(value: Any) -> Any:
    """What one would type for a value that is no number, flag or text."""
    if isinstance(value, Quantity):
        return str(value)
    return ",".join(map(str, value)) if isinstance(value, tuple) else value


def to_toml(value: Any) -> str:
    """``value`` as TOML writes it, on one line; a mapping, or pairs of name and value, become a
    list of ``"NAME=VALUE"``.
    """
    if isinstance(value, tuple) and value and all(isinstance(item, tuple) for item in value):
        value = dict(value)
    if isinstance(value, dict):
        return to_toml(
            [
                f"{name}={to_cli_text(tuple(item)) if isinstance(item, list) else item}"
                for name, item in value.items()
            ]
        )
    if isinstance(value, tuple | list):
        return f"[{', '.join(to_toml(item) for item in value)}]"
    plain = value if isinstance(value, bool | int | float) else str(to_cli_text(value))
    return tomli_w.dumps({"v": plain}).removeprefix("v = ").removesuffix("\n")
