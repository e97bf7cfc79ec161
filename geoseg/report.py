"""Reports returned by tools, and the progress protocol.

A tool takes ``progress: Progress = no_progress`` and calls ``advance = progress("cut",
number_of_tiles)`` once a stage, then ``advance(n)`` as units are done; what is shown, and where, is
the caller's affair. A :class:`Stage` says in what unit; a label that changes on the way is a
function, called whenever it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from geoseg import __version__
from geoseg.parallel.clock import Clock

Advance = Callable[[int], None]
Label = str | Callable[[], str]
Progress = Callable[[Label, int], Advance]


class Stage(str):
    """The name of a stage, with the ``unit`` that its progress is counted in: ``Stage("cut",
    "tiles")``.
    """

    unit: str

    def __new__(cls, name: str, unit: str) -> Stage:
        stage = super().__new__(cls, name)
        stage.unit = unit
        return stage


@dataclass(frozen=True)
class ChangingStage:
    """A :class:`Stage` whose name changes on the way: ``name`` is called whenever it is shown."""

    name: Callable[[], str]
    unit: str

    def __call__(self) -> str:
        return self.name()


def no_progress(stage: Label, total: int) -> Advance:
    """The progress that shows nothing."""
    return lambda count: None


class Remarks(list[str]):
    """Warnings in the order they came, each of them once; functions append to it."""

    def unique(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self))

    def folded(self) -> tuple[str, ...]:
        """Each once, and one line for those that say the same of several files:
        ``a.gpkg: reprojected (and 2 more files)``.
        """
        alike: dict[str, list[str]] = {}
        for remark in self.unique():
            alike.setdefault(remark.partition(": ")[2] or remark, []).append(remark)
        return tuple(
            f"{first} (and {len(others)} more files)" if others else first
            for first, *others in alike.values()
        )


@dataclass
class Run:
    """What accompanies a tool from its start: where progress goes, remarks, seconds by stage."""

    progress: Progress = no_progress
    remarks: Remarks = field(default_factory=Remarks)
    clock: Clock = field(default_factory=Clock)
    started: float = field(default_factory=perf_counter)

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return perf_counter() - self.started


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a tool did; every tool subclasses it with keys of its own.

    ``command`` is the verb, ``inputs`` and ``outputs`` are paths as the user wrote them,
    ``seconds`` is wall time.
    """

    command: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON types, with ``version``: tuples become lists, NaN and infinity
        null.
        """
        return {"command": self.command, "version": __version__} | _plain(self)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    # a numpy scalar or a small array, without importing numpy
    if not isinstance(value, str) and hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
