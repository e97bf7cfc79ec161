"""Stages that overlap in time: an iterator that runs ahead in a thread, and a clock of what each
stage took.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
_END: Any = object()
_LOOK = 0.1  # seconds until either side looks whether the other is still there


# How a thread that makes items ends, and what whoever takes them sees:
#
#     all made                      ... item, item, _END
#     an error, of any class        ... item, item, _END, and the error beside the queue
#     no memory, not even to put    ... item, item, and the thread is gone
class _Box:
    """A queue that lets go of whoever puts into it once nobody takes any more, and of whoever takes
    once nobody puts.
    """

    def __init__(self, items: Iterable[Any], depth: int) -> None:
        self.items: queue.Queue[Any] = queue.Queue(depth)
        self.closed = threading.Event()
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._fill, args=(items,), daemon=True)
        self.thread.start()

    def take(self) -> Any:
        while True:
            # a get that waits for ever would hang where the thread ended without a word
            alive = self.thread.is_alive()
            try:
                item = self.items.get(timeout=_LOOK if alive else 0)
            except queue.Empty:
                if alive:
                    continue
                item = _END
            if item is _END and self.error is not None:
                raise self.error
            return item

    def _put(self, item: Any) -> None:
        while not self.closed.is_set():
            try:
                # a put that waits for ever would keep the thread, and the program, alive
                return self.items.put(item, timeout=_LOOK)
            except queue.Full:
                continue

    def _fill(self, items: Iterable[Any]) -> None:
        try:
            for item in items:
                self._put(item)
                if self.closed.is_set():
                    # Here and now: whoever waits for this thread closes next what ``items`` read
                    # from, and a traceback may hold on to what nobody closes.
                    if isinstance(items, Generator):
                        items.close()
                    return
        # Of any class, SystemExit too: it is raised where the items are taken. Noting it takes no
        # memory, of which there may be none.
        except BaseException as error:
            self.error = error
        self._put(_END)


def ahead(items: Iterable[T], depth: int = 2) -> Generator[T, None, None]:
    """``items``, made up to ``depth`` ahead in a thread of their own; its exceptions come out
    here.

    Closed early it ends the thread, in which ``items`` are closed first, where they are a
    generator; they may use other threads and should close those.
    """
    box = _Box(items, depth)
    try:
        while (item := box.take()) is not _END:
            yield item
    finally:
        # whoever leaves the loop early does not leave a thread that reads on
        box.closed.set()
        box.thread.join()
