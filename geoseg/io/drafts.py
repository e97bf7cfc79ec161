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
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from geoseg.io.plain_names import is_plain

# File systems allow 255 bytes; GDAL and SQLite append up to 16 to the name of a draft
LONGEST = 230
# Seconds by which the clocks of a file system and of the machine may differ
CLOCKS = 2.0


def _host() -> str:
    # names of machines may be long, and need not stand in the names of files
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]


def _stem(path: Path) -> str:
    """The output's stem, or a short stand-in where a draft's name would be too long, or one that
    libraries do not take.
    """
    longest = LONGEST - len(f"..partial-{_host()}-{2**32}") - len(os.fsencode(path.suffix))
    if len(os.fsencode(path.stem)) <= longest and is_plain(path.stem):
        return path.stem
    return hashlib.sha256(os.fsencode(path.stem)).hexdigest()[:32]


def draft_of(path: Path, word: str = "partial") -> Path:
    """Where this process writes what will become ``path``."""
    return path.with_name(f".{_stem(path)}.{word}-{_host()}-{os.getpid()}{path.suffix}")


def abandoned(path: Path) -> Iterator[Path]:
    """Drafts of ``path``, and what belongs to them, whose process on this machine has ended."""
    words = "partial|old|append"
    return (entry for entry, process in _drafts(path, words) if not _writes(process, entry))


def living(path: Path) -> Iterator[Path]:
    """Drafts of ``path`` that another process on this machine is writing."""
    own = os.getpid()
    return (entry for entry, process in _drafts(path) if process != own and _writes(process, entry))


def set_aside(path: Path) -> Path | None:
    """The old output that a run moved away and, killed, could not replace; None where there is
    none.
    """
    aside = [entry for entry in abandoned(path) if f".old-{_host()}-" in entry.name]
    return aside[0] if aside and not path.exists() else None


def _drafts(path: Path, words: str = "partial|old") -> Iterator[tuple[Path, int]]:
    """Each entry beside ``path`` that is a draft of it, with the number of its process."""
    name = re.compile(rf"\.{re.escape(_stem(path))}\.(?:{words})-{_host()}-(\d+)(?:\D.*)?")
    suffix = path.suffix
    # what GDAL adds to the name of a file; roofs.tif, roofs.tiff and the folder roofs are three
    # outputs
    belongs = re.compile(rf"{re.escape(suffix)}([.-].*)?" if suffix else "")
    for entry in sorted(path.parent.iterdir()):
        match = name.fullmatch(entry.name)
        if match and belongs.fullmatch(entry.name[match.end(1) :]):
            yield entry, int(match[1])


def _writes(process: int, draft: Path) -> bool:
    """Whether the process that began ``draft`` is alive: numbers of processes are used again."""
    try:
        # signal 0 is not sent, only checked; a process of somebody else is alive too
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    began = _start_of(process)
    with suppress(OSError):
        return began is None or draft.stat().st_mtime > began - CLOCKS
    return False


def _start_of(process: int) -> float | None:
    """When a process was started, in seconds since 1970; None where the system does not say."""
    try:
        # "4711 (name, perhaps with spaces) S 1 ...": the 22nd field counts ticks since the start of
        # the machine
        ticks = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")
