"""Footprints that geoseg wrote, in another format."""

from __future__ import annotations

from pathlib import Path

from geoseg.core.layer import REGULARIZED, footprint_columns
from geoseg.io.vector.read import read_footprints
from geoseg.io.vector.write import create_vector


def copy_footprints(path: Path | str, target: Path | str, *, overwrite: bool = False) -> None:
    """Write the footprints of ``path`` to ``target``, in the format that its extension names.

    They are held in memory. Raises InputError, OutputError.
    """
    layer = read_footprints(path)
    types = {**footprint_columns(layer.crs), **REGULARIZED}
    columns = {name: kind for name, kind in types.items() if name in layer.columns}
    with create_vector(target, layer.crs, columns=columns, overwrite=overwrite) as out:
        out.write(layer)
