"""A clock of what each stage took."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
_END: Any = object()


@dataclass
class Clock:
    """Seconds by stage, summed over threads."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start

    def timed(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """``items``, the time to make each counted under ``stage``."""
        steps = iter(items)
        while True:
            with self(stage):
                item = next(steps, _END)
            if item is _END:
                return
            yield item

    def waiting(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """``items``, the time spent waiting for each taken off ``stage`` again."""
        steps = iter(items)
        while True:
            start = time.perf_counter()
            item = next(steps, _END)
            self.seconds[stage] -= time.perf_counter() - start
            if item is _END:
                return
            yield item

    def rounded(self) -> dict[str, float]:
        return {stage: round(seconds, 3) for stage, seconds in self.seconds.items()}
