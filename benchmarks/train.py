"""`geoseg train` against a bare torch loop of the same network on batches that lie in memory.

python benchmarks/train.py --arch unet --size 256 --rounds 3
python benchmarks/train.py --batch 32 --steps 60 --compile    # on a GPU

Ours is the whole run: chips read from files, cropped, augmented as by default, Lightning,
checkpoints; what is counted goes from the first step to the last of its last epoch, without
validation. The bare loop has the same network (bfloat16 by autocast where it is native, channels
last), loss and optimiser, and does nothing else. Both in turn, A B A B, in this process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from geoseg.chips.examples import ChipFiles, Example
from geoseg.io.raster.write import write_array
from geoseg.specs import ModelSpec, TrainSpec
from geoseg.training.fit import TrainingRun, build, fit, precision
from geoseg.training.optim import optimizer

CHIP = 640  # pixels a side of the chips
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Watch:
    """Seconds by the clock and of all processors between the first step that is told of and the
    last, and the steps between.
    """

    def __init__(self) -> None:
        self.marks: list[tuple[float, float]] = []

    def __call__(self, label: object, total: int) -> Callable[[int], None]:
        self.marks = []  # an epoch begins

        def mark(count: int) -> None:
            if DEVICE.type == "cuda" and len(self.marks) in (0, total - 1):
                torch.cuda.synchronize()
            self.marks.append((time.perf_counter(), time.process_time()))

        return mark

    def rates(self, batch: int) -> tuple[float, float]:
        """Images a second by the clock and by the processors, the first step left out."""
        (first, first_cpu), (last, last_cpu) = self.marks[0], self.marks[-1]
        images = batch * (len(self.marks) - 1)
        return images / (last - first), images / (last_cpu - first_cpu)


def chips(folder: Path, count: int) -> list[Example]:
    """Noise with blocks in it: what a chip shows makes no difference to how long it takes."""
    random = np.random.default_rng(0)
    made: list[Example] = []
    for number in range(count):
        mask = np.kron(random.random((CHIP // 32, CHIP // 32)) < 0.2, np.ones((32, 32))).astype(
            "uint8"
        )
        image = np.clip(mask * 80 + random.integers(40, 140, (3, CHIP, CHIP)), 0, 255).astype(
            "uint8"
        )
        paths = [folder / f"{number}{kind}.tif" for kind in ("", "_mask")]
        write_array(paths[0], image)
        write_array(paths[1], mask)
        made.append(ChipFiles(paths[0], paths[1]))
    return made


def ours(job: TrainingRun) -> tuple[float, float]:
    watch = Watch()
    fit(job, False, watch)
    return watch.rates(job.spec.batch_size)


def bare(job: TrainingRun, steps: int) -> tuple[float, float]:
    """Module and loss are ours, without colour: a forward pass, a backward pass and a step, over
    and over.
    """
    module = build(job).to(DEVICE).train()
    module.colour = None
    if job.spec.compile:
        module.network.compile()
    over = optimizer(job.spec, module.network.parameters())
    size, batch = job.model.size, job.spec.batch_size
    images = torch.rand(2, batch, 3, size, size, device=DEVICE)
    masks = torch.randint(0, 2, (2, batch, size, size), dtype=torch.uint8, device=DEVICE)
    watch = Watch()
    advance = watch("", steps)
    for step in range(steps):
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=precision("auto") == "bf16-mixed"):
            loss = module.batch_loss((images[step % 2], masks[step % 2]))
        over.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.network.parameters(), 1.0)
        over.step()
        advance(1)
    return watch.rates(batch)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", default="unet")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--augment", default="standard")
    parser.add_argument("--epochs", type=int, default=2, help="1 counts the decoding of chips too")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--chips", type=int, help="files to cut crops from; by default one a crop")
    arguments = parser.parse_args()
    encoder = "resnet18" if arguments.arch == "unet" else None
    count = arguments.batch * arguments.steps
    spec = TrainSpec(
        arch=arguments.arch,
        encoder=encoder,
        epochs=arguments.epochs,
        batch_size=arguments.batch,
        samples=count,
        augment=arguments.augment,
        compile=arguments.compile,
        workers=arguments.workers,
    )
    model = ModelSpec(arguments.arch, encoder, size=arguments.size)
    rates: dict[str, list[tuple[float, float]]] = {"geoseg train": [], "bare loop": []}
    with tempfile.TemporaryDirectory() as folder:
        train = chips(Path(folder), arguments.chips or count)
        for turn in range(arguments.rounds):
            run = Path(folder) / str(turn)
            run.mkdir()
            job = TrainingRun(model, spec, train, [], 1.0, run)
            rates["geoseg train"].append(ours(job))
            rates["bare loop"].append(bare(job, arguments.steps))
    print(
        f"{arguments.arch} at {arguments.size}: {arguments.rounds} rounds of {arguments.steps} "
        f"batches of {arguments.batch},"
    )
    print(
        f"{DEVICE.type}, {torch.get_num_threads()} threads, {precision('auto')}, "
        f"{os.cpu_count()} cores"
    )
    print(f"load {os.getloadavg()[0]:.1f}")
    print(f"{'':<16}{'images/s':>10}{'images/CPU s':>14}")
    for name, each in rates.items():
        print(
            f"{name:<16}{statistics.median(r[0] for r in each):>10.2f}{statistics.median(r[1] for r in each):>14.2f}"
        )
    pairs = list(zip(*rates.values(), strict=True))
    shares = [statistics.median(mine[i] / theirs[i] for mine, theirs in pairs) for i in (0, 1)]
    print(f"{'ratio':<16}{shares[0]:>10.3f}{shares[1]:>14.3f}")


if __name__ == "__main__":
    main()
