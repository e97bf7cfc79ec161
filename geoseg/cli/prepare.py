"""``geoseg prepare``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command
from geoseg.cli.options import setting, spec_options
from geoseg.specs import PrepareSpec

LAYOUTS = ("spacenet2", "whu", "kitti-road", "camvid", "folder")


@command
@click.argument("layout", type=click.Choice(LAYOUTS))
@click.argument("root", type=options.FILE, metavar="ROOT")
@options.output
@spec_options(
    "spec",
    PrepareSpec,
    setting(
        PrepareSpec,
        "classes",
        "Names of the labels: NAME, NAME=3 or NAME=#3c1098, ... or void.",
        type=str,
    ),
    setting(PrepareSpec, "labels", "Name of the folder of labels (folder).", type=str),
    setting(
        PrepareSpec,
        "pattern",
        "What of a picture's name is its scene: a regular expression (folder).",
        type=str,
    ),
    setting(
        PrepareSpec, "imagery", "RGB-PanSharpen, MUL-PanSharpen, PAN or MUL (spacenet2).", type=str
    ),
    setting(
        PrepareSpec, "target", "What is labelled (kitti-road).", type=click.Choice(["road", "lane"])
    ),
    setting(PrepareSpec, "size", "Pictures with longer sides are cut into even chips."),
    options.bands,
    setting(
        PrepareSpec,
        "rescale",
        "To 8 bits: auto (all but 8 bits, 2 to 98%), none, minmax or percentile:LO,HI.",
    ),
    setting(
        PrepareSpec,
        "split",
        "Shares of train, val and test where none is published.",
        type=options.FRACTIONS,
    ),
    setting(
        PrepareSpec,
        "split_by",
        "What that split keeps together; auto: blocks of ground, or scenes where pictures "
        "have no place on it.",
        type=click.Choice(["auto", "block", "scene", "random"]),
    ),
    setting(PrepareSpec, "block_size", "Pictures, or chips of larger ones, a side of a block."),
    setting(PrepareSpec, "seed", "Seed of that split."),
    setting(
        PrepareSpec,
        "csv",
        "Also write train.csv, val.csv and test.csv as solaris reads them.",
        is_flag=True,
    ),
)
@options.jobs
@options.overwrite
def prepare(layout: str, root: Path, as_json: bool, **arguments: Any) -> None:
    """Convert a published data set into chips and a chip index.

    \b
    Example:
        geoseg prepare camvid CamVid -o chips
    """
    from geoseg.tools import prepare as tool

    options.emit(tool.run(layout, root, progress=options.progress(), **arguments), as_json)
