"""Values in words, as tables for people show them."""

from __future__ import annotations

from typing import Any


def format_value(value: Any) -> str:
    """Numbers with three digits behind the point at most and commas between thousands, yes and no,
    lists with commas.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return (
            # 0.5, not 0.500; what is below a hundredth keeps three digits: 0.00123
            f"{value:,.3f}".rstrip("0").rstrip(".")
            if abs(value) >= 0.01 or value == 0
            else f"{value:.3g}"
        )
    return (
        ", ".join(format_value(item) for item in value)
        if isinstance(value, list | tuple)
        else ""
        if value is None
        else str(value)
    )
