"""A disk that fills up: the short run of ``full_disk.py``, and with --slow the long one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.full_disk import KINDS

SCRIPT = Path(__file__).with_name("full_disk.py")


def run(sizes: int, kinds: list[str]) -> str:
    """What the script prints; the test is skipped where nobody may mount a disk of its own."""
    probe = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none"]
    if not shutil.which("unshare") or subprocess.run([*probe, "/mnt"], check=False).returncode:
        pytest.skip("this system lets nobody mount a small disk")
    command = [sys.executable, str(SCRIPT), "--sizes", str(sizes), "--kinds", *kinds]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_two_kinds_of_output_at_three_sizes() -> None:
    shown = run(3, ["GeoJSON", "mask"])
    for kind in ("GeoJSON", "mask"):
        assert f"{kind}: exit 6, the old output whole, no draft" in shown
    assert "GeoJSON: written whole" in shown


@pytest.mark.slow
def test_all_kinds_of_output_at_twenty_sizes() -> None:
    shown = run(20, list(KINDS))
    assert all(f"{kind}: exit 6, the old output whole, no draft" in shown for kind in KINDS)
