"""How many threads the libraries that compute, read and write may start."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")
S = TypeVar("S")
_LOOK = 1.0  # seconds until whoever waits looks whether the threads are still there
C = TypeVar("C")
# Beyond that Python's lock is what the threads of one process wait for
_MOST = 8
_limit: int | None = None
# Those of the calls that run now, of any thread, the latest last
_limits: list[list[int]] = []


def thread_limit() -> int | None:
    """Threads that a library may start; None leaves it to the library."""
    return _limits[-1][0] if _limits else _limit


@contextmanager
def limited(threads: int | None) -> Iterator[None]:
    """Within it libraries that are started use ``threads``; None changes nothing.

    It holds for the whole process, as the settings of the libraries do; of calls in several threads
    the latest counts, and none outlives its call.
    """
    if threads is None:
        yield
        return
    own = [threads]
    _limits.append(own)
    try:
        yield
    finally:
        # its own entry, not an equal one of another thread's call
        _limits[:] = [each for each in _limits if each is not own]


def set_limit(threads: int | None) -> None:
    """As :func:`limited`, for all that follows: for processes at their start."""
    global _limit
    _limit = threads


def spare_threads() -> int:
    """Threads for what goes on beside the network: half of the processors, for it takes the
    others.
    """
    return max(1, min(_MOST, (thread_limit() or os.cpu_count() or 1) // 2))


def outcome(future: Future[T], pool: ThreadPoolExecutor) -> T:
    """The result of a ``future`` of ``pool``, or its exception.

    Raises MemoryError where a thread of the pool is gone: it goes without a word where there is no
    memory to note its own MemoryError, and whoever waits for the future would wait for ever.
    """
    while True:
        try:
            return future.result(timeout=_LOOK)
        except TimeoutError:
            if future.done():  # a function may raise that too
                return future.result()
            if not all(thread.is_alive() for thread in pool._threads):
                raise MemoryError from None


class Mapper(Protocol):
    """Gives ``function`` of each of ``items`` in their order, and takes no more items than are soon
    worked on: :func:`mapped`, or :meth:`geoseg.parallel.cluster.Cluster.mapped`.
    """

    def __call__(self, function: Callable[[T], S], items: Iterable[T], /) -> Iterator[S]: ...


def accompanied(
    mapper: Mapper, function: Callable[[T], S], items: Iterable[tuple[C, T]]
) -> Iterator[tuple[C, S]]:
    """``function`` of the second of each pair, beside the first, which stays in this process."""
    waiting: deque[C] = deque()

    def seconds() -> Iterator[T]:
        for first, second in items:
            waiting.append(first)
            yield second

    for result in mapper(function, seconds()):
        yield waiting.popleft(), result


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
                    yield outcome(begun.popleft(), pool)
            while begun:
                yield outcome(begun.popleft(), pool)
        finally:
            for waiting in begun:
                waiting.cancel()
