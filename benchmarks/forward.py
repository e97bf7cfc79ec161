"""A model's forward passes over as many windows as a scene has, and nothing else.

python benchmarks/forward.py MODEL.onnx --windows 81 --size 1024 --precision bf16 --to passes.jsonl

The runtime is the one that `geoseg extract` opens; the pixels are random, the same in every window.
A line of JSON is added to the file: seconds of each pass and CPU seconds of all of them, without
what comes before, which the whole process has as well.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from geoseg.inference.runtimes import open_runtime
from geoseg.specs import PredictSpec


def passes(model: Path, precision: str, count: int, size: int) -> dict[str, object]:
    """Seconds of ``count`` windows of ``size`` pixels, one batch after the other."""
    run = open_runtime(model, PredictSpec(tile_size=size, precision=precision), size)
    if run.size != size:
        sys.exit(f"{model}: takes windows of {run.size} pixels, not of {size}")
    side = run.size + 2 * run.border
    image = np.random.default_rng(0).random((run.spec.bands, side, side), np.float32)
    batch = np.repeat(image[None], run.batch, axis=0)
    seconds = []
    before = time.process_time()
    for first in range(0, count, run.batch):
        start = time.perf_counter()
        run(batch[: count - first])
        seconds.append(time.perf_counter() - start)
    cpu = time.process_time() - before
    return {"runtime": run.name, "side": side, "seconds": seconds, "cpu": cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--windows", type=int, default=81)
    parser.add_argument("--size", type=int, default=1024, help="pixels a side of the windows")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--to", type=Path, required=True, help="file that a line is added to")
    options = parser.parse_args()
    found = passes(options.model, options.precision, options.windows, options.size)
    with options.to.open("a") as file:
        print(json.dumps(found), file=file)


if __name__ == "__main__":
    main()
