"""What of a long job is done: a line of JSON each, in a file that outlives the process."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from geoseg.errors import UsageError


class Journal:
    """Opens or goes on with the journal of a job; ``plan`` is everything that its results depend
    on.

    ``done`` maps keys to what was recorded for them. A line that was cut off when the process died
    counts as not written. Raises UsageError where the journal is of another plan.
    """

    def __init__(self, path: Path, plan: dict[str, Any]) -> None:
        self.path = path
        self.done: dict[str, Any] = {}
        header = json.dumps(plan, sort_keys=True, default=str)
        lines = path.read_text("utf-8").splitlines(keepends=True) if path.is_file() else []
        # a line without its end was being written when the process died
        if lines and lines[-1][-1:] != "\n":
            lines.pop()
        if lines and lines[0] != header + "\n":
            raise UsageError(
                f"{path.parent}: was started with different scenes or settings",
                "delete it to start over",
            )
        for line in lines[1:]:
            key, value = json.loads(line)
            self.done[key] = value
        path.write_text("".join(lines) or header + "\n", "utf-8")

    def add(self, key: str, value: Any) -> None:
        """Record that ``key`` is done, with a JSON ``value``."""
        with self.path.open("a", encoding="utf-8") as file:
            # one write a line, so that at most the last is cut off
            file.write(json.dumps([key, value]) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.done[key] = value


def stamp(name: str) -> tuple[int, int]:
    """Size in bytes and time of the last change in nanoseconds of a file; zeros where there is none
    to look at.
    """
    path = Path(name)
    if not path.is_file():
        return 0, 0
    status = path.stat()
    return status.st_size, status.st_mtime_ns
