"""The QGIS plugin as a zip that QGIS installs."""

from __future__ import annotations

import zipfile
from importlib import resources
from pathlib import Path

from geoseg import __version__
from geoseg.io.atomic import atomic

FOLDER = "geoseg_qgis"  # not geoseg: QGIS's Python may have that itself
# the earliest that the format knows: equal content gives equal bytes
_DATE = (1980, 1, 1, 0, 0, 0)


def write_plugin(path: Path | str, overwrite: bool = False) -> None:
    """Write the plugin; it appears whole or not at all. Raises OutputError."""
    files = resources.files("geoseg") / "qgis"
    about = (files / "metadata.txt").read_text("utf-8").replace("VERSION", __version__)
    content = {"metadata.txt": about, "__init__.py": (files / "plugin.py").read_text("utf-8")}
    with atomic(path, overwrite) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, text in content.items():
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}", _DATE)
            archive.writestr(entry, text, zipfile.ZIP_DEFLATED)
