"""Write the QGIS plugin, which runs `geoseg extract` from the Processing toolbox."""

from __future__ import annotations

import time
from pathlib import Path

from geoseg.io.qgis_plugin import write_plugin
from geoseg.report import Report


def run(output: Path | str, *, overwrite: bool = False) -> Report:
    """Write the plugin as a zip that QGIS installs. Raises OutputError."""
    start = time.perf_counter()
    write_plugin(output, overwrite)
    return Report(command="qgis", outputs=(str(output),), seconds=time.perf_counter() - start)
