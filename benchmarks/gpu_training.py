"""The steps of gpu.py that train: a batch that fits, little memory, speed, the recipe."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from gpu_table import Bench, little_memory
from train import bare, chips, ours

from geoseg.report import no_progress
from geoseg.specs import ModelSpec, TrainSpec
from geoseg.training.augment import PRESETS, Colour
from geoseg.training.data import loaders, workers_of
from geoseg.training.finders import batch_trial, largest_that_fits
from geoseg.training.fit import TrainingRun, train
from geoseg.training.pixels import as_unit

ROOT = Path(__file__).resolve().parents[1]


def training_job(bench: Bench, batch: int, steps: int, count: int = 8) -> TrainingRun:
    folder = Path(tempfile.mkdtemp(dir=bench.folder))
    examples = chips(folder, count)
    spec = TrainSpec("unet", "resnet18", "none", 1, batch, samples=batch * steps, workers=0)
    model = ModelSpec("unet", "resnet18", size=bench.sizes.crop)
    return TrainingRun(model, spec, examples, [], 1.0, folder)


def batch_finder(bench: Bench) -> None:
    job = training_job(bench, 2, 2)
    start = time.perf_counter()
    most = 1024 if bench.device.type == "cuda" else 4
    found = largest_that_fits(batch_trial(job, bench.device, torch.bfloat16), most)
    seconds = time.perf_counter() - start
    what = f"training batch found, U-Net of ResNet-18 at {bench.sizes.crop}"
    bench.add(what, f"{found} (of {most} at most)", "", f"{seconds:.1f} s")


def training_in_little_memory(bench: Bench) -> None:
    batch = bench.sizes.batch * 4
    with little_memory(bench, 4e9):
        done = train(training_job(bench, batch, 2), resume=False, progress=no_progress)
    figure = f"{batch} to {done.spec.batch_size} crops"
    bench.add(
        "training in 4 GB of the card, batch", figure, "", f"{done.spec.accumulate} batches a step"
    )


def training(bench: Bench, compiled: bool) -> None:
    sizes = bench.sizes
    job = training_job(bench, sizes.batch, sizes.steps, sizes.chips)
    job = replace(job, spec=replace(job.spec, epochs=2, workers=None, compile=compiled))
    (own, _), (loop, _) = ours(job), bare(job, sizes.steps)
    what = "geoseg train --compile" if compiled else "geoseg train"
    note = f"bare loop {loop:.0f}, batches of {sizes.batch}"
    if not compiled:
        note += f"; alone: {workers_of(job.spec)} loaders {loaders_alone(job):.0f} crops/s, "
        note += f"colours {colours_alone(bench):.1f} ms a batch"
    bench.add(what, f"{own:.0f} images/s", f"{own / loop:.2f} of the bare loop", note)


def loaders_alone(job: TrainingRun) -> float:
    """Crops a second of an epoch after the first, between its first batch and its last."""
    batches, _ = loaders(job.train, job.val, job.spec, job.model, job.zoom)
    for _ in range(2):
        marks = [time.perf_counter() for _ in batches]
    return job.spec.batch_size * (len(marks) - 1) / (marks[-1] - marks[0])


def colours_alone(bench: Bench) -> float:
    """Milliseconds that the colours of a batch take, copied to the device as bytes."""
    size, batch = bench.sizes.crop, bench.sizes.batch
    images = torch.randint(256, (batch, 3, size, size), dtype=torch.uint8, device=bench.device)
    colour = Colour(3, PRESETS["standard"][2])
    return 1000 / bench.rate(lambda: colour(as_unit(images)))


def training_as_it_comes(bench: Bench) -> None:
    training(bench, False)


def training_compiled(bench: Bench) -> None:
    training(bench, True)


def recipe_of_the_bundled_model(bench: Bench) -> None:
    seconds = 20
    recipe = ROOT / "docs" / "recipes" / "default_model_gpu.py"
    command = [sys.executable, recipe, bench.work, bench.folder / "model.safetensors"]
    done = subprocess.run(
        [*map(str, command), "--seconds", str(seconds)],
        capture_output=True,
        text=True,
        timeout=max(10, bench.left),
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    steps = re.findall(r"step (\d+)  loss ([0-9.]+)", done.stdout)
    (last, loss), (_, first) = steps[-1], steps[0]
    figure = f"{int(last) * 48 / seconds:.0f} crops/s"
    bench.add("recipe of the bundled model", figure, "", f"loss {first} to {loss} in {seconds} s")
