"""Iterators that run ahead in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from geoseg.parallel.clock import Clock
from geoseg.parallel.prefetch import ahead


def test_items_come_in_order() -> None:
    assert list(ahead(range(100), depth=3)) == list(range(100))


def test_an_error_comes_out_after_the_items_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("three")

    taken = []
    with pytest.raises(ValueError, match="three"):
        for item in ahead(broken()):
            taken.append(item)
    assert taken == [1, 2]


def test_it_runs_no_further_ahead_than_it_may() -> None:
    made: list[int] = []

    def count() -> Iterator[int]:
        for i in range(50):
            made.append(i)
            yield i

    items = ahead(count(), depth=2)
    assert next(items) == 0
    threading.Event().wait(0.2)
    assert len(made) <= 5
    items.close()  # type: ignore[attr-defined]


def test_leaving_early_ends_the_thread() -> None:
    before = threading.active_count()
    items = ahead(iter(range(1000)), depth=1)
    assert [next(items), next(items)] == [0, 1]
    items.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_what_runs_ahead_of_it_ends_first() -> None:
    """Though someone still holds it, as a traceback does."""
    before = threading.active_count()
    ended: list[int] = []

    def outer() -> Iterator[int]:
        with closing(ahead(iter(range(1000)), depth=1)) as inner:
            try:
                yield from inner
            finally:
                ended.append(threading.active_count())

    held = outer()
    items = ahead(held, depth=1)
    assert next(items) == 0 and threading.active_count() == before + 2
    items.close()
    assert len(ended) == 1 and threading.active_count() == before


def test_a_thread_that_is_gone_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory may end where the end of the items is to be put: the thread dies of that."""

    class Full(queue.Queue[Any]):
        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            if not isinstance(item, int):
                raise MemoryError
            super().put(item, block, timeout)

    monkeypatch.setattr(queue, "Queue", Full)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    assert list(ahead([1, 2, 3])) == [1, 2, 3]

    def broken() -> Iterator[int]:
        yield 1
        raise MemoryError("two")

    with pytest.raises(MemoryError, match="two"):
        list(ahead(broken()))


def test_the_clock_counts_a_stage_without_what_it_waits_for() -> None:
    clock = Clock()

    def slow() -> Iterator[int]:
        for i in range(3):
            threading.Event().wait(0.05)
            yield i

    assert list(clock.timed("stage", clock.waiting("stage", slow()))) == [0, 1, 2]
    assert clock.seconds["stage"] < 0.05
    assert set(clock.rounded()) == {"stage"}
