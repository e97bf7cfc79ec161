"""solaris 0.4.0, against which the tests of this folder compare: fetched, unpacked, and imported
without what it would pull in.

Current versions of pip refuse its metadata, and its pins cannot stand beside current packages, so
geoseg itself never imports it. An older pip fetches the wheel alone; what is missing and not needed
here is replaced by stand-ins while it is imported.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from unittest.mock import MagicMock

VERSION = "0.4.0"
# Drivers, training and plots: nothing of it is compared
ABSENT = (
    *(
        "gdal",
        "osr",
        "ogr",
        "osgeo",
        "osgeo.gdal",
        "tensorflow",
        "keras",
        "albumentations",
        "torch",
        "cv2",
    ),
    *(
        "fiona",
        "fiona.errors",
        "fiona._err",
        "rtree",
        "rtree.core",
        "networkx",
        "matplotlib",
        "matplotlib.pyplot",
        "yaml",
    ),
    *("solaris.nets", "solaris.bin", "solaris.preproc"),
)
# Where its source trips over arrays that are empty, which today have no truth value
MENDED = {
    "tile/raster_tile.py": [("if self.alpha:", "if self.alpha is not None and len(self.alpha):")]
    * 2
}


class Unavailable(Exception):
    """The wheel could not be had; the message says why."""


def fetch(folder: Path) -> Path:
    """Unpack the wheel in ``folder`` unless it is there, and return what to put on the path."""
    unpacked = folder / f"solaris-{VERSION}"
    if unpacked.is_dir():
        return unpacked
    with TemporaryDirectory(dir=folder) as name:
        draft = Path(name)
        _pip("install", "--target", str(draft / "pip"), "pip<24.1")
        old = os.environ | {"PYTHONPATH": str(draft / "pip")}
        _pip("download", "--no-deps", "--dest", str(draft), f"solaris=={VERSION}", environment=old)
        with zipfile.ZipFile(next(draft.glob(f"solaris-{VERSION}-*.whl"))) as wheel:
            wheel.extractall(draft / "unpacked")
        for part, changes in MENDED.items():
            _mend(draft / "unpacked/solaris" / part, changes)
        with suppress(OSError):  # another process may have been quicker
            (draft / "unpacked").rename(unpacked)
    return unpacked


def _pip(*arguments: str, environment: dict[str, str] | None = None) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        *arguments,
        "--quiet",
        "--retries",
        "1",
        "--timeout",
        "30",
    ]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        errors = [
            line for line in done.stderr.splitlines() if line.startswith("ERROR")
        ] or done.stderr.splitlines()
        raise Unavailable(
            f"`pip {arguments[0]}` of solaris {VERSION} failed: "
            f"{errors[-1] if errors else 'no message'}"
        )


def _mend(path: Path, changes: list[tuple[str, str]]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text, f"{path} is not the source that is known"
        text = text.replace(old, new, 1)
    path.write_text(text)


def load(unpacked: Path) -> ModuleType:
    """The package, with its submodules ``vector.mask``, ``tile.raster_tile`` and ``eval.base``."""
    import shapely.ops
    import skimage.morphology

    shapely.ops.cascaded_union = shapely.ops.unary_union
    if not hasattr(skimage.morphology, "square"):
        skimage.morphology.square = lambda width: skimage.morphology.footprint_rectangle(
            (width, width)
        )
    with _stood_in(), _on_path(unpacked):
        return importlib.import_module("solaris")


@contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


@contextmanager
def _stood_in() -> Iterator[None]:
    """Stand-ins for what solaris imports and is not there, or costs more to import than it is
    worth.
    """
    from packaging.version import Version

    known = {name: sys.modules.get(name) for name in (*ABSENT, "distutils", "distutils.version")}
    for name in known:
        sys.modules[name] = MagicMock(name=name)
    sys.modules["distutils.version"].LooseVersion = Version
    try:
        yield
    finally:
        for name, module in known.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module
