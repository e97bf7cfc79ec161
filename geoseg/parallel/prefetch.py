"""Stages that overlap in time: an iterator that runs ahead in a thread, and a clock of what each
stage took.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
_END: Any = object()


class _Box:
    """A queue that lets go of whoever puts into it once nobody takes any more."""

    def __init__(self, depth: int) -> None:
        self.items: queue.Queue[Any] = queue.Queue(depth)
        self.closed = threading.Event()

    def put(self, item: Any) -> None:
        while not self.closed.is_set():
            try:
                # a put that waits for ever would keep the thread, and the program, alive
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
        # Of any class, SystemExit too: whoever takes the items would wait for ever for those that
        # a thread that has ended does not make. It is raised there.
        except BaseException as error:
            self.put(_Raised(error))


@dataclass(frozen=True)
class _Raised:
    error: BaseException


def ahead(items: Iterable[T], depth: int = 2) -> Generator[T, None, None]:
    """``items``, made up to ``depth`` ahead in a thread of their own; its exceptions come out
    here.
    """
    box = _Box(depth)
    thread = threading.Thread(target=box.fill, args=(items,), daemon=True)
    thread.start()
    try:
        while (item := box.items.get()) is not _END:
            if isinstance(item, _Raised):
                raise item.error
            yield item
    finally:
        # whoever leaves the loop early does not leave a thread that reads on
        box.closed.set()
        thread.join()
