"""The scenes that a prediction was made from, as its provenance names them."""

from __future__ import annotations

from pathlib import Path

from geoseg.core.layer import Layer
from geoseg.errors import GeosegError
from geoseg.io.formats import kind_of
from geoseg.io.provenance import sources_of
from geoseg.io.scene_names import unique_names
from geoseg.io.vector.read import LAYER, describe_layers
from geoseg.labels.data_extent import scene_extent
from geoseg.report import Remarks
from geoseg.specs.vectors import VectorFiles


def source_scenes(prediction: VectorFiles, found: Layer, remarks: Remarks) -> dict[str, Layer]:
    """The extent of the data of each scene that the footprints ``found`` in ``prediction`` were
    made from.

    Empty where the file does not name them, where one of them is gone, is no raster that may be
    opened or is not on this machine (nothing is fetched that nobody typed), and where footprints of
    other scenes were added to the file since; ``remarks`` has the reason.
    """
    path = prediction.paths[0]
    names = _named(path, prediction.layer)
    if not names or len(prediction.paths) > 1:
        return {}
    own = found.columns.get("scene")
    others = set() if own is None else {str(name) for name in own} - set(unique_names(names))
    if others:
        remarks.append(f"{path}: has footprints of scenes that its provenance does not name")
        return {}
    extents = {}
    for name in names:
        scene = _found(name, path)
        if scene is None:
            remarks.append(
                f"{path}: was made from {name}, which is not there; truth beyond its data counts "
                "as missed unless `image` names it"
            )
            return {}
        try:
            if kind_of(scene) != "raster":
                return {}
            extents[scene] = scene_extent(scene)
        except GeosegError as error:
            remarks.append(f"{path}: was made from {name}, which cannot be opened: {error.message}")
            return {}
    return extents


def _named(path: Path, layer: str | None) -> tuple[str, ...]:
    """What the provenance of a vector file names as its sources."""
    tags = {each["layer"]: each["metadata"] for each in describe_layers(path)}
    chosen = layer or (LAYER if LAYER in tags else next(iter(tags), ""))
    return sources_of(tags.get(chosen, {}))


def _found(name: str, prediction: Path) -> str | None:
    """A file as it was typed, or of that name beside the prediction; None for addresses."""
    if "://" in name or name.startswith("/vsi"):
        return None
    for path in (Path(name), prediction.parent / Path(name).name):
        if path.is_file():
            return str(path)
    return None
