"""Mutated files, many thousands of them, in a process that is watched: crashes and hangs of the
libraries below count too.

    python tests/faults/fuzz.py --mutations 10000            headers of TIFFs
    python tests/faults/fuzz.py --mutations 10000 --others   footprints, models, chip indexes

Each is read by one command. The worker is one process for many cases, started again when it dies or
does not answer. What is wrong is printed with its seed and kept in the folder it names.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0  # seconds for one case, on a busy machine
DOCUMENTED = {0, 2, 3, 4, 5, 6, 7, 8, 9}


class Worker:
    """A process that runs commands one after the other."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def run(self, folder: Path, arguments: list[str]) -> tuple[int | str, str]:
        """Exit code and stderr; "hang" or the signal that ended the process in place of a code."""
        if self.process is None:
            command = [sys.executable, __file__, "--worker"]
            environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
        process = self.process
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps([str(folder), arguments]) + "\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if selector.select(PATIENCE) else "hang"
        if line.startswith("["):
            code, err = json.loads(line)
            return code, err
        self.stop()
        return line or f"signal {-process.returncode}", ""

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def serve() -> None:
    """What the worker does: a folder and arguments a line in, exit code and stderr a line out."""
    from geoseg.cli.main import run

    answers = os.fdopen(os.dup(1), "w")
    stderr = tempfile.TemporaryFile()  # noqa: SIM115
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(stderr.fileno(), 2)
    for line in sys.stdin:
        folder, arguments = json.loads(line)
        os.chdir(folder)
        stderr.seek(0)
        stderr.truncate()
        code = run(arguments)
        sys.stderr.flush()
        stderr.seek(0)
        answers.write(json.dumps([code, stderr.read().decode("utf-8", "replace")]) + "\n")
        answers.flush()


def problem(code: int | str, err: str, before: set[str], folder: Path) -> str | None:
    """What is wrong with the end of a case."""
    if code not in DOCUMENTED:
        return f"exit {code}"
    if "Traceback" in err:
        return "traceback"
    left = {str(path.relative_to(folder)) for path in folder.rglob("*")} - before
    if left and (code not in (0, 9) or any(".partial" in name for name in left)):
        return f"left {sorted(left)}"
    return None


def cases(count: int, first: int, others: bool, folder: Path) -> Iterator[tuple[int, str, str]]:
    """Number, line and name of each mutated file, written into ``folder``."""
    from tests.faults.mutations import drawn, other_seeds, tiff_seeds

    with tempfile.TemporaryDirectory() as made:
        seeds = (other_seeds if others else tiff_seeds)(Path(made))
    for number in range(first, first + count):
        random = Random(number)
        seed = seeds[number % len(seeds)]
        seed.write(folder, drawn(random))
        line = random.choice(seed.lines)
        yield number, line.format(seed.name), seed.name


def fuzz(count: int, first: int, others: bool) -> tuple[Counter[str], list[str]]:
    """Counts by what came of each case, and what was wrong."""
    from tests.faults.case import good_files

    counts: Counter[str] = Counter()
    wrong = []
    worker = Worker()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        good_files(folder)
        kept = {path.name for path in folder.iterdir()}
        for number, line, name in cases(count, first, others, folder):
            before = {str(path.relative_to(folder)) for path in folder.rglob("*")}
            code, err = worker.run(folder, line.split())
            counts[f"exit {code}" if isinstance(code, int) else code] += 1
            if any(not part.startswith(("Error: ", "Warning: ")) for part in err.splitlines()):
                counts["lines of libraries on stderr"] += 1
            if what := problem(code, err, before, folder):
                copy = Path(tempfile.mkdtemp(prefix=f"fuzz-{number}-"), Path(name).name)
                shutil.copy(folder / name, copy)
                wrong.append(f"{number}: {line}: {what}: {err.strip()[-300:]} (kept as {copy})")
            for path in folder.iterdir():
                if path.name not in kept:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
    worker.stop()
    return counts, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first one")
    parser.add_argument("--others", action="store_true", help="all that are no TIFFs")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        serve()
        return 0
    counts, wrong = fuzz(options.mutations, options.first, options.others)
    for what, count in sorted(counts.items()):
        print(f"{count:7,}  {what}")
    print("\n".join([f"{len(wrong):7,}  wrong", *wrong]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
