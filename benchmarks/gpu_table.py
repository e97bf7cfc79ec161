"""The table of gpu.py: how large everything is, the steps that fill it, the card they run on."""

from __future__ import annotations

import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from memory import make_scene


@dataclass(frozen=True)
class Sizes:
    """How large everything is: pixels a side of the scene and of its windows (None: by default), of
    the matrices, of the crops; batch, steps and chips of the training; seconds a rate is measured.
    """

    scene: int = 8192
    window: int | None = None
    matrix: int = 8192
    crop: int = 256
    batch: int = 64
    steps: int = 60
    chips: int = 64
    seconds: float = 1.5


TINY = Sizes(700, 256, 256, 64, 2, 2, 4, 0.05)


@dataclass
class Bench:
    """The rows so far, where they are written, and what the steps share."""

    device: torch.device
    sizes: Sizes
    folder: Path
    work: Path | None
    output: Path | None
    deadline: float
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)
    # of pure forwards, megapixels a second by precision
    forward: dict[str, float] = field(default_factory=dict)
    # of one large convolution, operations a second by precision
    limit: dict[str, float] = field(default_factory=dict)

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()

    @property
    def scene(self) -> Path:
        path = self.folder / "scene.tif"
        if not path.exists():
            make_scene(path, self.sizes.scene)
        return path

    def add(self, what: str, figure: str, ratio: str = "", note: str = "") -> None:
        self.rows.append((what, figure, ratio, note))
        print(f"{what}: {figure} {ratio} {note}", file=sys.stderr, flush=True)

    def table(self) -> str:
        return "\n".join(
            [
                f"{self.card()}:\n",
                "| | figure | ratio | |",
                "| --- | --- | --- | --- |",
                *(f"| {' | '.join(row)} |" for row in self.rows),
            ]
        )

    def card(self) -> str:
        name = platform.processor() or platform.machine()
        if self.device.type == "cuda":
            properties = torch.cuda.get_device_properties(self.device)
            name = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
        return f"{name}, torch {torch.__version__}, Python {platform.python_version()}"

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def rate(self, call: Callable[[], object]) -> float:
        """Calls a second; the first three are not counted."""
        for _ in range(3):
            call()
        self.wait()
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < self.sizes.seconds:
            for _ in range(4):
                call()
            count += 4
            self.wait()
        return count / (time.perf_counter() - start)

    def run(self, step: Callable[[Bench], None], needs: float) -> None:
        """A step, where the ``needs`` seconds that it takes are left."""
        name = step.__name__.replace("_", " ")
        start = time.monotonic()
        if self.left < needs:
            self.add(name, "left out", "", f"{max(0, self.left):.0f} seconds were left")
        else:
            try:
                step(self)
            except Exception as error:  # the other steps are not to be lost with it
                traceback.print_exc()
                first = str(error).strip().partition("\n")[0][:200].replace("|", "/")
                self.add(name, "failed", "", f"{type(error).__name__}: {first}")
        print(f"-- {name}: {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
        if self.output:
            self.output.write_text(self.table() + "\n")


@contextmanager
def little_memory(bench: Bench, most: float) -> Iterator[None]:
    """A card of which this process may take ``most`` bytes."""
    if bench.device.type != "cuda":
        yield
        return
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(bench.device).total_memory
    torch.cuda.set_per_process_memory_fraction(most / total, bench.device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, bench.device)
        torch.cuda.empty_cache()
