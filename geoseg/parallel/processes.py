"""Work in several processes, with results as one process would give them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from multiprocessing.connection import wait
from operator import length_hint
from typing import TYPE_CHECKING, Any, TypeVar

from geoseg.errors import ResourceError
from geoseg.parallel.threads import set_limit, thread_limit

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

Item = TypeVar("Item")
Result = TypeVar("Result")


def _start(threads: int | None) -> None:
    """What a process begins with."""
    leave_interrupts_to_parent()
    end_with_parent()
    set_limit(threads)


def ordered(
    function: Callable[[Item], Result], items: Iterable[Item], jobs: int
) -> Generator[Result, None, None]:
    """Results of ``function`` over ``items``, in their order, in this process or in ``jobs``
    others.

    No more items are taken than are soon worked on. Close it to stop early: what is not finished is
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
    pool = ProcessPoolExecutor(
        jobs,
        mp_context=get_context("spawn"),
        initializer=_start,
        initargs=(thread_limit(),),
    )
    waiting: deque[Future[Any]] = deque()
    done = False
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            # two each: one in work, one at hand; more would only hold results
            if len(waiting) > 2 * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        done = True
    except BrokenProcessPool as error:
        raise ResourceError("one of the processes was killed", "use fewer `jobs`") from error
    finally:
        if not done:
            _kill(pool)
        pool.shutdown(cancel_futures=True)


def leave_interrupts_to_parent(*_: object) -> None:
    """Ignore Ctrl-C, which a terminal sends to all processes: the one that started this one ends
    it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def end_with_parent() -> None:
    """End this process as soon as the one that started it is gone, were it killed: nobody would
    ever send it an item, or an end.

    The system's own way, a signal at the parent's death, comes at the end of the thread that
    started this process; a pipe to the parent breaks at its end.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _kill(pool: ProcessPoolExecutor) -> None:
    """End what works on items that nobody waits for: after Ctrl-C a user would wait for them, and
    what they write is thrown away. From Python 3.14 on it is ``terminate_workers``.
    """
    for process in list((pool._processes or {}).values()):
        process.terminate()
