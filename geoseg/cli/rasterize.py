"""``geoseg rasterize``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command


@command
@click.argument("footprints", type=options.FILE)
@click.option("--like", metavar="SCENE", required=True, help="Raster whose grid the mask takes.")
@options.output
@click.option("--class-field", help="Column with the class of each footprint.")
@click.option("--all-touched", is_flag=True, help="Burn every pixel a footprint touches.  [default: centres inside]")
@click.option("--value", type=click.IntRange(1, 254), default=1, show_default=True, help="Value of the footprints.")
@options.crs
@options.pixel_coords
@options.creation_options
@options.overwrite
def rasterize(as_json: bool, **arguments: Any) -> None:
    """Burn footprints into a mask on a scene's grid.

    \b
    Example:
        geoseg rasterize footprints.gpkg --like scene.tif -o mask.tif
    """
    from geoseg.tools import rasterize as tool

    options.emit(tool.run(progress=options.progress(), **arguments), as_json)
