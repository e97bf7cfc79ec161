"""Work in several processes, with results as one process would give them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from geoseg.errors import ResourceError

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered(function: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> Generator[Result, None, None]:
    """Results of ``function`` over ``items``, in their order, in this process or in ``jobs`` others.

    Close it to stop early: what has not begun is given up. Raises what ``function`` raises, and ResourceError where a process
    was killed.
    """
    jobs = min(jobs, len(items))
    if jobs <= 1:
        yield from map(function, items)
        return
    # spawned: a fork would inherit GDAL's threads half alive
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
    try:
        yield from pool.map(function, items)
    except BrokenProcessPool as error:
        raise ResourceError("one of the processes was killed", "lower --jobs") from error
    finally:
        pool.shutdown(cancel_futures=True)
