"""``geoseg export``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command


@command
@click.argument("model", type=options.MODEL)
@options.output
@click.option(
    "--tile-size",
    type=click.IntRange(32),
    help="Fix the input to this many pixels per side.  [default: any size]",
)
@options.overwrite
def export(as_json: bool, **arguments: Any) -> None:
    """Export a trained model to ONNX, which runs without torch.

    \b
    Example:
        geoseg export model.safetensors -o model.onnx
    """
    from geoseg.tools import export as tool

    options.emit(tool.run(progress=options.progress(), **arguments), as_json)
