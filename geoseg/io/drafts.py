"""Names of unfinished outputs, and the removal of those whose writer is dead.

A draft lies beside its output, so that a rename within one file system completes it:
``.NAME.partial-HOST-PID.SUFFIX``. A killed run cannot remove its own; the next run that writes the
same output does. Drafts of other machines, whose processes nobody here can see, are left alone.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

# File systems allow 255 bytes; GDAL and SQLite append up to 16 to the name of a draft
LONGEST = 230


def _host() -> str:
    # names of machines may be long, and need not stand in the names of files
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]


def _stem(path: Path) -> str:
    """The output's stem, or a short stand-in where a draft's name would be too long."""
    longest = LONGEST - len(f"..partial-{_host()}-{2**32}") - len(os.fsencode(path.suffix))
    if len(os.fsencode(path.stem)) <= longest:
        return path.stem
    return hashlib.sha256(os.fsencode(path.stem)).hexdigest()[:32]


def draft_of(path: Path, word: str = "partial") -> Path:
    """Where this process writes what will become ``path``."""
    return path.with_name(f".{_stem(path)}.{word}-{_host()}-{os.getpid()}{path.suffix}")


def abandoned(path: Path) -> Iterator[Path]:
    """Drafts of ``path``, and what belongs to them, whose process on this machine has ended."""
    name = re.compile(rf"\.{re.escape(_stem(path))}\.(?:partial|old)-{_host()}-(\d+)(?:\D.*)?")
    for entry in sorted(path.parent.iterdir()):
        match = name.fullmatch(entry.name)
        if match and not _alive(int(match[1])):
            yield entry


def _alive(process: int) -> bool:
    try:
        # signal 0 is not sent, only checked; a process of somebody else is alive too
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
