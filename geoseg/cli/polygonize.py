"""``geoseg polygonize``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options, scene_options, specs
from geoseg.cli.command import command
from geoseg.specs import PolygonSpec


@command
@click.argument("raster", type=options.SCENE)
@specs.vector_target
@specs.spec_options("spec", PolygonSpec, *specs.polygons(PolygonSpec))
@click.option(
    "--class",
    "class_value",
    type=click.IntRange(0, 255),
    help="Value of the class to trace, 0 to 255.  [default: all named classes]",
)
@scene_options.part_in_crs
@specs.reference
@options.threads
def polygonize(as_json: bool, **arguments: Any) -> None:
    """Trace a mask or a probability raster into footprints.

    \b
    Example:
        geoseg polygonize probability.tif -o buildings.gpkg --min-area 15
    """
    from geoseg.tools import polygonize as tool

    options.emit(tool.run(progress=options.progress(), **arguments), as_json)
