"""``geoseg rasterize``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command
from geoseg.cli.options import setting, spec_options
from geoseg.specs import MaskSpec


@command
@click.argument("footprints", type=options.FILE)
@click.option("--like", metavar="SCENE", required=True, help="Raster whose grid the mask takes.")
@options.output
@spec_options(
    "spec",
    MaskSpec,
    click.option(
        "--kind",
        "kinds",
        multiple=True,
        default=MaskSpec.kinds,
        show_default=True,
        callback=options.commas,
        metavar="KIND[:WIDTH]",
        help=(
            "Mask to burn, a band each: footprint, edges, boundary, contact, distance, "
            "instance. Repeatable, or a list."
        ),
    ),
    setting(
        MaskSpec,
        "width",
        "Width of boundaries, of gaps that are contact, of the range of distances.",
        type=options.QUANTITY,
        show_default="1px, 10px and 10",
    ),
    setting(
        MaskSpec,
        "side",
        "Where boundaries are drawn.",
        type=click.Choice(["inner", "outer", "both"]),
    ),
    setting(MaskSpec, "class_field", "Column with the class of each footprint.", type=str),
    setting(
        MaskSpec,
        "all_touched",
        "Burn every pixel a footprint touches.  [default: centres inside]",
        is_flag=True,
    ),
    setting(MaskSpec, "value", "Value of the footprints.", type=click.IntRange(1, 254)),
)
@options.layer
@options.reference
@options.creation_options
@options.overwrite
def rasterize(as_json: bool, **arguments: Any) -> None:
    """Burn footprints into masks on a scene's grid.

    \b
    Example:
        geoseg rasterize footprints.gpkg --like scene.tif -o mask.tif
        geoseg rasterize footprints.gpkg --like scene.tif -o masks.tif --kind footprint,contact:3
    """
    from geoseg.tools import rasterize as tool

    options.emit(tool.run(progress=options.progress(), **arguments), as_json)
