"""The values a setting may take: written once as the type of a spec's field, checked and offered.

A field is a plain type, a ``Literal`` of its choices, or an ``Annotated`` number with its
:class:`Range`; ``| None`` where there need be no value, ``tuple[...]`` for several. The specs check
themselves by it (:func:`check_settings`), and the command line derives its options from it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable
from dataclasses import dataclass, fields
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from geoseg.errors import SettingError
from geoseg.specs.quantity import Quantity


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, either of them left out where it is not part of it."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        above = self.low < value if self.low_open else self.low <= value
        below = value < self.high if self.high_open else value <= self.high
        return above and below

    def __str__(self) -> str:
        low = f"{'above' if self.low_open else 'at least'} {self.low:g}"
        high = f"{'below' if self.high_open else 'at most'} {self.high:g}"
        ends = [low] * math.isfinite(self.low) + [high] * math.isfinite(self.high)
        return " and ".join(ends) or "a number"


@dataclass(frozen=True)
class Setting:
    """What a field takes: values of type ``kind``, or items of it where ``several``.

    ``choices`` is empty where all values of the type are allowed.
    """

    kind: type
    several: bool = False
    choices: tuple[Any, ...] = ()
    range: Range | None = None

    def problem(self, value: Any) -> str | None:
        """Why ``value`` is not allowed; None where it is."""
        if self.choices and value not in self.choices:
            return f"must be one of {', '.join(map(str, self.choices))}, not {value!r}"
        if issubclass(self.kind, Quantity) and not isinstance(value, self.kind):
            return f"must be {self.kind.ARTICLE} {self.kind.__name__}, not {value!r}"
        if self.range and value not in self.range:
            return f"must be {self.range}, not {value:g}"
        return None


def settings(spec: type) -> dict[str, Setting]:
    """The settings of a spec's class by the names of its fields."""
    return _settings(spec)


@functools.cache
def _settings(spec: Hashable) -> dict[str, Setting]:
    hints = get_type_hints(spec, include_extras=True)
    named: Any = spec  # a class, which mypy does not take for a dataclass
    return {field.name: _setting(hints[field.name]) for field in fields(named)}


# How types are read, for example:
#
#     int | None                                   int
#     Annotated[float, Range(0, 1)] | None         float, from 0 to 1
#     Literal["none", "flips", "d4"]               str, one of three
#     tuple[Annotated[float, Range(0, 1)], ...]    several floats, each from 0 to 1
#     tuple[tuple[str, Any], ...]                  tuple: pairs, which no option is made of
def _setting(hint: Any) -> Setting:
    """The type ``hint``, taken apart from the outside in."""
    origin = get_origin(hint)
    parts = get_args(hint)
    if origin in (Union, UnionType):
        return _setting(next(part for part in parts if part is not NoneType))
    if origin is Annotated:
        inner = _setting(parts[0])
        within = next((note for note in parts[1:] if isinstance(note, Range)), None)
        return Setting(inner.kind, inner.several, inner.choices, within)
    if origin is Literal:
        return Setting(type(parts[0]), choices=parts)
    if origin is tuple and get_origin(parts[0]) is not tuple:
        inner = _setting(parts[0])
        return Setting(inner.kind, True, inner.choices, inner.range)
    return Setting(origin or (hint if isinstance(hint, type) else object))


def check_settings(spec: Any) -> None:
    """Raise SettingError where a field of ``spec`` holds a value that its type does not allow."""
    for name, setting in settings(type(spec)).items():
        value = getattr(spec, name)
        for item in value if setting.several and value is not None else (value,):
            if item is not None and (problem := setting.problem(item)):
                raise SettingError(name, problem)


def check(condition: bool, field: str, reason: str, hint: str | None = None) -> None:
    """Raise SettingError for ``field`` unless ``condition`` holds."""
    if not condition:
        raise SettingError(field, reason, hint)
