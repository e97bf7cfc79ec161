"""Another program that has a SQLite file open, in a process of its own: locks of one process do
not keep that same process out.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROGRAM = """
import sqlite3, sys
base = sqlite3.connect(sys.argv[1], isolation_level=None)
print("ready", flush=True)
for line in sys.stdin:
    try:
        print(base.execute(line).fetchall(), flush=True)
    except sqlite3.Error as error:
        print(repr(error), flush=True)
"""


class OtherProgram:
    """Runs statements of SQL, one after the other, on one connection."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, *statements: str) -> str:
        """The answer to the last one: its rows, or the error."""
        answer = ""
        for statement in statements:
            self._process.stdin.write(statement + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline().strip()
        return answer


@contextmanager
def other_program(path: Path, *statements: str) -> Iterator[OtherProgram]:
    """Opens ``path``, runs ``statements`` and keeps the connection."""
    command = [sys.executable, "-c", _PROGRAM, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        other = OtherProgram(process)
        other.run(*statements)
        yield other
        process.stdin.close()


def in_wal_mode(path: Path):
    """As QGIS opens GeoPackages; nothing is brought into the main file by itself."""
    return other_program(
        path,
        "PRAGMA journal_mode = wal",
        "PRAGMA wal_autocheckpoint = 0",
        "SELECT count(*) FROM sqlite_master",
    )
