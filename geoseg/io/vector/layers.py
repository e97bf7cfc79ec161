"""Several layers in one GeoPackage, each with its style."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from geoseg.core.layer import Layer
from geoseg.errors import UsageError
from geoseg.io.atomic import check_output, unwritten
from geoseg.io.vector.qgis_style import embed
from geoseg.io.vector.sinks import OgrSink
from geoseg.io.vector.sqlite import atomic_sqlite
from geoseg.io.vector.verify import is_whole
from geoseg.io.vector.write import format_of, writing


def check_layers(path: Path | str, overwrite: bool = False) -> None:
    """Raise UsageError where ``path`` is to be no GeoPackage, OutputError where it exists or cannot
    be written.
    """
    if format_of(path) != "gpkg":
        raise UsageError(f"{path}: several layers go into a GeoPackage", "name it .gpkg")
    check_output(path, overwrite)


def write_layers(
    path: Path | str,
    layers: Mapping[str, Layer],
    styles: Mapping[str, str],
    *,
    overwrite: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write ``layers`` by name into a GeoPackage that appears whole or not at all; ``styles`` has
    the QML of each.

    Raises OutputError; :func:`check_layers` does so beforehand.
    """
    with atomic_sqlite(path, overwrite) as temporary, writing(path), warnings.catch_warnings():
        # those of pictures are in pixels
        warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
        for number, (name, layer) in enumerate(layers.items()):
            # the file is made with the first layer
            made = {} if number else {"dataset_options": {"VERSION": "1.2"}}
            described = {"layer_metadata": dict(metadata or {}) or None}
            _write(temporary, name, layer, made | described)
        for name, style in styles.items():
            embed(temporary, name, style)
        if not all(is_whole(temporary, "gpkg", name, len(layers[name])) for name in layers):
            raise unwritten(path, "was cut short")


def _write(path: Path, name: str, layer: Layer, options: dict[str, Any]) -> None:
    columns = {
        field: pa.array(values, _text(values), from_pandas=True)
        for field, values in layer.columns.items()
    }
    schema = pa.schema([(field, values.type) for field, values in columns.items()])
    crs = layer.crs.to_wkt() if layer.crs else None
    sink = OgrSink(path, schema, crs, driver="GPKG", layer=name, **options)
    try:
        if len(layer):
            sink.send(layer.columns, np.asarray(layer.geometry))
        sink.close()
    finally:
        sink.abort()


def _text(values: np.ndarray) -> pa.DataType | None:
    """Objects are text, also where there are none; numbers have a type of their own."""
    return pa.string() if values.dtype.kind == "O" else None
