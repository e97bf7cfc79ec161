"""``geoseg train``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command
from geoseg.cli.options import gather, setting
from geoseg.specs import TrainSpec


@command
@click.argument("data", nargs=-1, required=True, metavar="DATA...", type=options.FILE)
@options.output
@gather(
    "spec",
    TrainSpec,
    setting(TrainSpec, "arch", "Architecture; see `geoseg models`."),
    setting(TrainSpec, "encoder", "Encoder of the architecture.  [default: the architecture's]", type=str),
    setting(TrainSpec, "weights", "Weights the encoder starts from: none or imagenet."),
    setting(TrainSpec, "epochs", "Passes over the train split."),
    setting(TrainSpec, "batch_size", "Chips at a time."),
    setting(TrainSpec, "lr", "Highest learning rate."),
    setting(TrainSpec, "weight_decay", "Weight decay of AdamW."),
    setting(TrainSpec, "schedule", "Course of the learning rate.", type=click.Choice(["onecycle", "cosine", "constant"])),
    setting(TrainSpec, "loss", "auto, bce, ce, dice, focal, lovasz, tversky, or a sum such as bce+0.5*dice."),
    setting(TrainSpec, "augment", "Changes to the chips.", type=click.Choice(["none", "light", "standard", "strong"])),
    setting(TrainSpec, "crop", "Pixels a side of the crops trained on.  [default: 256]", type=int),
    setting(TrainSpec, "gsd", "Metres a pixel to train at.  [default: the chips']", type=float),
    setting(TrainSpec, "scale", "Least and greatest zoom of a crop.", type=options.FRACTIONS),
    setting(TrainSpec, "samples", "Crops an epoch.  [default: one a chip]", type=int),
    setting(TrainSpec, "precision", "Precision of the arithmetic.", type=click.Choice(["auto", "fp32", "bf16", "fp16"])),
    setting(TrainSpec, "devices", "GPUs, or processes without one."),
    setting(TrainSpec, "workers", "Processes that read chips."),
    setting(TrainSpec, "seed", "Seed of every random choice."),
    setting(TrainSpec, "early_stop", "Stop after this many epochs without a better one.", type=int),
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    callback=options.network,
    help="Of the architecture: hidden=512.",
)
@click.option("--init", type=options.FILE, metavar="MODEL", help="Start from this model's weights.")
@click.option("--run-dir", type=options.FILE, help="Folder of checkpoints and metrics.  [default: OUTPUT.run]")
@click.option("--resume", is_flag=True, help="Go on where the run in --run-dir stopped.")
@options.overwrite
def train(as_json: bool, **arguments: Any) -> None:
    """Train a model on folders of chips.

    \b
    Example:
        geoseg train chips -o model.safetensors --arch unet --encoder resnet18
    """
    from geoseg.tools import train as tool

    options.emit(tool.run(progress=options.progress(), **arguments), as_json)
