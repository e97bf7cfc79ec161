"""``geoseg models``."""

from __future__ import annotations

from geoseg.cli import options
from geoseg.cli.command import command


@command
def models(as_json: bool) -> None:
    """List the architectures and their parameter counts.

    \b
    Example:
        geoseg models
    """
    from geoseg.tools import models as tool

    options.emit(tool.run(), as_json)
