"""Footprints read from every format we take; GDAL's and Arrow's errors become geoseg's.

pandas and geopandas, which take longer to be imported than most layers to be read, stay out
wherever they can.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.errors import GEOSException

from geoseg.core.layer import Layer
from geoseg.errors import InputError, UnsuitableError
from geoseg.io.formats import HEAD, vector_format
from geoseg.io.safety import first_bytes
from geoseg.io.vector.geopackage import read_geopackage
from geoseg.io.vector.spacenet_csv import read_spacenet

LAYER = "footprints"
_POLYGONS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


def read_footprints(
    path: Path | str,
    layer: str | None = None,
    *,
    columns: Collection[str] | None = None,
    scene: str | None = None,
    pixels: bool = False,
) -> Layer:
    """Polygons and their attributes, two-dimensional, with the CRS of the file (None where it has
    none).

    GeoPackage, GeoJSON, FlatGeobuf, GeoParquet, Shapefile, or a SpaceNet CSV, by the first bytes.
    Of several layers that called "footprints" or else the first is taken unless ``layer`` names
    one; of the columns those of ``columns`` that there are, or all. Of a CSV of several images the
    footprints of ``scene`` are taken, by its file name; they come from ``PolygonWKT_Geo``, or with
    ``pixels`` or where there is no other column from ``PolygonWKT_Pix``, and then the layer is in
    ``pixels``. Raises InputError (missing, unreadable) and UnsuitableError (no such layer, no such
    image, no polygons).
    """
    path = Path(path)
    kind = _sniff(path)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", ".*(non conformant file extension|Non closed ring)", RuntimeWarning
            )
            found = (
                read_spacenet(path, scene, pixels)
                if kind == "csv"
                else _read(path, kind, layer, columns)
            )
    except ValueError as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    except (RuntimeError, OSError, IndexError, GEOSException, CRSError) as error:
        raise InputError(f"{path}: cannot be read: it is damaged") from error
    geometry = found.geometry
    there = ~(shapely.is_missing(geometry) | shapely.is_empty(geometry))
    other = there & ~np.isin(shapely.get_type_id(geometry), _POLYGONS)
    if other.any():
        raise UnsuitableError(
            f"{path}: holds a {geometry[other][0].geom_type}, footprints are polygons"
        )
    return Layer(shapely.force_2d(geometry), found.crs, found.columns, found.pixels)


def _sniff(path: Path) -> str:
    if found := vector_format(first_bytes(path, HEAD)):
        return found
    raise InputError(
        f"{path}: is not a vector file we read",
        "GeoPackage, GeoJSON, FlatGeobuf, GeoParquet or Shapefile",
    )


def _read(path: Path, kind: str, layer: str | None, columns: Collection[str] | None) -> Layer:
    if kind == "parquet":
        from geoseg.io.vector.geoparquet import read_geoparquet

        plain = read_geoparquet(path, columns)
        return _parquet(path, columns) if plain is None else plain
    plain = read_geopackage(path, layer, LAYER, columns) if kind == "gpkg" else None
    return (
        _ogr(path, _layer(path, layer) if kind == "gpkg" else None, columns)
        if plain is None
        else plain
    )


def _ogr(path: Path, layer: str | None, columns: Collection[str] | None) -> Layer:
    from geoseg.io.vector.ogr import pyogrio

    about, _, wkb, values = pyogrio.raw.read(path, layer, columns=columns)
    if wkb is None:
        raise UnsuitableError(f"{path}: holds no geometries")
    crs = CRS.from_user_input(about["crs"]) if about["crs"] else None
    return Layer(_geometry(wkb), crs, dict(zip(about["fields"].tolist(), values, strict=True)))


def _geometry(wkb: np.ndarray) -> np.ndarray:
    """Geometries, their rings closed; GEOSException where that is not enough."""
    found = shapely.from_wkb(wkb, on_invalid="fix")
    if (shapely.is_missing(found) & (wkb != None)).any():  # noqa: E711
        shapely.from_wkb(wkb)
    return found


def _layer(path: Path, wanted: str | None) -> str:
    from geoseg.io.vector.ogr import pyogrio

    layers = {str(name): kind for name, kind in pyogrio.list_layers(path)}
    if wanted is not None and wanted not in layers:
        raise UnsuitableError(
            f"{path}: has no layer {wanted}", f"its layers: {', '.join(layers) or 'none'}"
        )
    spatial = [name for name, kind in layers.items() if kind is not None]
    if not spatial:
        raise UnsuitableError(f"{path}: holds no geometries")
    return wanted or (LAYER if LAYER in spatial else spatial[0])


def _parquet(path: Path, columns: Collection[str] | None) -> Layer:
    import geopandas as gpd

    try:
        frame = gpd.read_parquet(path)
    except ValueError as error:
        if "geo" not in str(error):
            raise
        raise UnsuitableError(f"{path}: holds no geometries", "write it as GeoParquet") from error
    names = [
        name
        for name in frame.columns
        if name != frame.geometry.name and (columns is None or name in columns)
    ]
    return Layer(
        frame.geometry.to_numpy(), frame.crs, {str(name): frame[name].to_numpy() for name in names}
    )
