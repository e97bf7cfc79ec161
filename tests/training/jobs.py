"""A training run on pictures that need no files, small enough for a second or two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from geoseg.specs import ModelSpec, TrainSpec
from geoseg.training.fit import TrainingRun
from tests.scenes import buildings, picture

QUICK = TrainSpec(
    arch="cnn", epochs=3, batch_size=2, samples=6, crop=32, lr=3e-3, precision="fp32", seed=1
)


@dataclass(frozen=True)
class Painted:
    """An example painted when it is read, of 40 by 56 pixels."""

    number: int
    weight: float = 1.0

    @property
    def name(self) -> str:
        return f"picture {self.number}"

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        return picture(self.labels() == 1, self.number), self.labels()

    def labels(self) -> np.ndarray:
        return buildings(40, 56, 23 + self.number).astype("uint8")


def job(run_dir: Path, **settings: object) -> TrainingRun:
    """12 pictures to train on, 5 to validate."""
    run_dir.mkdir(parents=True, exist_ok=True)
    spec = replace(QUICK, **settings)
    pictures = [Painted(number) for number in range(17)]
    return TrainingRun(
        ModelSpec("cnn", size=spec.crop or 32), spec, pictures[:12], pictures[12:], 1.0, run_dir
    )
