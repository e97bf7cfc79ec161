"""Whole processes in turn, A B A B, and a table of the medians: wall and CPU seconds, peak memory,
ratios to the first.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A small process starts the command, for a child's peak is never below its parent's; it prints what
# the system counted
WATCHED = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
wall = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, done.returncode, done.stderr[-2000:]]))
"""
GEOSEG = (sys.executable, "-m", "geoseg")


@dataclass(frozen=True)
class Way:
    """A command and the file or folder that it writes, which is removed before every run."""

    command: Sequence[str]
    output: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """Seconds by the clock and of all processors, and the greatest resident set in MB of any
    process.
    """

    wall: float
    cpu: float
    peak: float


def measure(way: Way) -> Run:
    """Run a way once; stops the benchmark with its message where it fails."""
    clear(way.output)
    command = [sys.executable, "-c", WATCHED, *map(str, way.command)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | dict(way.environment)
    )
    *figures, code, message = json.loads(done.stdout)
    if code:
        sys.exit(f"{' '.join(map(str, way.command))}\n{message}")
    return Run(*figures)


def clear(output: Path) -> None:
    if output.is_dir():
        shutil.rmtree(output)
    output.unlink(missing_ok=True)


def alternate(ways: Mapping[str, Way], repeats: int) -> dict[str, list[Run]]:
    """Every way once a round, after a round that is not counted: it fills the page cache."""
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            run = measure(way)
            if turn:
                runs[name].append(run)
    return runs


def table(
    title: str, runs: Mapping[str, list[Run]], goals: Mapping[str, str], ours: str = "geoseg"
) -> None:
    """Medians of each way; ratios are ours by theirs, medians over the rounds. ``goals`` by way are
    printed beside.
    """
    load = os.getloadavg()[0]
    print(f"\n{title}; {len(runs[ours])} rounds, {os.cpu_count()} cores, load {load:.1f}")
    print(f"{'':<34}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}{'wall':>7}{'CPU':>7}  goal")
    for name, own in runs.items():
        wall, cpu = (
            statistics.median(getattr(run, what) for run in own) for what in ("wall", "cpu")
        )
        peak = max(run.peak for run in own)
        ratios = (
            ""
            if name == ours
            else f"{_ratio(runs[ours], own, 'wall'):7.2f}{_ratio(runs[ours], own, 'cpu'):7.2f}"
        )
        print(
            f"{name:<34}{wall:8.2f}{cpu:8.2f}{peak:9.0f}{ratios:<14}  {goals.get(name, '')}".rstrip()
        )


def _ratio(ours: list[Run], theirs: list[Run], what: str) -> float:
    return statistics.median(
        getattr(a, what) / getattr(b, what) for a, b in zip(ours, theirs, strict=True)
    )


def tools(*names: str) -> dict[str, str]:
    """Paths of the programs that are there; says which are not."""
    found = {name: shutil.which(name) for name in names}
    for name in (name for name, path in found.items() if path is None):
        print(f"{name} is not installed (gdal-bin, python3-gdal): nothing to compare with")
    return {name: path for name, path in found.items() if path}


def solaris(script: str, *arguments: str | Path, output: Path) -> Way | None:
    """A way that runs ``script`` with ``solaris`` loaded as the parity tests load it; None where
    its wheel cannot be had.
    """
    sys.path.insert(0, str(ROOT))
    from tests.parity.solaris_wheel import Unavailable, fetch

    (kept := ROOT / ".pytest_cache/d/solaris").mkdir(parents=True, exist_ok=True)
    try:
        wheel = fetch(kept)
    except Unavailable as error:
        print(f"{error}: nothing to compare with")
        return None
    load = (
        "from pathlib import Path\nfrom tests.parity.solaris_wheel import load\nsolaris = "
        f"load(Path({str(wheel)!r}))\n"
    )
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        f"import sys\n{load}{script}",
        *map(str, arguments),
    ]
    return Way(command, output, {"PYTHONPATH": str(ROOT)})
