"""``geoseg models``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command


@command
@click.option(
    "--encoder",
    metavar="NAME",
    help="With this encoder; tu-NAME is timm's.  [default: the architecture's]",
)
@click.option("--encoders", is_flag=True, help="List the names of the encoders too.")
def models(as_json: bool, **arguments: Any) -> None:
    """List the architectures: their parameters, the stride of their coarsest features, operations a
    megapixel.

    \b
    Example:
        geoseg models --encoder tu-convnext_tiny
    """
    from geoseg.tools import models as tool

    options.emit(tool.run(**arguments), as_json)
