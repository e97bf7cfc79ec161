"""Footprints read from every format we take; GDAL's and Arrow's errors become geoseg's."""

from __future__ import annotations

import json
import re
import warnings as python_warnings
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.errors import GEOSException

from geoseg.core.layer import Layer
from geoseg.errors import InputError, UnsuitableError
from geoseg.io.formats import vector_kind
from geoseg.io.vector.condition import bad_condition, filtered
from geoseg.io.vector.source import LAYER, SourceLayer, choose, open_layers, sniff
from geoseg.io.vector.spacenet_csv import read_spacenet
from geoseg.io.vector.sqlite import is_lock, locked_input, miscounted
from geoseg.parallel.memory import check_memory
from geoseg.report import Remarks

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = ["LAYER", "describe_layers", "read_features", "read_footprints", "read_table"]

_POLYGONS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
_COLLECTION = shapely.GeometryType.GEOMETRYCOLLECTION


def read_footprints(
    path: Path | str,
    layer: str | None = None,
    *,
    where: str | None = None,
    columns: Collection[str] | None = None,
    scene: str | None = None,
    pixels: bool = False,
    remarks: Remarks | None = None,
    setting: str | None = "layer",
) -> Layer:
    """Polygons and their attributes, as :func:`read_features` finds them; ``remarks`` takes what
    was left out.

    Of a collection the polygons are taken. Points and lines have None in their place, so that rows
    keep their numbers. Raises UnsuitableError too where there is nothing but points and lines.
    """
    found = read_features(
        path,
        layer,
        where=where,
        columns=columns,
        scene=scene,
        pixels=pixels,
        remarks=remarks,
        setting=setting,
    )
    geometry, others = _polygons(found.geometry)
    solid = ~(shapely.is_missing(geometry) | shapely.is_empty(geometry))
    if others and not solid.any():
        raise UnsuitableError(f"{path}: holds a {next(iter(others))}, footprints are polygons")
    nothing = shapely.is_missing(found.geometry) | shapely.is_empty(found.geometry)
    left_out = {"without a geometry": int(nothing.sum())} | others
    counts = [f"{count} {name}" for name, count in left_out.items() if count]
    if counts and remarks is not None:
        remarks.append(f"{path}: left out what is no polygon: {', '.join(counts)}")
    return replace(found, geometry=geometry)


def read_features(
    path: Path | str,
    layer: str | None = None,
    *,
    where: str | None = None,
    columns: Collection[str] | None = None,
    scene: str | None = None,
    pixels: bool = False,
    remarks: Remarks | None = None,
    setting: str | None = "layer",
) -> Layer:
    """Geometries of any kind and their attributes, two-dimensional, with the CRS of the file (None
    where it has none).

    GeoPackage, GeoJSON, FlatGeobuf, GeoParquet, Shapefile, KML, GML, a geodatabase's folder, some
    of these zipped, or a SpaceNet CSV, by the first bytes. Of several layers that called
    "footprints" is taken unless ``layer`` names one, as users do by the ``setting``; of the
    features those for which the SQL condition ``where`` holds; of the columns those of ``columns``
    that there are, or all. Of a CSV of several images the footprints of ``scene`` are taken, by its
    file name; they come from ``PolygonWKT_Geo``, or with ``pixels`` or where there is no other
    column from ``PolygonWKT_Pix``, and then the layer is in ``pixels``. ``remarks`` takes what is
    missing of a Shapefile. Raises InputError (missing,
    unreadable, locked), UnsuitableError (no such layer, several and none named, no such image) and
    UsageError (``where``).
    """
    path = Path(path)
    kind = sniff(path)
    # a condition may name any of them; to GDAL those that are not read are NULL
    needed = columns if where is None else None
    with _reading(path):
        if kind == "csv":
            found = filtered(path, read_spacenet(path, scene, pixels), where)
        elif kind == "parquet":
            found = filtered(path, _parquet(path, needed), where)
        else:
            with open_layers(path, kind, remarks) as layers:
                found = _ogr(path, choose(path, layers, layer, setting), where, needed)
    wanted = {
        name: values
        for name, values in found.columns.items()
        if kind == "csv" or columns is None or name in columns
    }
    return replace(found, geometry=shapely.force_2d(found.geometry), columns=wanted)


