"""``geoseg tile``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from geoseg.cli import options, scene_options
from geoseg.cli.command import command
from geoseg.cli.specs import setting, spec_options
from geoseg.specs import ChipSpec, FolderTarget


@command
@options.scenes
@options.folder
@spec_options(
    "spec",
    ChipSpec,
    setting(ChipSpec, "size", "Chip size in pixels per side."),
    setting(ChipSpec, "overlap", "Overlap of neighbouring chips in pixels."),
    setting(
        ChipSpec,
        "edge",
        "Chips at the scene's edge: shift inside, pad with nodata, keep partial ones, or drop.",
    ),
    setting(ChipSpec, "max_nodata", "Leave out chips with a larger fraction of nodata, 0 to 1."),
    options.bands,
    setting(
        ChipSpec,
        "rescale",
        "Stretch to 8 bits, the same for all scenes: none, minmax or percentile:LO,HI.",
    ),
    setting(
        ChipSpec,
        "gsd",
        "Metres per pixel: to resample to, or of imagery without a CRS.  [default: that of the "
        "scene]",
    ),
    setting(
        ChipSpec,
        "split",
        "Fractions of train, val and test.  [default: 0.8,0.1,0.1 with --labels, else no split]",
    ),
    setting(ChipSpec, "split_by", "Unit that is never split between train, val and test."),
    setting(ChipSpec, "block_size", "Block size in tiles (blocks are squares of N x N tiles)."),
    setting(ChipSpec, "seed", "Random seed of the split."),
    setting(ChipSpec, "format", "Format of the chips.", "-f"),
)
@click.option(
    "--stride",
    type=click.IntRange(1),
    help="Distance from one chip to the next in pixels, instead of --overlap.",
)
@options.labels(
    "Footprints or masks of the scenes: files (repeatable), or a folder, of which the file named "
    "like the scene is taken, else all of them.  [default: none]"
)
@options.aoi
@scene_options.part_in_crs
@options.creation_options
@options.jobs
@options.scheduler
@click.option(
    "--resume",
    is_flag=True,
    help="Keep finished chips when interrupted, and continue from them.  [default: start over]",
)
@options.overwrite
@options.threads
def tile(
    spec: ChipSpec,
    stride: int | None,
    output: str,
    overwrite: bool,
    resume: bool,
    as_json: bool,
    **arguments: Any,
) -> None:
    """Cut scenes into georeferenced chips and a chip index.

    \b
    Example:
        geoseg tile scene.tif -o chips --labels footprints.gpkg --size 256
    """
    from geoseg.tools import tile as tool

    spec = spec.with_stride(stride)
    target = replace(FolderTarget.of(output), overwrite=overwrite, resume=resume)
    report = tool.run(target=target, spec=spec, progress=options.progress(), **arguments)
    options.emit(report, as_json)
