"""`geoseg extract` against its model's forward passes alone, those against what the cores convolve,
and against GeoDeep.

python benchmarks/extract.py MODEL.onnx --size 8192 --rounds 3 --precision bf16 fp32
python benchmarks/extract.py MODEL.onnx --geodeep venv/bin/geodeep

The scene is the sample scene repeated. Of each precision, in turn A B A B: the convolutions of
convolution.py, the passes of forward.py over as many windows as the scene has, `extract` with
traced pixels (--raw --separate none) and by default. With --geodeep, the path of that program in
an environment of its own (`pip install geodeep`; with scipy beside it, it is faster), both find
buildings in another scene and write GeoJSON: GeoDeep; `extract` in fp32 with the windows and the
overlap that the model's file names for GeoDeep, with traced pixels, as GeoDeep writes them, and
parted and straightened, which GeoDeep cannot; `extract` by default.

The goals are G1, G2, G3 and G9 of docs/performance.md; --json keeps every run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
from convolution import operations
from memory import make_scene
from pairs import GEOSEG, Run, Way, alternate

from geoseg.core.tiling import tile_count
from geoseg.models.metadata import onnx_metadata
from geoseg.models.store import model_path, read_spec
from geoseg.specs import TilingSpec

HERE = Path(__file__).parent
LIMIT, PASSES, TRACED, WHOLE = (
    "convolutions",
    "forward passes",
    "extract --raw --separate none",
    "extract",
)
MOST = {"fp32": 1.10, "bf16": 1.15}  # of the forward passes
SAME = "extract, GeoDeep's windows, fp32"
ALIKE = "extract --raw --separate none, GeoDeep's windows, fp32"


@dataclass(frozen=True)
class Goal:
    """A row of the table: what was measured, its limit, and whether it is kept."""

    name: str
    what: str
    limit: str
    measured: str
    met: bool


@dataclass
class Found:
    """All runs by title, what their processes noted, and the goals."""

    runs: dict[str, list[Run]] = field(default_factory=dict)
    notes: dict[str, list[Any]] = field(default_factory=dict)
    goals: list[Goal] = field(default_factory=list)


def extract(scene: Path, output: Path, model: Path, *more: str) -> Way:
    return Way([*GEOSEG, "extract", scene, "-o", output, "-m", model, *more], output)


def plan(way: Way) -> tuple[int, int]:
    """How many windows ``extract`` would use, and their pixels a side."""
    command = [*map(str, way.command), "--dry-run", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    scene = json.loads(done.stdout)["plan"][0]
    return scene["windows"], scene["window"]


def script(name: str, notes: Path, *arguments: object) -> Way:
    """A script beside this one, which adds a line to ``notes`` and writes nothing else."""
    command = [sys.executable, HERE / name, *map(str, arguments), "--to", notes]
    return Way(command, notes.with_suffix(".none"))


def lines(path: Path) -> list[Any]:
    """What the counted rounds noted; the first is not counted."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()][1:]


def middle(values: Iterable[float]) -> float:
    return statistics.median(list(values))


# G1, G2, G3


def against_passes(
    scene: Path, size: int, model: Path, precision: str, rounds: int, seconds: float, found: Found
) -> None:
    folder = scene.parent
    limits, passes = (folder / f"{name}_{precision}.jsonl" for name in ("limits", "passes"))
    wanted = ("--precision", precision)
    whole = extract(scene, folder / "whole.gpkg", model, *wanted)
    count, side = plan(whole)
    ways = {
        LIMIT: script("convolution.py", limits, *wanted, "--seconds", seconds),
        PASSES: script("forward.py", passes, model, *wanted, "--windows", count, "--size", side),
        TRACED: extract(
            scene, folder / "traced.gpkg", model, *wanted, "--raw", "--separate", "none"
        ),
        WHOLE: whole,
    }
    runs = alternate(ways, rounds)
    noted, rates = lines(passes), lines(limits)
    found.runs |= {f"{name}, {precision}": own for name, own in runs.items() if name != LIMIT}
    found.notes |= {f"{PASSES}, {precision}": noted, f"{LIMIT}, {precision}": rates}
    print(f"{noted[0]['runtime']}: {count} windows of {side} pixels, {size} x {size}", flush=True)
    for name in (TRACED, WHOLE):
        found.goals += beyond(f"{name}, {precision}", MOST[precision], size, runs, noted, name)
    each = operations(model, read_spec(model).bands, noted[0]["side"])
    found.goals.append(convolved(precision, each, noted, rates))


def beyond(
    title: str,
    most: float,
    size: int,
    runs: Mapping[str, list[Run]],
    passes: list[Any],
    name: str,
) -> Iterator[Goal]:
    """G1, by the processes, and G2: what is not a forward pass, the start included."""
    ratio = middle(a.wall / b.wall for a, b in zip(runs[name], runs[PASSES], strict=True))
    processors = middle(a.cpu / b.cpu for a, b in zip(runs[name], runs[PASSES], strict=True))
    yield Goal(
        "G1",
        f"{title}: of the process of its passes",
        f"<= {most:.2f}",
        f"{ratio:.2f} (CPU {processors:.2f})",
        ratio <= most,
    )
    allowed = 0.015 * size**2 / 1e6 + 1.5
    rest = middle(a.wall - sum(b["seconds"]) for a, b in zip(runs[name], passes, strict=True))
    work = middle(a.cpu - b["cpu"] for a, b in zip(runs[name], passes, strict=True))
    start = middle(a.wall - sum(b["seconds"]) for a, b in zip(runs[PASSES], passes, strict=True))
    yield Goal(
        "G2",
        f"{title}: all but its passes",
        f"<= {allowed:.1f} s",
        f"{rest:.1f} s, CPU {work:.1f} s (of these the passes' own start {start:.1f} s)",
        max(rest, work) <= allowed,
    )


