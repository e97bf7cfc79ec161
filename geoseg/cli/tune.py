"""``geoseg tune``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options, specs
from geoseg.cli.command import command
from geoseg.cli.labelled import labelled_data
from geoseg.specs import ExtractSpec, PredictSpec


@command
@click.argument("data", nargs=-1, required=True, metavar="DATA...", type=options.SCENE)
@options.model
@options.output
@labelled_data(
    "val",
    click.option(
        "--seed", type=int, default=0, show_default=True, help="Random seed of the split of scenes."
    ),
)
@click.option(
    "--iou",
    type=click.FloatRange(0.5, 1),
    default=0.5,
    show_default=True,
    help="Minimum IoU at which a prediction counts as a match.",
)
@specs.spec_options("predict_spec", PredictSpec, *specs.inference)
@specs.spec_options("polygon_spec", ExtractSpec, *specs.shaping)
@options.overwrite
@options.threads
def tune(as_json: bool, **arguments: Any) -> None:
    """Tune a model's threshold and minimum area on chips, or on scenes with --labels.

    Those that give the best footprint F1, with a least confidence, are stored in the model.

    \b
    Example:
        geoseg tune chips -m model.safetensors -o tuned.safetensors
        geoseg tune scene.tif --labels footprints.gpkg --split all -o tuned.onnx
    """
    from geoseg.tools import tune as tool

    options.emit(tool.run(progress=options.progress(), **arguments), as_json)
