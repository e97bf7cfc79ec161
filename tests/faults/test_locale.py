"""A system whose locale is ASCII: names of any bytes are read and written under their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import rasterio

from tests.faults.case import good_files

ROOT = Path(__file__).resolve().parents[2]
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(ROOT)}
NAME = b"Troms\xc3\xb8 \xff"  # no UTF-8, and no ASCII


def geoseg(folder: Path, *words: str | bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "geoseg", *words],
        cwd=folder,
        env=os.environ | ASCII,
        capture_output=True,
        check=False,
    )


def test_names_that_are_not_of_it(tmp_path: Path) -> None:
    good_files(tmp_path)
    (tmp_path / "scene.tif").rename(tmp_path / os.fsdecode(NAME + b".tif"))
    line = ("rasterize", "footprints.geojson", "--like", NAME + b".tif")
    done = geoseg(tmp_path, *line, "-o", NAME + b"2.tif", "--quiet")
    assert (done.returncode, done.stderr) == (0, b"")
    (tmp_path / os.fsdecode(NAME + b"2.tif")).rename(tmp_path / "mask.tif")
    with rasterio.open(tmp_path / "mask.tif") as mask:
        assert mask.read(1).any()


def test_errors_that_name_them(tmp_path: Path) -> None:
    done = geoseg(tmp_path, "info", NAME + b".tif")
    assert done.returncode == 3
    assert done.stderr.startswith(b"Error: Troms") and done.stderr.count(b"\n") == 1
    assert b"does not exist" in done.stderr and done.stderr.isascii()
