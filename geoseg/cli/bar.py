"""A progress bar with rate and remaining time, on a terminal's stderr only."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

WIDTH = 24
PATIENCE = 2.0  # seconds before a bar shows: short jobs have none
PERIOD = 0.1


class Bar:
    """One stage of a job: ``bar(n)`` after ``n`` more units are done."""

    def __init__(self, label: str | Callable[[], str], total: int) -> None:
        self.label = label
        self.unit = getattr(label, "unit", "")
        self.total = total
        self.done = 0
        self.start = time.monotonic()
        self.shown = 0.0

    def __call__(self, count: int) -> None:
        self.done += count
        now = time.monotonic()
        finished = self.done >= self.total
        if finished and self.shown:
            self._write("")
        # no more than ten lines a second: writing to a terminal takes time too
        elif now - self.start > PATIENCE and now - self.shown > PERIOD and not finished:
            self._write(
                line(
                    self.label() if callable(self.label) else self.label,
                    self.done,
                    self.total,
                    now - self.start,
                    self.unit,
                )
            )
            self.shown = now

    def _write(self, text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def line(label: str, done: int, total: int, seconds: float, unit: str = "") -> str:
    """``cut [######------------------]  25%  130/520 tiles  12.5/s  0:00:42 left``; without a
    ``unit`` no numbers.
    """
    share = min(1.0, done / total) if total else 0.0
    rate = done / seconds if seconds else 0.0
    left = clock((total - done) / rate) if rate else "?"
    filled = round(share * WIDTH)
    count = f"  {done:,}/{total:,} {unit}" if unit else ""
    bar = f"[{'#' * filled}{'-' * (WIDTH - filled)}]"
    return f"{label} {bar} {share:4.0%}{count}  {rate:.3g}/s  {left} left"


def clock(seconds: float) -> str:
    """Hours:minutes:seconds."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}"
