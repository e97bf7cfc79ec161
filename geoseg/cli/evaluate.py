"""``geoseg evaluate``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command
from geoseg.errors import UnsuitableError


@command
@click.argument("prediction")
@click.argument("truth")
@click.option("--iou", type=click.FloatRange(0, 1, min_open=True), default=0.5, show_default=True, help="IoU of a match.")
@click.option("--threshold", type=options.OPEN_UNIT, help="Probability from which a pixel is building.  [default: 0.5]")
@click.option("--like", metavar="RASTER", help="Compare pixels on this grid.  [default: the first raster's]")
@click.option("--boundary-width", type=click.IntRange(1), default=3, show_default=True, help="Pixels, for the boundary IoU.")
@click.option("--fail-under", multiple=True, metavar="METRIC=VALUE", callback=options.limits, help="Exit with 4 below this.")
def evaluate(as_json: bool, **arguments: Any) -> None:
    """Compare a prediction with the truth.

    Two rasters are compared by pixel, two layers footprint by footprint, a raster and a layer both ways.

    \b
    Example:
        geoseg evaluate buildings.gpkg footprints.gpkg --fail-under f1=0.7
    """
    from geoseg.tools import evaluate as tool

    report = tool.run(progress=options.progress(), **arguments)
    options.emit(report, as_json)
    if report.failed:
        raise UnsuitableError(f"{arguments['prediction']}: {', '.join(report.failed)}")
