"""geoseg: extract building footprints from georeferenced imagery.

The library has one function for each command, with the same settings under the same names::

    import geoseg

    buildings = geoseg.extract("scene.tif")  # a GeoDataFrame
    geoseg.extract("scene.tif", "buildings.gpkg", min_area="20m2")  # a file and a report

Errors that a caller can cause are :class:`GeosegError`. Nothing is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from geoseg.api.chips import prepare, tile
    from geoseg.api.footprints import extract, polygonize
    from geoseg.api.looking import info, preview
    from geoseg.api.model import Model, load_model
    from geoseg.api.networks import export, train
    from geoseg.api.rasters import predict, rasterize, stitch
    from geoseg.api.scores import evaluate
    from geoseg.api.tuning import tune
    from geoseg.core.grid import Grid
    from geoseg.errors import GeosegError

_HOME = {
    "Grid": "core.grid",
    "GeosegError": "errors",
    "Model": "api.model",
    "evaluate": "api.scores",
    "export": "api.networks",
    "extract": "api.footprints",
    "info": "api.looking",
    "load_model": "api.model",
    "polygonize": "api.footprints",
    "predict": "api.rasters",
    "prepare": "api.chips",
    "preview": "api.looking",
    "rasterize": "api.rasters",
    "stitch": "api.rasters",
    "tile": "api.chips",
    "train": "api.networks",
    "tune": "api.tuning",
}
__all__ = [
    "GeosegError",
    "Grid",
    "Model",
    "__version__",
    "evaluate",
    "export",
    "extract",
    "info",
    "load_model",
    "polygonize",
    "predict",
    "prepare",
    "preview",
    "rasterize",
    "stitch",
    "tile",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'geoseg' has no attribute {name!r}")
    return getattr(import_module(f"geoseg.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
