"""``geoseg stitch``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command


@command
@options.chips
@options.raster_output
@click.option(
    "--blend",
    type=click.Choice(["hann", "mean", "max", "first", "last"]),
    default="hann",
    show_default=True,
    help="How overlapping chips are combined.",
)
@click.option(
    "--nodata",
    type=float,
    metavar="VALUE",
    help="Value of pixels without data, for chips that name none.",
)
@options.creation_options
@options.overwrite
@options.threads
def stitch(as_json: bool, **arguments: Any) -> None:
    """Merge georeferenced chips into one mosaic.

    \b
    Example:
        geoseg stitch chips/images -o mosaic.tif
    """
    from geoseg.tools import stitch as tool

    options.emit(tool.run(progress=options.progress(), **arguments), as_json)
