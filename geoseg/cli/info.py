"""``geoseg info``."""

from __future__ import annotations

from pathlib import Path

import click

from geoseg.cli import options
from geoseg.cli.command import command


@command
@click.argument("path", metavar="FILE", type=options.SCENE)
@click.option(
    "-m", "--model", type=options.MODEL, help="Model file: check whether it fits the scene FILE."
)
@options.input_layer
@options.threads
def info(path: str, model: Path | None, layer: str | None, as_json: bool) -> None:
    """Describe a raster, vector, model or chip folder.

    \b
    Example:
        geoseg info scene.tif
    """
    from geoseg.tools import info as tool

    options.emit(tool.run(path, model=model, layer=layer), as_json)
