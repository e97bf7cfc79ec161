"""``geoseg prepare``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command
from geoseg.cli.specs import setting, spec_options
from geoseg.specs import PrepareSpec

LAYOUTS = ("spacenet2", "whu", "kitti-road", "camvid", "folder")


@command
@click.argument("layout", type=click.Choice(LAYOUTS))
@click.argument("root", type=options.FILE, metavar="ROOT")
@options.folder
@spec_options(
    "spec",
    PrepareSpec,
    setting(
        PrepareSpec,
        "classes",
        "Classes of the labels: NAME, NAME=3 or NAME=#3c1098, comma-separated; void is ignored.  "
        "[default: those of the layout]",
    ),
    setting(PrepareSpec, "labels", "Name of the label folder (folder layout)."),
    setting(
        PrepareSpec,
        "pattern",
        "Regular expression that finds the scene name in a file name (folder layout).",
    ),
    setting(
        PrepareSpec,
        "imagery",
        "RGB-PanSharpen, MUL-PanSharpen, PAN or MUL (spacenet2).  [default: RGB-PanSharpen]",
    ),
    setting(PrepareSpec, "target", "Labels to use (kitti-road).  [default: road]"),
    setting(PrepareSpec, "size", "Largest chip in pixels per side; larger images are cut."),
    options.bands,
    setting(
        PrepareSpec,
        "rescale",
        "Stretch to 8 bits: none, minmax, percentile:LO,HI, or auto (2 to 98% unless 8-bit).",
    ),
    setting(
        PrepareSpec,
        "split",
        "Fractions of train, val and test where no split is published.",
    ),
    setting(
        PrepareSpec,
        "split_by",
        "Unit that is never split between train, val and test; auto: ground blocks, or scenes for "
        "images without a CRS.",
    ),
    setting(
        PrepareSpec, "block_size", "Block size in images (blocks are squares of N x N images)."
    ),
    setting(PrepareSpec, "seed", "Random seed of the split."),
    setting(PrepareSpec, "csv", "Also write train.csv, val.csv and test.csv for solaris."),
)
@options.jobs
@options.overwrite
@options.threads
def prepare(layout: str, root: Path, as_json: bool, **arguments: Any) -> None:
    """Convert a published data set to chips and a chip index.

    \b
    Example:
        geoseg prepare camvid CamVid -o chips
    """
    from geoseg.tools import prepare as tool

    options.emit(tool.run(layout, root, progress=options.progress(), **arguments), as_json)
