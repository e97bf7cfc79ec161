"""Signals that come while a module is being loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOADING = """
import time
from geoseg.cli import interrupts
interrupts.watch()
try:
    import loaded
    time.sleep(20)
except BaseException as error:
    print(type(error).__name__, "loaded" in globals())
"""
MODULE = "import os, signal, time; os.kill(os.getpid(), signal.{}); time.sleep(0.1)"


@pytest.mark.parametrize(
    ("name", "raised"), [("SIGINT", "KeyboardInterrupt"), ("SIGTERM", "SystemExit")]
)
def test_a_module_is_loaded_before_the_stack_unwinds(
    name: str, raised: str, tmp_path: Path
) -> None:
    (tmp_path / "loaded.py").write_text(MODULE.format(name))
    done = subprocess.run(
        [sys.executable, "-c", LOADING],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == f"{raised} True\n", done.stderr
    assert done.stderr == ("Error: interrupted\n" if name == "SIGINT" else "")


DROPPED = """
import signal, time
from geoseg.cli import interrupts

class Dropping:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

interrupts.watch()
made = Dropping()
try:
    del made
    time.sleep(20)
except BaseException as error:
    print(type(error).__name__)
"""


def test_what_a_destructor_drops_comes_again() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DROPPED],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("KeyboardInterrupt\n", "Error: interrupted\n")


# signals that come when all is done: one that was put off, one while Python ends
ENDING = """
import atexit, os, signal, sys, time
atexit.register(time.sleep, 0.1)
atexit.register(os.kill, os.getpid(), signal.{0})
from geoseg.cli import interrupts
interrupts.watch()
interrupts._again(signal.{0})
interrupts.settled(3)
sys.exit(3)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_changes_nothing_of_what_has_ended(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDING.format(name)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (3, "")
