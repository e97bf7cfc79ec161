"""``geoseg tile``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command
from geoseg.cli.options import setting, spec_options
from geoseg.errors import UsageError
from geoseg.specs import ChipSpec


@command
@options.scenes
@options.output
@spec_options(
    "spec",
    ChipSpec,
    setting(ChipSpec, "size", "Pixels a side."),
    setting(ChipSpec, "overlap", "Pixels shared with the neighbours."),
    setting(
        ChipSpec,
        "edge",
        "What to do at the scene's edge.",
        type=click.Choice(["shift", "pad", "partial", "drop"]),
    ),
    setting(ChipSpec, "max_nodata", "Leave out chips with a larger share of nodata."),
    options.bands,
    setting(ChipSpec, "rescale", "To 8 bits over all scenes: none, minmax or percentile:LO,HI."),
    setting(
        ChipSpec, "gsd", "Resample to this many metres a pixel.  [default: the scene's]", type=float
    ),
    setting(ChipSpec, "split", "Shares of train, val and test.", type=options.FRACTIONS),
    setting(
        ChipSpec,
        "split_by",
        "What a split keeps together.",
        type=click.Choice(["block", "scene", "random"]),
    ),
    setting(ChipSpec, "block_size", "Tiles a side of a block."),
    setting(ChipSpec, "seed", "Seed of the split."),
    setting(ChipSpec, "format", "Format of the chips.", "-f", type=click.Choice(["tif", "png"])),
)
@click.option(
    "--stride",
    type=click.IntRange(1),
    help="Pixels from one chip to the next, instead of --overlap.",
)
@click.option(
    "--labels",
    type=options.FILE,
    help="Footprints or mask to burn beside the chips; or a folder of them.",
)
@options.aoi
@options.creation_options
@options.jobs
@click.option(
    "--resume", is_flag=True, help="Keep what was cut when stopped, and go on there next time."
)
@options.overwrite
@click.option(
    "--force",
    is_flag=True,
    help="Cut scenes even if they claim far more pixels than their files can hold.",
)
def tile(spec: ChipSpec, stride: int | None, as_json: bool, **arguments: Any) -> None:
    """Cut scenes into georeferenced chips and a chip index.

    \b
    Example:
        geoseg tile scene.tif -o chips --labels footprints.gpkg --size 256
    """
    from geoseg.tools import tile as tool

    if stride and spec.overlap:
        raise UsageError("--stride and --overlap exclude each other")
    if stride and stride > spec.size:
        raise UsageError(
            f"--stride {stride} is larger than --size {spec.size}",
            "it would leave gaps between the chips",
        )
    if stride:
        spec = replace(spec, overlap=spec.size - stride)
    options.emit(tool.run(spec=spec, progress=options.progress(), **arguments), as_json)
