"""How many threads the libraries that compute, read and write may start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