def convolved(precision: str, each: int, passes: list[Any], rates: list[Any]) -> Goal:
    """G3, from operations ``each`` window takes, against the faster library of the same round."""
    most = [max(rate.values()) for rate in rates]
    whole = [each * len(one["seconds"]) / sum(one["seconds"]) / 1e9 for one in passes]
    best = [each / min(one["seconds"]) / 1e9 for one in passes]
    share = middle(a / b for a, b in zip(whole, most, strict=True))
    fastest = middle(a / b for a, b in zip(best, most, strict=True))
    by = ", ".join(f"{name} {middle(rate[name] for rate in rates):.0f}" for name in rates[0])
    return Goal(
        "G3",
        f"passes, {precision}, of {each / 1e9:.1f} GFLOP a window, to convolutions alone",
        ">= 0.85",
        f"{share:.2f}: {middle(whole):.0f} GFLOP/s ({by}); fastest window {fastest:.2f}",
        share >= 0.85,
    )


# G9


def against_geodeep(
    scene: Path, size: int, model: Path, programs: list[Path], rounds: int, found: Found
) -> None:
    folder = scene.parent
    named = onnx_metadata(model)
    side = int(named["tiles_size"])
    overlap = int(side * float(named.get("tiles_overlap", 5)) / 100)
    windows = ("--tile-size", str(side), "--overlap", str(overlap), "--precision", "fp32")
    ways = {
        ALIKE: extract(
            scene, folder / "alike.geojson", model, *windows, "--raw", "--separate", "none"
        ),
        SAME: extract(scene, folder / "same.geojson", model, *windows),
        WHOLE: extract(scene, folder / "default.geojson", model),
    }
    for number, program in enumerate(programs):
        output = folder / f"geodeep{number}.geojson"
        command = [program, "--classes", "building", "--quiet", "-o", output, scene, model]
        # the interpreter is another, which must not see our packages
        name = f"GeoDeep of {program.parents[1].name}"
        ways[name] = Way(command, output, {"PYTHONPATH": ""})
    runs = alternate(ways, rounds)
    found.runs |= {f"{name}, {size} x {size}": own for name, own in runs.items()}
    theirs = tile_count((size, size), TilingSpec(side, overlap))
    print(f"\nwindows of {side}: {theirs} of GeoDeep, {plan(ways[SAME])[0]} of ours; buildings:")
    for name, way in ways.items():
        layer = gpd.read_file(way.output).to_crs(32633)
        print(f"{name}: {len(layer)}, {layer.area.sum():.0f} m2", flush=True)
    for name in list(ways)[3:]:
        found.goals += faster(runs, name)


def faster(runs: Mapping[str, list[Run]], theirs: str) -> Iterator[Goal]:
    for ours, least in ((ALIKE, 1.1), (SAME, 1.1), (WHOLE, 2.5)):
        pairs = list(zip(runs[theirs], runs[ours], strict=True))
        wall = middle(a.wall / b.wall for a, b in pairs)
        cpu = middle(a.cpu / b.cpu for a, b in pairs)
        measured = f"{wall:.2f} times (CPU {cpu:.2f})"
        yield Goal("G9", f"{ours}: faster than {theirs}", f">= {least}", measured, wall >= least)
        peak = max(b.peak for _, b in pairs) / max(a.peak for a, _ in pairs)
        what = f"{ours}: memory of that of {theirs}"
        yield Goal("G9", what, "<= 0.75", f"{peak:.2f}", peak <= 0.75)


def show(found: Found, model: Path, rounds: int) -> None:
    load = os.getloadavg()[0]
    print(f"\n{model.name}; medians of {rounds} rounds, {os.cpu_count()} cores, load {load:.1f}\n")
    print("| process | wall s | CPU s | peak MB |\n| --- | --- | --- | --- |")
    for name, own in found.runs.items():
        wall, cpu = (middle(getattr(run, what) for run in own) for what in ("wall", "cpu"))
        print(f"| {name} | {wall:.1f} | {cpu:.1f} | {max(run.peak for run in own):.0f} |")
    print("\n| | | limit | measured | met |\n| --- | --- | --- | --- | --- |")
    for goal in found.goals:
        met = "yes" if goal.met else "**no**"
        print(f"| {goal.name} | {goal.what} | {goal.limit} | {goal.measured} | {met} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="ONNX file, or the word of a bundled model")
    parser.add_argument("--size", type=int, default=8192, help="of the scene of G1 to G3")
    parser.add_argument("--rounds", type=int, default=3)
    precisions = {"nargs": "*", "default": ["bf16", "fp32"], "choices": tuple(MOST)}
    parser.add_argument("--precision", **precisions, help="none: only GeoDeep")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each kind of convolution")
    parser.add_argument("--geodeep", nargs="+", type=Path, default=[], metavar="PROGRAM")
    parser.add_argument("--geodeep-size", type=int, default=4096, help="of the scene of G9")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model, found = model_path(options.model), Found()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        scene, smaller = Path(name) / "scene.tif", Path(name) / "smaller.tif"
        if options.precision:
            make_scene(scene, options.size)
        how = options.rounds, options.seconds, found
        for precision in options.precision:
            against_passes(scene, options.size, model, precision, *how)
        if options.geodeep:
            make_scene(smaller, options.geodeep_size)
            programs = [program.absolute() for program in options.geodeep]
            against_geodeep(smaller, options.geodeep_size, model, programs, options.rounds, found)
    show(found, model, options.rounds)
    if options.json:
        options.json.write_text(json.dumps(vars(options) | asdict(found), indent=1, default=str))


if __name__ == "__main__":
    main()
