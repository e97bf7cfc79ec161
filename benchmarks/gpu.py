"""All that needs a GPU, in one go: bash benchmarks/gpu.sh --output table.md [--minutes 4]

What the card can do at most; the bundled model's pure forward in bf16 and fp32; `geoseg extract` and
`predict` through torch over a generated scene, as whole processes and in this one, against that
forward over the same windows; memory that runs out; the batch finder; training with and without
compile against a bare loop; with --work the recipe of the bundled model. One table, written after
each step, so that it is there too when time runs out. A step that fails gives its reason in the
table.

--device cpu --tiny runs the same code on small pictures, whose figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from gpu_table import TINY, Bench, Sizes, little_memory
from gpu_training import (
    batch_finder,
    recipe_of_the_bundled_model,
    training_as_it_comes,
    training_compiled,
    training_in_little_memory,
)
from pairs import GEOSEG, WATCHED
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

import geoseg
from geoseg.inference.session import LoadedModel, SceneRun
from geoseg.inference.torch_runtime import autocast_dtype
from geoseg.models.registry import load_weights, rebuild
from geoseg.models.store import bundled, load
from geoseg.parallel.clock import Clock
from geoseg.report import no_progress
from geoseg.specs import ModelSpec, PredictSpec

ROOT = Path(__file__).resolve().parents[1]
TRILLION, MILLION = 1e12, 1e6


# What the card can do, and the network alone


def limits_of_the_card(bench: Bench) -> None:
    device, side = bench.device, bench.sizes.matrix
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    with torch.inference_mode():
        product = bench.rate(lambda: left @ right) * 2 * side**3
        bench.add(f"bf16 product of matrices of {side}", f"{product / TRILLION:.1f} TFLOP/s")
        small = bench.sizes.matrix // 64
        for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
            image = torch.randn(16, 256, small, small, device=device, dtype=dtype)
            image = image.to(memory_format=torch.channels_last)
            kernel = torch.randn(256, 256, 3, 3, device=device, dtype=dtype)
            kernel = kernel.to(memory_format=torch.channels_last)
            operations = 2 * 16 * small**2 * 256 * 256 * 9

            def convolve(image: torch.Tensor = image, kernel: torch.Tensor = kernel) -> object:
                return F.conv2d(image, kernel, padding=1)

            bench.limit[precision] = bench.rate(convolve) * operations
            figure = f"{bench.limit[precision] / TRILLION:.1f} TFLOP/s"
            bench.add(f"{precision} convolution, 256 channels, 3 x 3", figure)
    if device.type == "cuda":
        host = torch.empty(256 * 2**20, dtype=torch.uint8, pin_memory=True)
        there = torch.empty_like(host, device=device)
        to, back = (
            bench.rate(lambda a=a, b=b: a.copy_(b, non_blocking=True)) * len(host) / 1e9
            for a, b in ((there, host), (host, there))
        )
        bench.add("pinned memory, to the card and back", f"{to:.1f}, {back:.1f} GB/s")


def network_of(bench: Bench) -> tuple[nn.Module, ModelSpec]:
    spec, state = load(bundled())
    network = rebuild(spec, "bundled")
    load_weights(network, state, "bundled")
    return network.eval().to(bench.device).to(memory_format=torch.channels_last), spec


def pure_forward(bench: Bench) -> None:
    network, spec = network_of(bench)
    for precision in ("bf16", "fp32"):
        loaded = LoadedModel(None, predict_spec(bench, precision))
        with loaded.open(str(bench.scene), None) as run:
            batch, size = run.runtime.batch, run.runtime.size
        images = torch.rand(batch, spec.bands, size, size, device=bench.device)
        images = images.to(memory_format=torch.channels_last)
        dtype = autocast_dtype(precision, bench.device)

        def forward(images: torch.Tensor = images, dtype: torch.dtype | None = dtype) -> object:
            with torch.autocast(bench.device.type, dtype or torch.bfloat16, enabled=bool(dtype)):
                return network(images)

        with torch.inference_mode():
            with FlopCounterMode(display=False) as counter:
                forward()
            rate = bench.rate(forward)
        bench.forward[precision] = rate * batch * size**2 / MILLION
        share = rate * counter.get_total_flops() / bench.limit[precision]
        bench.add(
            f"pure forward, {precision}",
            f"{bench.forward[precision]:.0f} Mpx/s",
            f"{share:.2f} of the convolution",
            f"batch found: {batch} windows of {size}",
        )


# Scenes


def predict_spec(bench: Bench, precision: str) -> PredictSpec:
    return PredictSpec(
        tile_size=bench.sizes.window,
        device=str(bench.device),
        runtime="torch",
        precision=precision,  # type: ignore[arg-type]
    )


def options(bench: Bench, precision: str) -> list[str]:
    window = bench.sizes.window
    return [
        *("--device", str(bench.device), "--runtime", "torch", "--precision", precision),
        *(("--tile-size", str(window)) if window else ()),
        *("--overwrite", "--json"),
    ]


@contextmanager
def opened(bench: Bench, precision: str) -> Iterator[tuple[SceneRun, float]]:
    """The scene, and the megapixels of its windows."""
    loaded = LoadedModel(None, predict_spec(bench, precision))
    with loaded.open(str(bench.scene), None) as run:
        yield run, run.plan.tiles * run.runtime.size**2 / MILLION


def beside_forward(
    bench: Bench, what: str, precision: str, seconds: float, megapixels: float, note: str
) -> None:
    ratio = ""
    if precision in bench.forward:
        ratio = f"{megapixels / bench.forward[precision] / seconds:.2f} of forward"
    bench.add(f"{what}, {precision}", f"{seconds:.2f} s", ratio, note)


def windows_of_a_scene(bench: Bench) -> None:
    """Read, forward, blended: what predict and extract share."""
    for precision in ("bf16", "fp32"):
        with opened(bench, precision) as (run, megapixels):
            for _ in range(2):  # the first fills caches
                clock = Clock()
                start = time.perf_counter()
                for _ in run.strips(clock, no_progress):
                    pass
                seconds = time.perf_counter() - start
        beside_forward(
            bench,
            "windows read, computed, blended",
            precision,
            seconds,
            megapixels,
            listed(clock.seconds),
        )


def listed(stages: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.2f}" for name, seconds in stages.items())


def extract_in_this_process(bench: Bench) -> None:
    for precision in ("bf16", "fp32"):
        with opened(bench, precision) as (_, megapixels):
            pass
        report = geoseg.extract(
            bench.scene,
            bench.folder / "found.parquet",
            device=str(bench.device),
            runtime="torch",
            precision=precision,
            tile_size=bench.sizes.window,
            overwrite=True,
        )
        note = f"{report.footprints} footprints; {listed(report.stages)}"
        what = "extract in this process"
        beside_forward(bench, what, precision, report.seconds, megapixels, note)


def whole_processes(bench: Bench) -> None:
    with opened(bench, "bf16") as (_, megapixels):
        pass
    for verb, name in (("extract", "found.parquet"), ("predict", "found.tif")):
        kept = bench.folder / "report.json"
        command = [*GEOSEG, verb, str(bench.scene), "-o", str(bench.folder / name)]
        # its report goes to a file, for who watches it prints too
        command = ["sh", "-c", 'exec "$@" > "$0"', str(kept), *command, *options(bench, "bf16")]
        done = subprocess.run(
            [sys.executable, "-c", WATCHED, *command],
            capture_output=True,
            text=True,
            check=True,
            timeout=max(10, bench.left),
        )
        seconds, _, most, code, message = json.loads(done.stdout)
        if code:
            raise RuntimeError(message.strip().splitlines()[-1])
        report = json.loads(kept.read_text())
        note = f"peak {most:.0f} MB; {report['seconds']:.1f} s of it: {listed(report['stages'])}"
        what = f"geoseg {verb}, whole process"
        beside_forward(bench, what, "bf16", seconds, megapixels, note)


# Memory that runs out


def memory_that_runs_out(bench: Bench) -> None:
    with opened(bench, "bf16") as (run, _):
        batch, size = run.runtime.batch, run.runtime.size
        images = np.zeros((batch, run.runtime.spec.bands, size, size), np.uint8)
        whole = peak(bench, lambda: run.runtime(images))
        with little_memory(bench, whole / 2):
            for _ in run.strips(Clock(), no_progress):
                pass
        figure = f"{batch} to {run.runtime.batch} windows"
    what = f"a scene in {whole / 2e9:.2f} GB of the card instead of {whole / 1e9:.2f}, batch"
    bench.add(what, figure, "", "went on to its end")


def peak(bench: Bench, call: Callable[[], object]) -> float:
    """Bytes of the card that a call takes; 1 GB on a CPU, where nobody counts."""
    if bench.device.type != "cuda":
        return 1e9
    torch.cuda.reset_peak_memory_stats(bench.device)
    call()
    return torch.cuda.max_memory_reserved(bench.device)


# Each with the seconds that have to be left for it
STEPS: dict[Callable[[Bench], None], float] = {
    limits_of_the_card: 0,
    pure_forward: 0,
    windows_of_a_scene: 5,
    memory_that_runs_out: 5,
    batch_finder: 5,
    training_as_it_comes: 40,
    training_in_little_memory: 10,
    extract_in_this_process: 20,
    whole_processes: 20,
    training_compiled: 40,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--output", type=Path, help="file to write the table to")
    parser.add_argument("--work", type=Path, help="chips of docs/recipes/default_model_chips.py")
    parser.add_argument("--only", nargs="+", metavar="STEP", help="names of steps, as training")
    parser.add_argument("--tiny", action="store_true", help="small pictures, to see that it starts")
    arguments = parser.parse_args()
    deadline = time.monotonic() + 60 * arguments.minutes
    device = torch.device(arguments.device)
    if device.type == "cuda" and device.index is None:  # some of torch wants the number
        device = torch.device("cuda", 0)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(
            device,
            TINY if arguments.tiny else Sizes(),
            Path(folder),
            arguments.work,
            arguments.output,
            deadline,
        )
        for step, needs in STEPS.items():
            if not arguments.only or step.__name__ in arguments.only:
                bench.run(step, needs)
        if arguments.work:
            bench.run(recipe_of_the_bundled_model, 30)
    print(bench.table())


if __name__ == "__main__":
    main()
