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

    ``done`` maps keys to what was recorded for them. A line that was cut off when the process died,
    or that a dying disk left unreadable, counts as not written, with all that follow it. Raises
    UsageError where the journal is of another plan.
    """

    def __init__(self, path: Path, plan: dict[str, Any]) -> None:
        self.path = path
        self.done: dict[str, Any] = {}
        header = (json.dumps(plan, sort_keys=True, default=str) + "\n").encode()
        content = path.read_bytes() if path.is_file() else b""
        first, *lines = content.splitlines(keepends=True) or [b""]
        # a line without its end was being written when the process died
        if first.endswith(b"\n") and first != header:
            raise UsageError(
                f"{path.parent}: was started with different scenes or settings",
                "delete it to start over",
            )
        if first != header:
            path.write_bytes(header)
            return
        whole = len(header)
        for line in lines:
            entry = _entry(line)
            if entry is None:
                break
            self.done[entry[0]] = entry[1]
            whole += len(line)
        os.truncate(path, whole)

    def forget(self) -> None:
        """Begin with nothing done."""
        with self.path.open("r+b") as file:
            file.readline()
            file.truncate()
        self.done = {}

    def add(self, key: str, value: Any) -> None:
        """Record that ``key`` is done, with a JSON ``value``."""
        with self.path.open("a", encoding="utf-8") as file:
            # one write a line, so that at most the last is cut off
            file.write(json.dumps([key, value]) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.done[key] = value


def _entry(line: bytes) -> tuple[str, Any] | None:
    """Key and value that a line records; None where it was not written to its end."""
    try:
        key, value = json.loads(line)
    except (ValueError, TypeError):
        return None
    return (key, value) if line.endswith(b"\n") and isinstance(key, str) else None


def stamp(name: str) -> tuple[int, int]:
    """Size in bytes and time of the last change in nanoseconds of a file; zeros where there is none
    to look at.
    """
    path = Path(name)
    if not path.is_file():
        return 0, 0
    status = path.stat()
    return status.st_size, status.st_mtime_ns
