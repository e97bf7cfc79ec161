"""``geoseg preview``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command
from geoseg.cli.options import setting, spec_options
from geoseg.specs import PreviewSpec


def _pixels(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


@command
@click.argument("scene", metavar="SCENE")
@click.argument("overlays", nargs=-1, metavar="[FOOTPRINTS|MASK|PROB]...")
@options.output
@click.option(
    "--truth", metavar="FILE", help="Compare with this; predictions are drawn by what is right."
)
@click.option("--aoi", metavar="FILE", help="Show the part that these polygons lie in.")
@spec_options(
    "spec",
    PreviewSpec,
    setting(
        PreviewSpec,
        "window",
        "Pixels to show: COL,ROW,WIDTH,HEIGHT.",
        metavar="LIST",
        type=options.Text("pixels", _pixels),
    ),
    setting(
        PreviewSpec,
        "bounds",
        "Part to show: LEFT,BOTTOM,RIGHT,TOP in the scene's CRS.",
        type=options.FRACTIONS,
        metavar="LIST",
    ),
    setting(PreviewSpec, "size", "Longest side of the picture, in pixels."),
    click.option(
        "-b",
        "--bands",
        type=options.BANDS,
        metavar="LIST",
        help="Bands as red, green and blue, or one.  [default: 1-3]",
    ),
    setting(
        PreviewSpec,
        "rescale",
        "To 8 bits: auto (all but 8 bits, 2 to 98%), none, minmax or percentile:LO,HI.",
    ),
    setting(
        PreviewSpec,
        "threshold",
        "Probability from which a pixel is building.  [default: the file's]",
        type=options.OPEN_UNIT,
    ),
    setting(PreviewSpec, "iou", "IoU of a match."),
    setting(
        PreviewSpec,
        "opacity",
        "Of what is laid over the scene, 0 to 1.  [default: 0.3, several classes 0.6]",
        type=float,
    ),
    setting(PreviewSpec, "beside", "Show the bare scene beside it.", is_flag=True),
    setting(PreviewSpec, "title", "Line over the picture.", show_default=False),
    setting(PreviewSpec, "split", "Chips of this split alone.", type=str),
    setting(PreviewSpec, "count", "Chips to show.  [default: 24, augmented 6]", type=int),
    setting(PreviewSpec, "seed", "Seed of their choice."),
    setting(
        PreviewSpec,
        "augment",
        "Show chips as training sees them.",
        type=click.Choice(["none", "light", "standard", "strong"]),
    ),
)
@options.overwrite
def preview(as_json: bool, **arguments: Any) -> None:
    """Draw a scene with what was found in it, or the chips of a chip index.

    SCENE is a raster of any size, or the folder of a chip index. Footprints, masks and class
    rasters are laid over it, probabilities drawn beside it. With --truth scene, truth and
    predictions stand side by side, with the metrics of what is shown. The output is a .png, .jpg,
    .pdf or .svg.

    \b
    Example:
        geoseg preview scene.tif buildings.gpkg -o buildings.png
        geoseg preview scene.tif buildings.gpkg --truth footprints.gpkg -o compared.png
        geoseg preview chips --split val -o chips.png
    """
    from geoseg.tools import preview as tool

    options.emit(tool.run(progress=options.progress(), **arguments), as_json)
