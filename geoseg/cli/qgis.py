"""``geoseg qgis``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command


@command
@click.option(
    "-o",
    "--output",
    type=options.FILE,
    required=True,
    help="Zip of the plugin, for Plugins > Install from ZIP.",
)
@options.overwrite
def qgis(as_json: bool, **arguments: Any) -> None:
    """Write the QGIS plugin, which runs extract from the Processing toolbox.

    \b
    Example:
        geoseg qgis -o geoseg-qgis.zip
    """
    from geoseg.tools import qgis as tool

    options.emit(tool.run(**arguments), as_json)
