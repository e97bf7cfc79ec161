"""Outputs of several files: all of the old or all of the new, wherever Ctrl-C comes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Interrupts as each file in its turn is renamed or deleted; hooks for that cannot be removed, hence
# a process of its own. Prints what is there after each.
CODE = """
import os, signal, sys
from pathlib import Path
from geoseg.io.atomic import atomic_parts

signal.signal(signal.SIGINT, signal.default_int_handler)
left = None

def hook(event, arguments):
    global left
    if left is not None and event in ("os.rename", "os.remove"):
        left -= 1
        if left < 0:
            left = None
            signal.raise_signal(signal.SIGINT)

def write(path, word, suffixes):
    global left
    with atomic_parts(path, True, (".shx", ".dbf", ".prj"), (".qix",)) as draft:
        for suffix in suffixes:
            draft.with_suffix(suffix).write_text(word)
        left = wanted

sys.addaudithook(hook)
for turn in range(20):
    path = Path(sys.argv[1], str(turn), "roofs.shp")
    path.parent.mkdir()
    wanted = None
    write(path, "old", (".shp", ".shx", ".dbf", ".prj"))
    path.with_suffix(".qix").write_text("old")
    wanted = turn
    try:
        write(path, "new", (".shp", ".shx", ".dbf"))
    except KeyboardInterrupt:
        pass
    left = None
    print(*sorted(f"{each.name}={each.read_text()}" for each in path.parent.iterdir()))
"""
OLD = "roofs.dbf=old roofs.prj=old roofs.qix=old roofs.shp=old roofs.shx=old"
NEW = "roofs.dbf=new roofs.shp=new roofs.shx=new"


def test_an_interrupt_between_two_files_leaves_no_mixture(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    states = done.stdout.splitlines()
    assert set(states) <= {OLD, NEW}, (states, done.stderr)
    assert len(states) == 20 and states.count(NEW) >= 10
