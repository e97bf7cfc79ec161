"""Many scenes of which one in ten is broken: the others are done, the broken ones named, and memory
does not grow with their number.

    python tests/faults/batch.py --scenes 20 200
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# After the command, in its process: the most memory that it ever held, in MB
CODE = """
import resource, sys
from geoseg.cli.main import run
code = run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
sys.exit(code)
"""


@dataclass(frozen=True)
class Outcome:
    """Exit code, layers written, broken scenes that stderr and the report name, and megabytes."""

    code: int
    layers: int
    named: int
    reported: int
    megabytes: int
    seconds: float
    stray: int


def make(folder: Path, scenes: int) -> list[str]:
    """``scenes`` scenes, and the names of the tenth of them that is cut in the middle."""
    from tests.faults.case import good_files

    good_files(folder)
    whole = (folder / "scene.tif").read_bytes()
    broken = []
    (folder / "scenes").mkdir()
    for number in range(scenes):
        path = folder / "scenes" / f"s{number:03}.tif"
        shutil.copyfile(folder / "scene.tif", path)
        if number % 10 == 7:
            path.write_bytes(whole[: len(whole) // 2])
            broken.append(path.name)
    return broken


def measured(scenes: int) -> Outcome:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        broken = make(folder, scenes)
        line = "extract scenes -o out/ -m model.onnx --on-error skip --json"
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", CODE, *line.split()], cwd=folder, capture_output=True,
            text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        *_, report, megabytes = done.stdout.splitlines()
        written = {path.name for path in (folder / "out").iterdir()}
        layers = {f"{path.stem}.gpkg" for path in (folder / "scenes").iterdir()}
        layers -= {f"{Path(name).stem}.gpkg" for name in broken}
        failed = str(json.loads(report)["failed"])
        return Outcome(
            code=done.returncode,
            layers=len(written & layers),
            named=sum(name in done.stderr for name in broken),
            reported=sum(name in failed for name in broken),
            megabytes=int(megabytes),
            seconds=round(time.monotonic() - began, 1),
            stray=len(written - layers),
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, nargs="*", default=[20, 200])
    for scenes in parser.parse_args().scenes:
        print(scenes, "scenes:", measured(scenes), flush=True)
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
