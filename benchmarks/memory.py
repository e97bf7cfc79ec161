"""Peak memory of `geoseg predict` (or `extract`) against the size of the scene.

python benchmarks/memory.py --sizes 5000 20000
python benchmarks/memory.py --command extract --model red --sizes 8192 40000x3000 60000/8192 \\
    --options raw tile-size=512 --plot docs/figures/memory.png

A size is a side, or WIDTHxHEIGHT; /SIDE after it leaves data in a square of that side alone, in the
middle. Each run is a process of its own; its peak is what the operating system counted (resident
set, ru_maxrss). Scenes are the sample scene repeated. Without --model the WHU study's CNN with
random weights, run by torch; `red` is a network of one layer, beside which everything else shows,
and finds the roofs of scenes that are drawn for it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.io.raster.scene import open_scene
from geoseg.io.raster.write import create_raster

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "sample_data" / "scene.tif"
# Runs a command and prints the peak of its children, in kilobytes, and their CPU seconds, last on
# stderr
WATCHED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


@dataclass(frozen=True)
class Size:
    """Pixels across and down, and the side of the square in the middle that alone holds data; 0
    where there is data everywhere.
    """

    width: int
    height: int
    data: int = 0

    @classmethod
    def parse(cls, text: str) -> Size:
        sides, _, data = text.partition("/")
        width, _, height = sides.partition("x")
        return cls(int(width), int(height or width), int(data or 0))

    def __str__(self) -> str:
        part = f", data in {self.data} x {self.data}" if self.data else ""
        return f"{self.width} x {self.height}{part}"


@dataclass(frozen=True)
class Peak:
    """A run: megabytes at most, seconds by the clock and of all processors, and by stage."""

    size: str
    megapixels: float
    with_data: float
    peak: float
    wall: float
    cpu: float
    stages: dict[str, float]
    runtime: str


def make_scene(
    path: Path,
    size: int | Size,
    image: np.ndarray | None = None,
    corner: tuple[float, float] = (400_000, 5_600_000),
) -> None:
    """A scene of a side of ``size``, or of that ``size``, written strip by strip: the sample scene,
    or ``image`` uint8 (band, row, col), repeated; its upper left ``corner`` in metres.
    """
    size = Size(size, size) if isinstance(size, int) else size
    with open_scene(SAMPLE) as sample:
        if image is None:
            image = sample.read().image[:, 200:1700, 200:2200]  # inside of the ragged edge
        place = Affine(0.3, 0, corner[0], 0, -0.3, corner[1])
        grid = Grid(sample.grid.crs, place, size.height, size.width)
    width, height = (size.data or side for side in (size.width, size.height))
    left, top = (size.width - width) // 2, (size.height - height) // 2
    repeated = np.tile(image, (1, 1, width // image.shape[2] + 1))[:, :, :width]
    # of nodata nothing is stored
    sparse = {"nodata": 0, "options": {"sparse_ok": "YES"}} if size.data else {}
    with create_raster(path, grid, count=3, overwrite=True, **sparse) as out:
        for row in range(0, height, image.shape[1]):
            rows = min(image.shape[1], height - row)
            out.write(repeated[:, :rows], window=Window(left, top + row, width, rows))


def make_cnn(path: Path) -> None:
    from geoseg.models import modelfile
    from geoseg.models.registry import build
    from geoseg.specs import ModelSpec

    spec = ModelSpec("cnn")
    modelfile.save(path, spec, build(spec).state_dict())


def run(command: list[str], size: Size) -> Peak:
    """Run geoseg with ``command`` and count; stops the benchmark with its message where it
    fails.
    """
    called = [sys.executable, "-c", WATCHED, sys.executable, "-m", "geoseg", *command]
    done = subprocess.run(called, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    report = json.loads(done.stdout)
    *_, cpu, peak = done.stderr.split()
    pixels = size.width * size.height / 1e6
    return Peak(
        str(size),
        pixels,
        size.data**2 / 1e6 or pixels,
        int(peak) / 1024,
        report["seconds"],
        float(cpu),
        report["stages"],
        report["runtime"],
    )


def peaks(arguments: argparse.Namespace) -> Iterator[Peak]:
    """A run for each size, the scene of which is removed before the next is made."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        scene = folder / "scene.tif"
        model, image = arguments.model, None
        if model is None:
            make_cnn(model := folder / "cnn.safetensors")
        elif model == "red":
            sys.path.insert(0, str(ROOT))
            from tests.scenes import buildings, picture, red_model

            model = red_model(folder / "red.onnx")
            image = picture(buildings(1540, 1888, period=110))  # a house in 1,200 square metres
        output = folder / ("out.tif" if arguments.command == "predict" else "out.gpkg")
        for size in map(Size.parse, arguments.sizes):
            make_scene(scene, size, image)
            command = [arguments.command, str(scene), "-o", str(output), "-m", str(model)]
            command += ["--json", "--overwrite"]
            yield run([*command, *(f"--{option}" for option in arguments.options)], size)
            scene.unlink()


def plot(path: Path, runs: list[Peak]) -> None:
    """Peaks against the pixels of the scenes; those with little data are hollow."""
    from matplotlib.figure import Figure

    figure = Figure((6, 3), layout="constrained")
    axes = figure.add_subplot()
    below = Counter[float]()
    for one in sorted(runs, key=lambda run: -run.peak):
        sparse = one.with_data < one.megapixels
        axes.plot(one.megapixels, one.peak, "o", color="C0", mfc="none" if sparse else None)
        below[one.megapixels] += 1
        axes.annotate(
            one.size,
            (one.megapixels, one.peak),
            (0, -8 - 10 * below[one.megapixels] if sparse else 6),
            textcoords="offset points",
            ha="right" if sparse else "center",
            fontsize=7,
        )
    axes.set(xscale="log", xlabel="megapixels of the scene", ylabel="peak memory, MiB")
    axes.set(ylim=(0, 1.4 * max(one.peak for one in runs)))
    axes.margins(x=0.12)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--command", choices=["predict", "extract"], default="predict")
    parser.add_argument("--model", help="file, word of a bundled model, or `red`")
    parser.add_argument("--sizes", nargs="+", default=["5000", "20000"], metavar="SIZE")
    parser.add_argument(
        "--options",
        nargs="*",
        default=[],
        help="more for the command, without the leading dashes: tile-size=512",
    )
    parser.add_argument("--to", type=Path, help="JSON of the runs; those that it holds are kept")
    parser.add_argument("--plot", type=Path, help="PNG of all runs of the JSON")
    arguments = parser.parse_args()
    runs: list[Peak] = []
    if arguments.to and arguments.to.exists():
        runs = [Peak(**one) for one in json.loads(arguments.to.read_text())]
    for one in peaks(arguments):
        runs.append(one)
        stages = " ".join(f"{stage} {seconds:.0f}" for stage, seconds in one.stages.items())
        print(
            f"{one.size}: peak {one.peak:.0f} MiB ({one.peak / runs[0].peak:.2f}), "
            f"{one.wall:.0f} s, CPU {one.cpu:.0f} s ({stages}), {one.runtime}",
            flush=True,
        )
        if arguments.to:
            arguments.to.write_text(json.dumps([asdict(one) for one in runs], indent=1))
    if arguments.plot:
        plot(arguments.plot, runs)


if __name__ == "__main__":
    main()
