"""How long it takes until odd or bad input is refused, over the corpus.

    python tests/faults/seconds.py [KIND ...]

All refused cases are run one after the other in this process; of each kind the slowest is run
once more in a process of its own, as a user would, with the start of Python. Processor seconds do not
depend on what else the machine does, wall seconds do.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 3.0


def processor() -> float:
    """Seconds of this process and of those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> int:
    from geoseg.cli.main import run
    from tests.faults.case import Case, good_files
    from tests.faults.corpus import KINDS

    shown = os.fdopen(os.dup(1), "w")
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    slowest = 0.0
    print("| kind | refused | median s | slowest s | alone: wall s | cpu s | which |", file=shown)
    with tempfile.TemporaryDirectory() as made:
        good = Path(made, "good")
        good.mkdir()
        good_files(good)

        def prepared(case: Case) -> Path:
            folder = Path(tempfile.mkdtemp(dir=made))
            shutil.copytree(good, folder, dirs_exist_ok=True)
            case.make(folder)
            os.chdir(folder)
            return folder

        for kind, cases in KINDS.items():
            if sys.argv[1:] and kind not in sys.argv[1:]:
                continue
            took = []
            for case in cases:
                if case.code in (0, 9):
                    continue
                prepared(case)
                began = processor()
                run(case.arguments)
                took.append((processor() - began, case.name, case))
            took.sort(key=lambda each: each[0])
            most, name, case = took[-1]
            folder = prepared(case)
            began, wall = processor(), time.monotonic()
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            command = [sys.executable, "-m", "geoseg", *case.arguments]
            subprocess.run(command, cwd=folder, env=environment, check=False)
            alone = time.monotonic() - wall
            used = processor() - began
            slowest = max(slowest, used)
            print(
                f"| {kind} | {len(took)} | {took[len(took) // 2][0]:.2f} | {most:.2f} "
                f"| {alone:.2f} | {used:.2f} | {name} |",
                file=shown,
                flush=True,
            )
        os.chdir(ROOT)
    return 1 if slowest > LIMIT else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
