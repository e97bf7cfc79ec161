"""Work shared out to threads: in order, the same as without, and over when nobody takes more."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from geoseg.parallel.threads import (
    accompanied,
    limited,
    mapped,
    outcome,
    spare_threads,
    thread_limit,
)


@pytest.mark.parametrize("threads", [1, 2, 6, 40])
def test_results_come_in_order_whichever_is_done_first(threads: int) -> None:
    def slow_at_first(number: int) -> tuple[int, int]:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number**2, threading.get_ident()

    with limited(threads):
        found = list(mapped(slow_at_first, iter(range(13))))
    assert [square for square, _ in found] == [number**2 for number in range(13)]
    own = {where for _, where in found} == {threading.get_ident()}
    assert own == (threads < 4)


def test_a_thread_that_is_gone_is_not_waited_for() -> None:
    """Nobody sets the future's result: whoever waited for it would wait for ever."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(abs, -1).result()
        # what ends a worker of a pool is an error within its own bookkeeping
        pool._work_queue.put(object())  # type: ignore[arg-type]
        lost: Future[int] = Future()
        with pytest.raises(MemoryError):
            outcome(lost, pool)


def test_a_timeout_of_the_function_itself_comes_out() -> None:
    def late() -> None:
        raise TimeoutError("mine")

    with ThreadPoolExecutor(1) as pool, pytest.raises(TimeoutError, match="mine"):
        outcome(pool.submit(late), pool)


def test_no_more_is_taken_ahead_than_threads_compute() -> None:
    taken: list[int] = []
    with limited(6):
        results = mapped(abs, (taken.append(i) or i for i in range(100)))
        assert next(results) == 0
        assert len(taken) == 1 + 3
        results.close()  # type: ignore[attr-defined]
    assert len(taken) == 1 + 3


@pytest.mark.parametrize("threads", [1, 6])
def test_what_goes_along_stays_beside_its_result(threads: int) -> None:
    with limited(threads):
        found = accompanied(mapped, len, ((object, "ab" * i) for i, object in enumerate("wxyz")))
        assert list(found) == [("w", 0), ("x", 2), ("y", 4), ("z", 6)]


def test_errors_come_out_where_results_are_taken() -> None:
    with limited(8):
        results = mapped(lambda i: 1 / i, (2, 1, 0, 3))
        assert [next(results), next(results)] == [0.5, 1.0]
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_the_network_keeps_half_of_the_processors() -> None:
    for threads, spare in ((1, 1), (2, 1), (5, 2), (16, 8), (64, 8)):
        with limited(threads):
            assert spare_threads() == spare
    assert 1 <= spare_threads() <= max(1, (os.cpu_count() or 1) // 2)


def test_no_limit_outlives_calls_of_other_threads() -> None:
    """The first call ends before the second, which must not bring back the first one's limit."""
    first_began, second_began, first_ended = (threading.Event() for _ in range(3))

    def second() -> None:
        first_began.wait(10)
        with limited(3):
            second_began.set()
            first_ended.wait(10)
            assert thread_limit() == 3

    before = thread_limit()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second)
        with limited(2):
            first_began.set()
            assert second_began.wait(10)
        first_ended.set()
        waiting.result(10)
    assert thread_limit() == before


def test_calls_within_calls_have_their_own_limit() -> None:
    with limited(5):
        with limited(None):
            assert thread_limit() == 5
        with limited(5), limited(2):
            assert thread_limit() == 2
        assert thread_limit() == 5
