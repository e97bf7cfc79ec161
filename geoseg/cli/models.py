"""``geoseg models``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command


@command
@click.option(
    "--encoder",
    type=options.ENCODER,
    metavar="NAME",
    help="Encoder to count with; tu-NAME is one of timm.  [default: that of the architecture]",
)
@click.option("--encoders", is_flag=True, help="List the encoders too.")
def models(as_json: bool, **arguments: Any) -> None:
    """List the bundled models and the architectures.

    The models that come with geoseg with their mean IoU and footprint F1 on places that they were
    not trained on and megapixels a second; architectures with parameter count, output stride and
    GFLOP per megapixel.

    \b
    Example:
        geoseg models --encoder tu-convnext_tiny
    """
    from geoseg.tools import models as tool

    options.emit(tool.run(**arguments), as_json)
