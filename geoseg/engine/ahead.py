"""Stages that overlap in time: an iterator that runs ahead in a thread, and a clock of what each stage took."""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
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


class _Box:
    """A queue that lets go of whoever puts into it once nobody takes any more."""

    def __init__(self, depth: int) -> None:
        self.items: queue.Queue[Any] = queue.Queue(depth)
        self.closed = threading.Event()

    def put(self, item: Any) -> None:
        while not self.closed.is_set():
            try:
                return self.items.put(item, timeout=0.1)
            except queue.Full:
                continue

    def fill(self, items: Iterable[Any]) -> None:
        try:
            for item in items:
                self.put(item)
                if self.closed.is_set():
                    return
            self.put(_END)
        except BaseException as error:  # raised again where the items are taken
            self.put(_Raised(error))


@dataclass(frozen=True)
class _Raised:
    error: BaseException


def ahead(items: Iterable[T], depth: int = 2) -> Generator[T, None, None]:
    """``items``, made up to ``depth`` ahead in a thread of their own; its exceptions come out here."""
    box = _Box(depth)
    thread = threading.Thread(target=box.fill, args=(items,), daemon=True)
    thread.start()
    try:
        while (item := box.items.get()) is not _END:
            if isinstance(item, _Raised):
                raise item.error
            yield item
    finally:
        box.closed.set()
        thread.join()
