"""Processes that a command starts end with it, also where it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.case import good_files

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 240.0  # seconds, on a busy machine
# What starts processes, each of which makes a file in the folder and then works for ever
STARTS = {
    "a pool": (
        "from geoseg.parallel.processes import ordered; "
        "list(ordered(idle, [folder] * 4, 2))"
    ),
    "a server": (
        "import multiprocessing as m; context = m.get_context('forkserver'); "
        "[context.Process(target=step, args=(folder,)).start() for _ in range(2)]; "
        "time.sleep(600)"
    ),
}  # fmt: skip


def idle(folder: Path) -> None:
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)


def step(folder: Path) -> None:
    from geoseg.parallel.processes import end_with_parent

    end_with_parent()
    idle(folder)


def session(leader: int) -> set[int]:
    """The living processes of a session."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # "4711 (name) S parent group session ..."
            state, _, _, number, *_ = entry.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(number) == leader and state != "Z":
            found.add(int(entry.parent.name))
    return found


def start(*command: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> bool:
    """Whether ``condition`` comes true while there is patience."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def clear(process: subprocess.Popen[bytes]) -> None:
    for each in session(process.pid):
        os.kill(each, signal.SIGKILL)
    process.wait()


def check_they_end(process: subprocess.Popen[bytes], at_work: Callable[[], bool]) -> None:
    """Kill ``process`` once ``at_work`` is true: it takes at least two others with it."""
    try:
        assert until(at_work, process)
        assert len(session(process.pid)) >= 3
        process.kill()
        process.wait()
        assert until(lambda: not session(process.pid), process), "they outlive it"
    finally:
        clear(process)


pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


@pytest.mark.parametrize("what", STARTS)
def test_they_end_when_it_is_killed(what: str, tmp_path: Path) -> None:
    head = f"import time; from tests.faults.test_children import idle, step; folder = {str(tmp_path)!r}; "
    process = start("-c", head + STARTS[what], folder=tmp_path)
    check_they_end(process, lambda: len(list(tmp_path.iterdir())) >= 2)


@pytest.mark.slow
@pytest.mark.parametrize("options", ["--workers 2", "--devices 2 --workers 1"])
def test_those_of_a_training(options: str, tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    good_files(tmp_path)
    line = "tile scene.tif -o chips --size 48 --labels footprints.geojson --split 0.8,0.1,0.1"
    assert start("-m", "geoseg", *line.split(), folder=tmp_path).wait() == 0
    line = "train chips -o m.safetensors --arch linknet --weights none --epochs 900 --crop 32"
    process = start("-m", "geoseg", *line.split(), *options.split(), folder=tmp_path)
    # the first epoch is done: all processes are at work
    check_they_end(process, lambda: any(tmp_path.rglob("last.ckpt")))
