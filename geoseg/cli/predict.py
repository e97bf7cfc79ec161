"""``geoseg predict``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options, scene_options, specs
from geoseg.cli.command import command, hurried
from geoseg.cli.failure import some_failed
from geoseg.specs import JobSpec, PredictSpec, RasterTarget


@command
@options.scenes
@options.model
@specs.spec_options("spec", PredictSpec, *specs.inference, specs.max_memory, options.aoi)
@options.bands
@scene_options.part_gsd_and_crs
@specs.spec_options(
    "target",
    RasterTarget,
    options.raster_output,
    specs.setting(
        RasterTarget, "dtype", "Data type: uint8 is 0..254 with 255 as nodata, float32 is 0..1."
    ),
    click.option(
        "--classes",
        is_flag=True,
        help="Write the most probable class of each pixel.  [default: probabilities]",
    ),
    options.creation_options,
    options.overwrite,
)
@specs.spec_options(
    "job", JobSpec, options.on_error, options.dry_run, options.resume, options.scheduler
)
@options.threads
def predict(as_json: bool, **arguments: Any) -> None:
    """Predict the building probability of every pixel.

    \b
    Example:
        geoseg predict scene.tif -o probability.tif
    """
    from geoseg.parallel.memory import return_freed
    from geoseg.tools import predict as tool

    return_freed()
    hurried.set()

    report = tool.run(progress=options.progress(), **arguments)
    options.emit(report, as_json, error=some_failed(report.failed, len(report.inputs)))
