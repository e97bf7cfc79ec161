"""``geoseg tune``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options, specs
from geoseg.cli.command import command
from geoseg.specs import PredictSpec


@command
@click.argument("data", type=options.FILE)
@options.model
@options.output
@click.option("--split", default="val", show_default=True, help="Split of the chips to tune on.")
@click.option(
    "--iou",
    type=click.FloatRange(0.5, 1),
    default=0.5,
    show_default=True,
    help="Minimum IoU at which a prediction counts as a match.",
)
@specs.spec_options("spec", PredictSpec, *specs.inference)
@options.overwrite
def tune(as_json: bool, **arguments: Any) -> None:
    """Tune a model's threshold and minimum area.

    Those that give the best footprint F1 are stored in the model.

    \b
    Example:
        geoseg tune chips -m model.safetensors -o tuned.safetensors
    """
    from geoseg.tools import tune as tool

    options.emit(tool.run(progress=options.progress(), **arguments), as_json)
