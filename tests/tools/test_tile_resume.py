"""`tile --resume`: what a killed run has cut is not cut again, and the result is that of one
run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from geoseg.errors import UsageError
from geoseg.specs import ChipSpec, FolderTarget
from geoseg.tools import tile
from tests.scenes import buildings, write_scene

SPEC = ChipSpec(size=32, overlap=16, max_nodata=0.5)


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".parquet")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene.tif", buildings(400, 560))
    command = [
        "tile",
        str(scene),
        "-o",
        str(tmp_path / "chips"),
        "--size",
        "32",
        "--overlap",
        "16",
        "--max-nodata",
        "0.5",
    ]
    run = subprocess.Popen(
        [sys.executable, "-m", "geoseg", *command, "--resume"], stderr=subprocess.PIPE
    )
    partial = tmp_path / ".chips.partial"
    journal = partial / "journal.jsonl"
    deadline = time.monotonic() + 60
    while run.poll() is None and time.monotonic() < deadline:
        if journal.is_file() and len(journal.read_text().splitlines()) > 2:
            os.kill(run.pid, signal.SIGKILL)
            break
        time.sleep(0.005)
    run.wait(timeout=60)
    assert partial.is_dir() and not (tmp_path / "chips").exists()
    recorded = len(journal.read_text().splitlines()) - 1
    untouched = {path.name: path.stat().st_mtime_ns for path in (partial / "images").iterdir()}
    advanced: list[int] = []
    report = tile.run(
        [str(scene)],
        FolderTarget(tmp_path / "chips", resume=True),
        SPEC,
        progress=lambda stage, total: advanced.append,
    )
    assert not partial.exists() and sum(advanced) == 24 * 34
    again = {
        path.name: path.stat().st_mtime_ns for path in (tmp_path / "chips" / "images").iterdir()
    }
    kept = [name for name, changed in again.items() if untouched.get(name) == changed]
    # but for chips dropped to keep splits apart
    assert recorded >= 2 and len(kept) >= tile.GROUP * recorded * 0.6
    whole = tile.run([str(scene)], tmp_path / "whole", SPEC)
    assert content(tmp_path / "chips") == content(tmp_path / "whole")
    assert (report.chips, report.splits, report.dropped) == (
        whole.chips,
        whole.splits,
        whole.dropped,
    )


def test_a_run_with_other_settings_does_not_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = write_scene(tmp_path / "scene.tif", buildings(100, 140))

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tile.assign, "write_chip_index", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tile.run([str(scene)], FolderTarget(tmp_path / "chips", resume=True), SPEC)
    with pytest.raises(UsageError, match="different scenes or settings"):
        tile.run([str(scene)], FolderTarget(tmp_path / "chips", resume=True), replace(SPEC, seed=1))
    assert tile.run([str(scene)], FolderTarget(tmp_path / "chips", resume=True), SPEC).chips > 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chips", "scene.tif"]
    assert not (tmp_path / "chips" / tile.JOURNAL).exists()
