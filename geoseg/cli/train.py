"""``geoseg train``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command
from geoseg.cli.options import setting, spec_options
from geoseg.specs import ChipSpec, TrainSpec
from geoseg.specs.toml import to_cli_text
from geoseg.specs.train import AUGMENTATIONS, OPTIMIZERS, SCHEDULES


class Auto(options.Text):
    """A number, or ``auto``, which a TrainSpec has as 0."""

    def __init__(self, kind: type[int] | type[float]) -> None:
        super().__init__(f"auto|{kind.__name__}", lambda text: kind(0 if text == "auto" else text))

    def shown(self, value: float) -> Any:
        return value or "auto"


def listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


@command
@click.argument("data", nargs=-1, required=True, metavar="DATA...")
@options.output
@spec_options(
    "spec",
    TrainSpec,
    setting(TrainSpec, "arch", "Architecture; see `geoseg models`."),
    setting(
        TrainSpec,
        "encoder",
        "Encoder of the architecture.  [default: the architecture's]",
        type=str,
    ),
    setting(
        TrainSpec,
        "weights",
        "Weights to start from: none, imagenet, or a file of torchvision, timm or smp.",
    ),
    setting(TrainSpec, "epochs", "Passes over the train split."),
    setting(
        TrainSpec,
        "batch_size",
        "Chips at a time in each process; auto: as many as fit.",
        type=Auto(int),
    ),
    setting(TrainSpec, "accumulate", "Batches to a step of the optimizer."),
    setting(TrainSpec, "lr", "Highest learning rate; auto looks for it.", type=Auto(float)),
    setting(TrainSpec, "optimizer", "What moves the weights.", type=click.Choice(OPTIMIZERS)),
    setting(TrainSpec, "momentum", "Momentum of sgd."),
    setting(TrainSpec, "nesterov", "Nesterov's momentum, for sgd.", is_flag=True),
    setting(TrainSpec, "weight_decay", "Weight decay."),
    setting(TrainSpec, "schedule", "Course of the learning rate.", type=click.Choice(SCHEDULES)),
    setting(
        TrainSpec,
        "warmup",
        "Steps of a rising rate, or a share of all.  [default: 0.3 of a one-cycle, else none]",
        type=float,
    ),
    setting(TrainSpec, "clip", "Largest norm of the gradient; 0 for any."),
    setting(TrainSpec, "ema", "Average the weights with this decay, such as 0.999; 0 does not."),
    setting(
        TrainSpec,
        "loss",
        "auto, bce, ce, boundary, dice, focal, lovasz, tversky, or a sum such as bce+0.5*dice.",
    ),
    setting(
        TrainSpec,
        "class_weights",
        "Of bce, ce and boundary: none, auto (by frequency), or a number a class: 1,4.",
    ),
    setting(
        TrainSpec,
        "augment",
        "Changes to the chips; photos are not turned.",
        type=click.Choice(AUGMENTATIONS),
    ),
    setting(TrainSpec, "crop", "Pixels a side of the crops trained on.  [default: 256]", type=int),
    setting(TrainSpec, "gsd", "Metres a pixel to train at.  [default: the chips']", type=float),
    setting(
        TrainSpec,
        "scale",
        "How far crops zoom out, least and most: 0.8,1.25.",
        type=options.FRACTIONS,
    ),
    setting(TrainSpec, "samples", "Crops an epoch.  [default: one a chip]", type=int),
    setting(
        TrainSpec,
        "data_weights",
        "How often each DATA is drawn from, against the others: 1,2.",
        type=options.FRACTIONS,
    ),
    setting(TrainSpec, "foreground", "Share of the crops that are laid around something."),
    setting(TrainSpec, "hard", "Share of the crops that are drawn by the loss of their chip."),
    setting(
        TrainSpec,
        "on_error",
        "What to do about chips that cannot be read.",
        type=click.Choice(["stop", "skip"]),
    ),
    setting(
        TrainSpec,
        "precision",
        "Precision of the arithmetic.",
        type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
    ),
    setting(TrainSpec, "compile", "Compile the network by torch.compile.", is_flag=True),
    setting(TrainSpec, "devices", "GPUs, or processes without one."),
    setting(
        TrainSpec,
        "workers",
        "Processes that read chips.  [default: 0, with a GPU up to 8]",
        type=int,
    ),
    setting(TrainSpec, "seed", "Seed of every random choice."),
    setting(TrainSpec, "early_stop", "Stop after this many epochs without a better one.", type=int),
    setting(
        TrainSpec,
        "log",
        "Where scores go besides metrics.csv: tensorboard, mlflow.",
        type=options.Text("list", listed),
    ),
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    callback=options.network,
    help="Of the architecture: hidden=512, encoder_depth=3.",
)
@click.option(
    "--labels",
    type=options.FILE,
    help="Footprints or masks of DATA that are scenes: a file, or a folder by scene.",
)
@click.option(
    "--split",
    type=options.FRACTIONS,
    default=to_cli_text(ChipSpec.split),
    help="Parts of scenes.  [default: 0.8,0.1,0.1]",
)
@options.bands
@click.option(
    "--init", type=options.MODEL, help="Start from this model's weights; `bundled` is a model too."
)
@click.option(
    "--run-dir", type=options.FILE, help="Folder of checkpoints and metrics.  [default: OUTPUT.run]"
)
@click.option("--resume", is_flag=True, help="Go on where the run in --run-dir stopped.")
@options.overwrite
def train(as_json: bool, **arguments: Any) -> None:
    """Train a model on folders of chips, or on scenes with --labels.

    \b
    Example:
        geoseg train chips -o model.safetensors --arch unet --encoder resnet18
        geoseg train scene.tif --labels footprints.gpkg -o model.safetensors
    """
    from geoseg.tools import train as tool

    report = tool.run(progress=options.progress(), **arguments)
    if tool.is_main_process():
        options.emit(report, as_json, _brief)


def _brief(content: dict[str, Any]) -> dict[str, Any]:
    """The best epoch without what its page draws."""
    best = {
        name: value
        for name, value in content["best"].items()
        if name not in ("confusion", "thresholds")
    }
    return content | {"best": best}
