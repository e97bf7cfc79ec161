"""``geoseg doctor``."""

from __future__ import annotations

from geoseg.cli import options
from geoseg.cli.command import command


@command
def doctor(as_json: bool) -> None:
    """Show versions, devices, runtimes and missing packages.

    \b
    Example:
        geoseg doctor
    """
    from geoseg.tools import doctor as tool

    options.emit(tool.run(progress=options.progress()), as_json)
