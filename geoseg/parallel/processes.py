"""Work in several processes, with results as one process would give them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from operator import length_hint
from typing import Any, TypeVar

from geoseg.errors import ResourceError

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered(
    function: Callable[[Item], Result], items: Iterable[Item], jobs: int
) -> Generator[Result, None, None]:
    """Results of ``function`` over ``items``, in their order, in this process or in ``jobs``
    others.

    No more items are taken than are soon worked on. Close it to stop early: what has not begun is
    given up. Raises what ``function`` raises, and ResourceError where a process was killed.
    """
    jobs = min(jobs, length_hint(items, jobs))
    if jobs <= 1:
        yield from map(function, items)
        return
    from concurrent.futures import Future, ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # spawned: a fork would inherit GDAL's threads half alive
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
    waiting: deque[Future[Any]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            # two each: one in work, one at hand; more would only hold results
            if len(waiting) > 2 * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise ResourceError("one of the processes was killed", "use fewer `jobs`") from error
    finally:
        pool.shutdown(cancel_futures=True)
