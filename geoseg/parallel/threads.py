"""How many threads the libraries that compute, read and write may start."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
S = TypeVar("S")
# Beyond that Python's lock is what the threads of one process wait for
_MOST = 8
_limit: int | None = None


def thread_limit() -> int | None:
    """Threads that a library may start; None leaves it to the library."""
    return _limit


@contextmanager
def limited(threads: int | None) -> Iterator[None]:
    """Within it libraries that are started use ``threads``; None changes nothing.

    It holds for the whole process, as the settings of the libraries do.
    """
    before = _limit
    set_limit(before if threads is None else threads)
    try:
        yield
    finally:
        set_limit(before)


def set_limit(threads: int | None) -> None:
    """As :func:`limited`, from now on: for processes at their start."""
    global _limit
    _limit = threads


def spare_threads() -> int:
    """Threads for what goes on beside the network: half of the processors, for it takes the
    others.
    """
    return max(1, min(_MOST, (_limit or os.cpu_count() or 1) // 2))


def mapped(function: Callable[[T], S], items: Iterable[T]) -> Iterator[S]:
    """``function`` of each of ``items`` in their order, a few computed ahead in threads; its
    exceptions come out here.

    Worth it for functions that spend their time in libraries which let go of Python's lock. Where
    no processor is to spare, each is computed when it is asked for.
    """
    count = spare_threads()
    if count == 1:
        yield from map(function, items)
        return
    begun: deque[Future[S]] = deque()
    with ThreadPoolExecutor(count) as pool:
        try:
            for item in items:
                begun.append(pool.submit(function, item))
                if len(begun) > count:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for waiting in begun:
                waiting.cancel()
