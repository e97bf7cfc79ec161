"""``geoseg preview``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command
from geoseg.cli.specs import setting, spec_options
from geoseg.specs import PreviewSpec


@command
@click.argument("scene", metavar="SCENE", type=options.SCENE)
@click.argument("overlays", nargs=-1, metavar="[FOOTPRINTS|MASK|PROB]...", type=options.SCENE)
@options.output
@click.option(
    "--truth",
    type=options.SCENE,
    metavar="FILE",
    help="Truth to compare with: predictions are coloured by true and false positives.",
)
@click.option(
    "--aoi",
    metavar="FILE",
    type=options.SCENE,
    help="Show only the area of these polygons.  [default: all]",
)
@spec_options(
    "spec",
    PreviewSpec,
    setting(
        PreviewSpec,
        "window",
        "Area to show in pixels: COL,ROW,WIDTH,HEIGHT.  [default: all]",
        metavar="LIST",
        type=options.PIXELS,
    ),
    setting(
        PreviewSpec,
        "bounds",
        "Area to show in the scene's CRS: LEFT,BOTTOM,RIGHT,TOP.  [default: all]",
        metavar="LIST",
    ),
    setting(
        PreviewSpec, "bounds_crs", "CRS of --bounds, e.g. EPSG:4326.  [default: that of the scene]"
    ),
    setting(
        PreviewSpec,
        "nodata",
        "Value of pixels without data, for imagery that names none.  [default: none]",
    ),
    setting(
        PreviewSpec,
        "crs",
        "CRS to assume for imagery without one, e.g. EPSG:32633.  [default: none]",
        metavar="CRS",
    ),
    setting(PreviewSpec, "size", "Longest side of the figure in pixels."),
    click.option(
        "-b",
        "--bands",
        type=options.BANDS,
        metavar="LIST",
        help="Bands shown as red, green and blue, or one as grey.  [default: 1-3]",
    ),
    setting(
        PreviewSpec,
        "rescale",
        "Stretch to 8 bits: none, minmax, percentile:LO,HI, or auto (2 to 98% unless 8-bit).",
    ),
    setting(
        PreviewSpec,
        "threshold",
        "Minimum probability of a building pixel, 0 to 1.  [default: that of the file]",
    ),
    setting(PreviewSpec, "iou", "Minimum IoU at which a prediction counts as a match."),
    setting(
        PreviewSpec,
        "opacity",
        "Opacity of the overlay, 0 to 1.  [default: 0.3, with several classes 0.6]",
    ),
    options.input_layer,
    options.where,
    *options.of_truth,
    setting(PreviewSpec, "beside", "Show the scene without overlay beside it."),
    setting(PreviewSpec, "title", "Title of the figure.  [default: none]", show_default=False),
    setting(PreviewSpec, "split", "Show chips of this split only.  [default: all]"),
    setting(PreviewSpec, "count", "Number of chips.  [default: 24, with --augment 6]"),
    setting(PreviewSpec, "seed", "Random seed of the choice of chips."),
    setting(
        PreviewSpec, "augment", "Show chips as training augments them.  [default: as they are]"
    ),
)
@options.overwrite
@options.threads
def preview(as_json: bool, **arguments: Any) -> None:
    """Draw a scene with footprints, or the chips of a folder.

    SCENE is a raster of any size or a chip folder. Footprints, masks and class rasters are drawn
    over it, probabilities beside it. With --truth, scene, truth and predictions stand side by side,
    with metrics of the area shown. The output is a .png, .jpg, .pdf or .svg.

    \b
    Example:
        geoseg preview scene.tif buildings.gpkg -o buildings.png
        geoseg preview scene.tif buildings.gpkg --truth footprints.gpkg -o compared.png
        geoseg preview chips --split val -o chips.png
    """
    from geoseg.tools import preview as tool

    options.emit(tool.run(progress=options.progress(), **arguments), as_json)