def describe_layers(path: Path | str) -> list[dict[str, Any]]:
    """``layer``, ``features``, ``geometry``, ``crs`` and ``metadata`` (geoseg's provenance) of each
    layer, as its file says; nothing of a SpaceNet CSV. Raises as :func:`read_features`.
    """
    path = Path(path)
    kind = sniff(path)
    if kind == "csv":
        return []
    if kind == "parquet":
        with _reading(path):
            return [_about_parquet(path)]
    from geoseg.io.vector.ogr import pyogrio

    found = []
    with _reading(path), open_layers(path, kind) as layers:
        for each in layers:
            options = dict(each.options)
            about = pyogrio.read_info(each.path, each.layer, force_feature_count=True, **options)
            metadata = {**(about["dataset_metadata"] or {}), **(about["layer_metadata"] or {})}
            found.append(
                {
                    "layer": each.name,
                    "features": _true_count(each) or int(about["features"]),
                    "geometry": about["geometry_type"],
                    "crs": about["crs"] or None,
                    "metadata": metadata,
                }
            )
    return found


def _about_parquet(path: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    file = pq.read_metadata(path)
    metadata = file.metadata or {}
    return {
        "layer": path.stem,
        "features": file.num_rows,
        "geometry": None,
        "crs": None,
        "metadata": json.loads(metadata.get(b"geoseg", b"{}")),
    }


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """The errors of the libraries that read as InputError."""
    try:
        with python_warnings.catch_warnings():
            python_warnings.filterwarnings(
                "ignore", ".*(non conformant file extension|Non closed ring)", RuntimeWarning
            )
            yield
    except ValueError as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    except (RuntimeError, OSError, IndexError, RecursionError, GEOSException, CRSError) as error:
        if kind := re.search("Geometry type is not supported: (\\d+)", str(error)):
            raise _bad_kind(path, int(kind[1])) from error
        if is_lock(error):
            raise locked_input(path) from error
        if re.search("Cannot decrypt|read encrypted", str(error)):  # as Arrow has it
            raise InputError(f"{path}: is encrypted", "write it without encryption") from error
        check_memory(error)
        raise InputError(f"{path}: cannot be read: it is damaged") from error


# What pyogrio does not read, by the numbers that the formats of layers have for it
_KINDS = {15: "a PolyhedralSurface", 16: "a TIN", 17: "triangles"}


def _bad_kind(path: Path, number: int) -> UnsuitableError:
    """What a layer is of, whose kind has a ``number``: with 1000 more it has heights, with 2000
    measures, with 3000 both.
    """
    measured = number // 1000 in (2, 3)
    kind = "geometries of any kind with measures" if measured else _KINDS.get(number % 1000)
    hint = "ogr2ogr -dim XY" if measured else "ogr2ogr -nlt MULTIPOLYGON"
    return UnsuitableError(
        f"{path}: holds {kind or 'geometries'}, which geoseg does not read",
        f"{hint} footprints.gpkg FILE",
    )


# GDAL counts itself what a condition holds for, and pyogrio reads as many features as it counts
_ALL = "1 = 1"


def _ogr(
    path: Path, source: SourceLayer, where: str | None, columns: Collection[str] | None
) -> Layer:
    from geoseg.io.vector.ogr import pyogrio

    condition = _ALL if where is None and _true_count(source) is not None else where
    try:
        about, _, wkb, values = pyogrio.raw.read(
            source.path, source.layer, columns=columns, where=condition, **dict(source.options)
        )
    except (ValueError, pyogrio.errors.FeatureError) as error:
        if where is None:
            raise
        reason = str(error).partition(f"{where}: ")[2] or "no such column, or no SQL"
        raise bad_condition(path, where, reason) from error
    if wkb is None:
        raise UnsuitableError(f"{path}: holds no geometries")
    crs = CRS.from_user_input(about["crs"]) if about["crs"] else None
    return Layer(_geometry(wkb), crs, dict(zip(about["fields"].tolist(), values, strict=True)))


def _true_count(source: SourceLayer) -> int | None:
    """How many features a layer has, where its file says otherwise."""
    path = Path(source.path)
    if source.layer is None or vector_kind(path) != "gpkg":
        return None
    return miscounted(path, source.layer)


def _geometry(wkb: np.ndarray) -> np.ndarray:
    """Geometries, their rings closed; GEOSException where that is not enough."""
    # "fix" closes rings, and gives None for what it cannot mend: reading again raises what is wrong
    found = shapely.from_wkb(wkb, on_invalid="fix")
    if (shapely.is_missing(found) & (wkb != None)).any():  # noqa: E711
        shapely.from_wkb(wkb)
    return found


def _parquet(path: Path, columns: Collection[str] | None) -> Layer:
    import geopandas as gpd
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    try:
        geometry = json.loads(schema.metadata[b"geo"])["primary_column"]
    except (KeyError, TypeError) as error:
        raise UnsuitableError(f"{path}: holds no geometries", "write it as GeoParquet") from error
    names = [
        field.name
        for field in schema
        if field.name != geometry
        # the bounds that some writers add
        and not (field.name == "bbox" and pa.types.is_struct(field.type))
        and not field.name.startswith("__index_level_")
        and (columns is None or field.name in columns)
    ]
    try:
        shapes = gpd.read_parquet(path, columns=[geometry]).geometry
    except (KeyError, TypeError, AttributeError) as error:  # pandas' own metadata may say anything
        raise InputError(f"{path}: cannot be read: it is damaged") from error
    # not by geopandas, whose columns may be of types that only pandas has
    table = pq.read_table(path, columns=names)
    columns = {name: _decoded(table[name]).to_numpy() for name in names}
    return Layer(shapes.to_numpy(), shapes.crs, columns)


def _decoded(column: Any) -> Any:
    """A column of Arrow without a dictionary, as pandas' categories have one: as an array, what is
    missing in it would be the last of the categories.
    """
    import pyarrow as pa

    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _polygons(geometry: np.ndarray) -> tuple[np.ndarray, Counter[str]]:
    """The geometries, of collections the polygons in them, other kinds as None; and how many of
    which kind were left out.
    """
    kinds = shapely.get_type_id(geometry)
    out = geometry.copy()
    there = ~(shapely.is_missing(geometry) | shapely.is_empty(geometry))
    foreign = there & ~np.isin(kinds, (*_POLYGONS, _COLLECTION))
    others = Counter[str]()
    # counted by kind for the warning: "3 Point, 1 LineString"
    for kind in np.unique(kinds[foreign]):
        those = foreign & (kinds == kind)
        others[geometry[those][0].geom_type] = int(those.sum())
    out[foreign] = None
    for row in np.flatnonzero(there & (kinds == _COLLECTION)):
        parts = np.array(_parts(geometry[row]), object)
        solid = np.isin(shapely.get_type_id(parts), _POLYGONS)
        others.update(part.geom_type for part in parts[~solid])
        polygons = shapely.get_parts(parts[solid])
        # one polygon stays a Polygon, so that a layer of houses does not become one of
        # MultiPolygons
        out[row] = polygons[0] if len(polygons) == 1 else shapely.multipolygons(polygons)
    return out, others


def _parts(geometry: shapely.Geometry) -> list[shapely.Geometry]:
    """A geometry, or all in a collection, also where collections are in it."""
    if shapely.get_type_id(geometry) != _COLLECTION:
        return [geometry]
    return [part for each in geometry.geoms for part in _parts(each) if not part.is_empty]


def read_table(path: Path | str) -> gpd.GeoDataFrame:
    """A GeoParquet file that geoseg wrote, as it is."""
    import geopandas as gpd

    return gpd.read_parquet(path)
