"""Peak memory of `geoseg predict` (or `extract`) against the size of the scene.

python benchmarks/memory.py --sizes 5000 20000
python benchmarks/memory.py --command extract --model geoseg/weights/default.onnx --sizes 8192 20000

Each run is a process of its own; its peak is what the operating system counted (resident set,
ru_maxrss). Scenes are the sample scene repeated. Without --model the WHU study's CNN with random
weights, run by torch.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from affine import Affine
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.io.raster.scene import open_scene
from geoseg.io.raster.write import create_raster

SAMPLE = Path(__file__).resolve().parents[1] / "sample_data" / "scene.tif"
# Runs a command and prints the peak of its children, in kilobytes, last on stderr
WATCHED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def make_scene(path: Path, size: int) -> None:
    """A scene of ``size`` x ``size`` pixels, written strip by strip."""
    with open_scene(SAMPLE) as sample:
        image = sample.read().image[:, 200:1700, 200:2200]  # inside of the ragged edge
        grid = Grid(sample.grid.crs, Affine(0.3, 0, 400_000, 0, -0.3, 5_600_000), size, size)
    repeated = np.tile(image, (1, 1, size // image.shape[2] + 1))[:, :, :size]
    with create_raster(path, grid, count=3, overwrite=True) as out:
        for row in range(0, size, image.shape[1]):
            height = min(image.shape[1], size - row)
            out.write(repeated[:, :height], window=Window(0, row, size, height))


def make_cnn(path: Path) -> None:
    from geoseg.models import modelfile
    from geoseg.models.registry import build
    from geoseg.specs import ModelSpec

    spec = ModelSpec("cnn")
    modelfile.save(path, spec, build(spec).state_dict())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--command", choices=["predict", "extract"], default="predict")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[5000, 20000])
    parser.add_argument(
        "--options",
        nargs="*",
        default=[],
        help="more for the command, without the leading dashes: tile-size=512",
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        model = arguments.model
        if model is None:
            make_cnn(model := folder / "cnn.safetensors")
        first = None
        for size in arguments.sizes:
            make_scene(folder / "scene.tif", size)
            output = folder / ("out.tif" if arguments.command == "predict" else "out.gpkg")
            command = [
                sys.executable,
                "-m",
                "geoseg",
                arguments.command,
                str(folder / "scene.tif"),
                "-o",
                str(output),
            ]
            command += [
                "-m",
                str(model),
                "--json",
                "--overwrite",
                *(f"--{option}" for option in arguments.options),
            ]
            done = subprocess.run(
                [sys.executable, "-c", WATCHED, *command],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                sys.exit(done.stderr)
            report = json.loads(done.stdout)
            peak = int(done.stderr.split()[-1]) / 1024
            first = first or peak
            stages = " ".join(
                f"{stage} {seconds:.0f}" for stage, seconds in report["stages"].items()
            )
            print(
                f"{size} x {size}: peak {peak:.0f} MB ({peak / first:.2f}), "
                f"{report['seconds']:.0f} s ({stages}), {report['runtime']}"
            )


if __name__ == "__main__":
    main()
