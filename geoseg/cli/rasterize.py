"""``geoseg rasterize``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geoseg.cli import options, scene_options, specs
from geoseg.cli.command import command
from geoseg.cli.specs import setting, spec_options
from geoseg.specs import MaskSpec
from geoseg.specs.vectors import VectorFiles


@command
@click.argument("footprints", type=options.FILE, nargs=-1, required=True, metavar="FOOTPRINTS...")
@click.option(
    "--like",
    metavar="SCENE",
    type=options.SCENE,
    required=True,
    help="Raster whose grid the mask gets.",
)
@options.raster_output
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
        help="Mask to burn, one band each: footprint, edges, boundary, contact, distance or "
        "instance; repeatable, or comma-separated.",
    ),
    setting(
        MaskSpec,
        "width",
        "Width of boundary, contact and distance bands in metres (or px).  [default: boundary 1px, "
        "contact 10px, distance 10m]",
    ),
    setting(MaskSpec, "side", "Side of the outline on which boundaries are drawn."),
    setting(
        MaskSpec,
        "class_field",
        "Column with the class of each footprint.  [default: one class]",
    ),
    setting(
        MaskSpec,
        "all_touched",
        "Burn every pixel touched.  [default: only pixels whose centre is inside]",
    ),
    setting(MaskSpec, "value", "Pixel value of the footprints, 1 to 254."),
)
@options.input_layer
@options.where
@scene_options.place_in_crs
@specs.reference
@options.creation_options
@options.overwrite
@options.threads
def rasterize(
    footprints: tuple[Path, ...],
    layer: str | None,
    where: str | None,
    as_json: bool,
    **arguments: Any,
) -> None:
    """Burn footprints into masks on the grid of a scene.

    \b
    Example:
        geoseg rasterize footprints.gpkg --like scene.tif -o mask.tif
        geoseg rasterize footprints.gpkg --like scene.tif -o masks.tif --kind footprint,contact:3
    """
    from geoseg.tools import rasterize as tool

    files = VectorFiles.of(footprints, layer, where)
    options.emit(tool.run(files, progress=options.progress(), **arguments), as_json)
