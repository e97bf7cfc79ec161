"""geoseg in a real terminal: bash within tmux, typed into, its screen read."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.test_docs import script

if shutil.which("tmux") is None:
    pytest.skip("tmux is not installed", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_completion_and_the_progress_bar(tmp_path: Path) -> None:
    """As docs/cli.md shows it; the script waits for the screen that follows each key press."""
    completed, bar, done = script("record_terminal").record(tmp_path).split("\n\n")
    # all of it was typed in pieces and completed by Tab
    typed = "$ geoseg extract sample_data/scene.tif -o buildings.gpkg --tta flips -m bundled"
    assert completed.splitlines()[-1] == typed
    assert "footprints.gpkg" in completed and "generate.py" in completed
    assert re.fullmatch(r"scene\.tif \[#*-*\] +\d+%  .+/s  \d+:\d\d:\d\d left", bar)
    lines = done.splitlines()
    assert lines[0] == "wrote buildings.gpkg" and "left" not in done, "the bar has to vanish"
