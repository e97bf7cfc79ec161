"""``geoseg train``."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command, session
from geoseg.cli.failure import with_flags
from geoseg.cli.options import Auto
from geoseg.cli.specs import setting, spec_options
from geoseg.specs import SPLIT, TrainSpec, TrainTarget
from geoseg.specs.toml import to_cli_text


@command
@click.argument("data", nargs=-1, required=True, metavar="DATA...", type=options.SCENE)
@click.option(
    "-o", "--output", type=options.FILE, required=True, help="Model file to write: .safetensors."
)
@spec_options(
    "spec",
    TrainSpec,
    setting(
        TrainSpec,
        "arch",
        "Architecture (list: `geoseg models`).  [default: that of --init, else unet]",
        type=options.ARCH,
    ),
    setting(
        TrainSpec,
        "encoder",
        "Encoder (list: `geoseg models --encoders`).  [default: that of the architecture]",
        type=options.ENCODER,
    ),
    setting(
        TrainSpec,
        "weights",
        "Initial encoder weights: none (random), imagenet, or a file of torchvision, timm or smp; "
        "auto: imagenet for efficientnet_lite, none for others.",
    ),
    setting(TrainSpec, "epochs", "Number of passes over the train split."),
    setting(
        TrainSpec,
        "batch_size",
        "Chips per batch and process; auto: as many as fit into memory.",
        type=Auto(int),
    ),
    setting(TrainSpec, "accumulate", "Gradient accumulation: batches per optimizer step."),
    setting(
        TrainSpec,
        "lr",
        "Peak learning rate; auto: found by a range test.",
        type=Auto(float),
    ),
    setting(TrainSpec, "optimizer", "Optimizer."),
    setting(TrainSpec, "momentum", "Momentum of sgd, 0 to 1."),
    setting(TrainSpec, "nesterov", "Nesterov momentum for sgd.  [default: plain momentum]"),
    setting(TrainSpec, "weight_decay", "Weight decay."),
    setting(TrainSpec, "schedule", "Learning-rate schedule."),
    setting(
        TrainSpec,
        "warmup",
        "Warm-up: number of steps, or fraction of all steps if below 1.  [default: 0.3 with "
        "onecycle, else 0]",
    ),
    setting(TrainSpec, "clip", "Gradient clipping (maximum norm); 0 turns it off."),
    setting(TrainSpec, "ema", "Decay of averaged weights (EMA), e.g. 0.999; 0 turns it off."),
    setting(
        TrainSpec,
        "loss",
        "Loss: auto (by the classes), bce, ce, boundary, dice, focal, lovasz, tversky, or a sum "
        "such as bce+0.5*dice.",
    ),
    setting(
        TrainSpec,
        "class_weights",
        "Class weights for bce, ce and boundary loss: none, auto (inverse frequency) or one number "
        "per class: 1,4.",
    ),
    setting(
        TrainSpec,
        "augment",
        "Augmentation preset; images without a CRS are not rotated.",
    ),
    setting(TrainSpec, "crop", "Size of the training crops in pixels.  [default: 256]"),
    setting(
        TrainSpec,
        "gsd",
        "Metres per pixel to train at.  [default: that of --init, else of the chips]",
    ),
    setting(TrainSpec, "scale", "Random scale range of crops, MIN,MAX, e.g. 0.8,1.25."),
    setting(TrainSpec, "samples", "Crops per epoch.  [default: one per chip]"),
    setting(
        TrainSpec,
        "data_weights",
        "Relative sampling weight of each DATA: 1,2.  [default: by their number of chips]",
    ),
    setting(TrainSpec, "foreground", "Fraction of crops centred near a foreground pixel, 0 to 1."),
    setting(
        TrainSpec,
        "hard",
        "Fraction of crops drawn from chips with a high loss (hard-example mining), 0 to 1.",
    ),
    setting(TrainSpec, "on_error", "When a chip cannot be read: stop, or skip it."),
    setting(
        TrainSpec,
        "precision",
        "Numeric precision of training; auto is bf16 where the device computes in it.",
    ),
    setting(TrainSpec, "compile", "Compile the network with torch.compile.  [default: do not]"),
    setting(TrainSpec, "devices", "Number of GPUs (or CPU processes)."),
    setting(
        TrainSpec,
        "workers",
        "Processes that read chips.  [default: up to 12 with a GPU, else 0]",
    ),
    setting(TrainSpec, "seed", "Random seed."),
    setting(
        TrainSpec,
        "early_stop",
        "Stop after this many epochs without improvement.  [default: never]",
    ),
    setting(
        TrainSpec,
        "log",
        "Loggers, comma-separated: csv (always), tensorboard, mlflow.",
    ),
    click.option(
        "--option",
        "options",
        multiple=True,
        metavar="NAME=VALUE",
        callback=options.network,
        help="Architecture option NAME=VALUE, repeatable, e.g. hidden=512.",
    ),
)
@options.labels(
    "Footprints or masks of the scenes: files (repeatable), or a folder, of which the file named "
    "like the scene is taken, else all of them.  [default: none]"
)
@click.option(
    "--split",
    type=options.FRACTIONS,
    default=to_cli_text(SPLIT),
    help="Fractions of each scene for train, val and test.  [default: 0.8,0.1,0.1]",
)
@options.bands
@click.option(
    "--init",
    type=options.MODEL,
    help="Continue from a geoseg model (file or `bundled`).  [default: bundled where the data have "
    "its 3 bands and no --arch, --encoder, --weights or --option is given]",
)
@click.option(
    "--run-dir",
    type=options.FILE,
    help="Folder of checkpoints and metrics.  [default: OUTPUT.run]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue the interrupted run in --run-dir.  [default: start over]",
)
@options.overwrite
@options.threads
def train(
    output: Path,
    run_dir: Path | None,
    resume: bool,
    overwrite: bool,
    as_json: bool,
    **arguments: Any,
) -> None:
    """Train a model on chips, or on scenes with --labels.

    \b
    Example:
        geoseg train chips -o model.safetensors --epochs 40
        geoseg train scene.tif --labels footprints.gpkg -o model.safetensors
    """
    from geoseg.tools import train as tool

    target = TrainTarget(output, run_dir, resume, overwrite)
    try:
        with _epoch_lines():
            report = tool.run(target=target, progress=options.progress(), **arguments)
    except KeyboardInterrupt:
        if done := tool.finished_epochs(target):
            hint = f"{done} epochs are finished: the same command with --resume continues"
            click.echo(hint, err=True)
        raise
    if tool.is_main_process():
        options.emit(report, as_json, _brief)


class _Lines(logging.Formatter):
    """Lines of the log, settings in them as options."""

    def format(self, record: logging.LogRecord) -> str:
        return with_flags(record.getMessage(), session().command)


@contextlib.contextmanager
def _epoch_lines() -> Iterator[None]:
    """A line on stderr for the start and for each epoch, beside the bar that a terminal has."""
    log, handler = logging.getLogger("geoseg.train"), logging.StreamHandler()
    handler.setFormatter(_Lines())
    if session().verbosity == 0:
        log.addHandler(handler)
        log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _brief(content: dict[str, Any]) -> dict[str, Any]:
    """The best epoch without the tables that only its page shows."""
    best = {
        name: value
        for name, value in content["best"].items()
        if name not in ("confusion", "thresholds")
    }
    return content | {"best": best}
