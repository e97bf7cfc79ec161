"""Commands killed at any moment: the old output or the new one stays, whole each time.

    python tests/faults/kills.py --kills 200

SIGINT, SIGTERM and SIGKILL in turn, half of them while a draft of the output is there. Each run is
to replace an output by a different one:

    out.tif of --threshold 0.4    ->  run with --threshold 0.6, killed  ->  which of the two is it?

Both are known by their bytes, so that a third thing, or nothing, is seen. In the end each command
is run once more: it gives the bytes that it gave before, and removes what killed runs left.
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
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
TRAIN = "train chips --arch linknet --weights none --epochs 1 --batch-size 2 --crop 32 --samples 4"
# Verb: its output, and two lines that do not give the same
LINES = {
    "extract": ("out.gpkg", "extract scene.tif -m model.onnx", "--min-area 1", "--min-area 40"),
    "predict": ("out.tif", "predict scene.tif -m model.onnx", "--overlap 8", "--overlap 16"),
    "tile": ("out", "tile scene.tif", "--size 64", "--size 48"),
    "rasterize": (
        "out.tif", "rasterize footprints.geojson --like scene.tif", "--value 1", "--value 2"
    ),
    "polygonize": ("out.fgb", "polygonize mask.tif", "--min-area 1", "--min-area 40"),
    "train": ("out.safetensors", TRAIN, "--seed 1", "--seed 2"),
}  # fmt: skip
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}
ENVIRONMENT = {"SOURCE_DATE_EPOCH": "1700000000", "PYTHONPATH": str(ROOT)}
PATIENCE = 120.0  # seconds for one run, on a busy machine
# Seconds after the draft has appeared within which a run is killed that is writing
WRITING = 0.05

State = dict[str, bytes]


def state(path: Path) -> State:
    """The bytes of an output, file or folder; none where it is not there."""
    if path.is_dir():
        return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}
    return {path.name: path.read_bytes()} if path.exists() else {}


def start(folder: Path, line: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "geoseg", *line.split(), "--quiet"]
    return subprocess.Popen(
        command, cwd=folder, env=os.environ | ENVIRONMENT, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


@dataclass
class Trial:
    """A verb in a folder of its own. ``lasted`` are the seconds of its last whole run, ``known``
    the states that its two lines give.
    """

    verb: str
    folder: Path
    lasted: float = 0.0
    known: list[State] = field(default_factory=list)

    @property
    def output(self) -> Path:
        return self.folder / LINES[self.verb][0]

    def line(self, which: int) -> str:
        name, line, *options = LINES[self.verb]
        return f"{line} {options[which]} -o {name} --overwrite"

    def run(self, which: int) -> State:
        """The output of a run that nobody disturbs."""
        began = time.monotonic()
        process = start(self.folder, self.line(which))
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, (self.verb, err)
        self.lasted = time.monotonic() - began
        return state(self.output)

    def drafts(self) -> set[Path]:
        """Those of the output, and of what lies in a folder beside it."""
        return {
            path
            for path in self.folder.rglob(".*")
            if ".partial" in path.name or ".old" in path.name
        }

    def is_writing(self, process: int) -> bool:
        """Whether ``process`` has begun a draft of the output itself."""
        stem, ending = f".{self.output.stem}.partial-", f"-{process}{self.output.suffix}"
        names = [path.name for path in self.folder.iterdir()]
        return any(name.startswith(stem) and name.endswith(ending) for name in names)

    def kill(self, number: signal.Signals, at: float | None, delay: float) -> str | None:
        """Kill a run ``at`` seconds after its start, or ``delay`` seconds after it begins to write;
        what came of it, or None where it had ended before.
        """
        before = self.drafts()
        here = state(self.output)
        process = start(self.folder, self.line(1 - self.known.index(here)))
        began = time.monotonic()
        while process.poll() is None:
            if at is not None and time.monotonic() - began >= at:
                break
            if at is None and self.is_writing(process.pid):
                time.sleep(delay)
                break
            time.sleep(0.0005)
        if process.poll() is not None:
            process.communicate()
            return None
        process.send_signal(number)
        try:
            _, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return f"wrong: {self.verb} did not end by {number.name}"
        return self.judge(process.returncode, err, number, here, before)

    def judge(
        self, code: int, err: str, number: signal.Signals, here: State, before: set[Path]
    ) -> str:
        left = self.drafts() - before
        now = state(self.output)
        if number != signal.SIGKILL and left:
            return f"wrong: {self.verb}, {number.name}: left {sorted(map(str, left))}"
        if now not in self.known:
            return f"wrong: {self.verb}, {number.name}: neither the old nor the new output"
        if "Traceback" in err and "geoseg" not in err:
            return f"{number.name}: before geoseg was loaded: the old output"
        if "Traceback" in err:
            return f"wrong: {self.verb}, {number.name}: traceback: {err[-600:]}"
        # a run may be done in the moment in which it is killed
        if code not in (CODES[number], -number) and not (code == 0 and now != here):
            return f"wrong: {self.verb}, {number.name}: exit {code}: {err[-300:]}"
        return f"{number.name}: {'the old output' if now == here else 'the new output'}"


def trials(folder: Path) -> list[Trial]:
    """One a verb, with both of its states, and the first of them in place."""
    from tests.faults.case import good_files

    made = []
    for verb in LINES:
        trial = Trial(verb, folder / verb)
        trial.folder.mkdir()
        good_files(trial.folder)
        if verb == "train":
            line = (
                "tile scene.tif -o chips --size 48 --labels footprints.geojson --split 0.8,0.1,0.1"
            )
            assert start(trial.folder, line).wait(PATIENCE) == 0
        trial.known = [trial.run(1), trial.run(0)][::-1]
        assert trial.known[0] != trial.known[1], f"{verb}: both lines give the same"
        made.append(trial)
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    kills = parser.parse_args().kills
    counts: Counter[str] = Counter()
    random = Random(0)
    with tempfile.TemporaryDirectory() as made:
        tried = trials(Path(made))
        number = 0
        while number < kills:
            # verbs in turn; each meets every signal, at any moment and while it writes
            turn, which = divmod(number, len(tried))
            trial = tried[which]
            writing = turn % 2 == 1
            at = None if writing else random.random() * trial.lasted
            came = trial.kill(SIGNALS[turn // 2 % len(SIGNALS)], at, random.random() * WRITING)
            if came is None:
                counts["(ended before the signal, tried again)"] += 1
                continue
            counts[f"writing, {came}" if writing else came] += 1
            if "wrong" in came:
                print(came, flush=True)
            number += 1
        for trial in tried:
            same = trial.run(0) == trial.known[0]
            counts[f"{'' if same else 'wrong: '}{trial.verb} run again: same bytes {same}"] += 1
            if left := trial.drafts():
                counts[f"wrong: the next run left {sorted(map(str, left))}"] += 1
    for what, count in sorted(counts.items()):
        print(f"{count:5}  {what}")
    return 1 if any("wrong" in what for what in counts) else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
