"""What a training is to start from, and cannot: no folder of a run may be left, nor one emptied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.case import Case
from tests.faults.corpus.chip_indexes import chips
from tests.faults.corpus.models import fewer, filled, reshaped, saved

TRAIN = "train odd -o new.safetensors --epochs 1 --init {}"
START = "odd.safetensors"


def beside(make: Callable[[Path], Any] = lambda folder: None) -> Callable[[Path], None]:
    """Chips, and what a training is to start from."""

    def both(folder: Path) -> None:
        chips()(folder)
        make(folder)

    return both


def cut(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / f"odd{Path(name).suffix}").write_bytes(content[: len(content) // 2])

    return make


def run_before(folder: Path) -> None:
    """Another run in the folder of this one, which `--overwrite` allows to replace."""
    (folder / "new.safetensors.run").mkdir()
    (folder / "new.safetensors.run" / "last.ckpt").write_bytes(b"of another run")


CASES = [
    Case("start_from_a_stranger", TRAIN.format("model.onnx"), 5, "model.onnx: ", beside()),
    Case("start_from_eight_bits", TRAIN.format("fast"), 5, "quantized", beside()),
    Case("start_from_a_scene", TRAIN.format("scene.tif"), 5, "is not a model", beside()),
    Case("start_from_chips", TRAIN.format("odd"), 3, "is a folder", beside()),
    Case("start_from_nothing", TRAIN.format("no.onnx"), 3, "does not exist", beside()),
    Case("start_cut_onnx", TRAIN.format("odd.onnx"), 5, "odd.onnx: ", beside(cut("model.onnx"))),
    *(
        Case(f"start_{name}", TRAIN.format(START), 5, rf"{START}: ", beside(saved(change)))
        for name, change in {
            "without_weights": fewer,
            "of_other_shapes": reshaped,
            "of_nan": filled(float("nan")),
        }.items()
    ),
    Case(
        "start_from_a_stranger_over_a_run",
        TRAIN.format("model.onnx") + " --overwrite",
        5,
        "model.onnx: ",
        beside(run_before),
    ),
]
