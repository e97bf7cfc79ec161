"""``geoseg extract``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options, scene_options, specs
from geoseg.cli.command import command, hurried
from geoseg.cli.failure import some_failed
from geoseg.specs import ExtractSpec, ExtractTarget, JobSpec, PredictSpec


@command
@options.scenes
@specs.spec_options(
    "target",
    ExtractTarget,
    options.layers_output,
    options.layer,
    options.vector_format,
    options.dst_crs,
    options.overwrite,
    click.option(
        "--append", is_flag=True, help="Add to an existing GeoPackage the footprints that it lacks."
    ),
    click.option(
        "--save-prob",
        type=options.FILE,
        metavar="PROB.tif",
        help="Write the probabilities too, as a GeoTIFF.",
    ),
)
@options.model
@specs.spec_options("predict_spec", PredictSpec, *specs.inference, specs.max_memory, options.aoi)
@specs.spec_options(
    "polygon_spec",
    ExtractSpec,
    *specs.polygons(ExtractSpec),
    specs.raw,
)
@options.bands
@scene_options.part_gsd_and_crs
@specs.reference
@specs.spec_options(
    "job",
    JobSpec,
    options.on_error,
    options.dry_run,
    options.resume,
    options.scheduler,
)
@options.threads
def extract(as_json: bool, **arguments: Any) -> None:
    """Extract building footprints from scenes.

    \b
    Example:
        geoseg extract scene.tif -o buildings.gpkg
    """
    from geoseg.parallel.memory import return_freed
    from geoseg.tools import extract as tool

    return_freed()
    hurried.set()

    report = tool.run(progress=options.progress(), **arguments)
    options.emit(report, as_json, error=some_failed(report.failed, len(report.inputs)))
