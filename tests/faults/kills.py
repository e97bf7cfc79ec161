"""Commands killed at any moment: the old output or the new one stays, whole each time.

    python tests/faults/kills.py --kills 200

SIGINT, SIGTERM and SIGKILL in turn, half of them while a draft of the output is there. After each,
the output is read; the next run removes what was left, and gives the same pixels and footprints.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
LINES = {
    "extract": "extract scene.tif -o out.gpkg -m model.onnx --overwrite",
    "predict": "predict scene.tif -o out.tif -m model.onnx --overwrite",
    "tile": "tile scene.tif -o out --size 64 --overwrite",
    "rasterize": "rasterize footprints.geojson --like scene.tif -o out.tif --overwrite",
}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
OUTPUTS = {"extract": "out.gpkg", "tile": "out"}
ENVIRONMENT = {"SOURCE_DATE_EPOCH": "1700000000", "PYTHONPATH": str(ROOT)}


def state(path: Path) -> dict[str, bytes]:
    """The bytes of an output, file or folder."""
    if path.is_dir():
        return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}
    return {path.name: path.read_bytes()}


def start(folder: Path, line: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "geoseg", *line.split()]
    return subprocess.Popen(
        command, cwd=folder, env=os.environ | ENVIRONMENT, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def drafts(folder: Path) -> set[Path]:
    return {path for path in folder.iterdir() if ".partial" in path.name or ".old-" in path.name}


def kill(folder: Path, verb: str, number: signal.Signals, at: float | None) -> str:
    """Kill one run, after ``at`` seconds or as soon as it writes; what came of it."""
    output = folder / OUTPUTS.get(verb, "out.tif")
    before = state(output)
    others = drafts(folder)  # of runs that SIGKILL ended
    process = start(folder, LINES[verb])
    began = time.monotonic()
    while process.poll() is None:
        waited = time.monotonic() - began
        if waited > 60 or (waited > at if at is not None else bool(drafts(folder) - others)):
            process.send_signal(number)
            break
        time.sleep(0.001)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return f"wrong: did not end by {number.name}"
    writing = "writing, " if at is None else ""
    if number != signal.SIGKILL and drafts(folder) - others:
        return "wrong: a draft was left"
    if not output.exists() or state(output).keys() != before.keys():
        return "wrong: the output is gone or another"
    same = state(output) == before
    return f"{writing}{number.name}: {'same bytes' if same else 'other bytes'}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    kills = parser.parse_args().kills
    from tests.faults.case import good_files

    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as made:
        lasted = {}
        for verb, line in LINES.items():
            folder = Path(made, verb)
            folder.mkdir()
            good_files(folder)
            began = time.monotonic()
            assert start(folder, line).wait(120) == 0, verb
            lasted[verb] = time.monotonic() - began
        random = Random(0)
        for number in range(kills):
            verb = list(LINES)[number % len(LINES)]
            at = random.random() * lasted[verb] if number // len(LINES) % 2 else None
            counts[kill(Path(made, verb), verb, SIGNALS[number % len(SIGNALS)], at)] += 1
        for verb, line in LINES.items():
            folder = Path(made, verb)
            output = folder / OUTPUTS.get(verb, "out.tif")
            before = state(output)
            assert start(folder, line).wait(120) == 0, verb
            counts[f"after all, {verb} gives the same bytes: {state(output) == before}"] += 1
            if drafts(folder):
                counts["wrong: the next run left drafts"] += 1
    for what, count in sorted(counts.items()):
        print(f"{count:5}  {what}")
    return 1 if any(what.startswith("wrong") for what in counts) else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
