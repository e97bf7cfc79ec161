"""Footprints written in every format we take; GDAL's and Arrow's errors become geoseg's.
:mod:`geoseg.io.vector.read` reads.
"""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError

from geoseg.core.layer import FOOTPRINTS, Layer
from geoseg.core.transformation import LONLAT, between
from geoseg.errors import UnsuitableError, UsageError
from geoseg.geometry.longitudes import mended, period, split_at_seam
from geoseg.io.atomic import (
    atomic,
    atomic_folder,
    atomic_parts,
    check_output,
    check_output_folder,
    unwritten,
)
from geoseg.io.vector.append import AppendTarget, append_to
from geoseg.io.vector.qgis_style import embed, graduated
from geoseg.io.vector.source import LAYER
from geoseg.io.vector.sqlite import atomic_sqlite
from geoseg.io.vector.verify import is_whole
from geoseg.parallel.memory import check_memory

if TYPE_CHECKING:
    from geoseg.io.vector.sinks import Sink

# A Shapefile's names hold ten characters
SHORT = {
    "perimeter_m": "perim_m",
    "perimeter_px": "perim_px",
    "regularized": "regular",
    "regularized_iou": "regul_iou",
}

_EXTENSIONS = {
    ".gpkg": "gpkg",
    ".geojson": "geojson",
    ".json": "geojson",
    ".fgb": "flatgeobuf",
    ".parquet": "parquet",
    ".geoparquet": "parquet",
    ".shp": "shapefile",
    ".pmtiles": "pmtiles",
}
_FORMATS = {
    "gpkg": "gpkg",
    "geopackage": "gpkg",
    "geojson": "geojson",
    "json": "geojson",
    "flatgeobuf": "flatgeobuf",
    "fgb": "flatgeobuf",
    "parquet": "parquet",
    "geoparquet": "parquet",
    "shapefile": "shapefile",
    "shp": "shapefile",
    "pmtiles": "pmtiles",
    "parquet-tiles": "parquet-tiles",
}
_OGR: dict[str, dict[str, Any]] = {
    "gpkg": {"driver": "GPKG", "dataset_options": {"VERSION": "1.2"}},
    "geojson": {
        "driver": "GeoJSON",
        "layer_options": {"RFC7946": "YES", "COORDINATE_PRECISION": "8"},
    },
    "flatgeobuf": {"driver": "FlatGeobuf"},
    "shapefile": {"driver": "ESRI Shapefile", "layer_options": {"ENCODING": "UTF-8"}},
    # 4,096 steps a tile are 0.15 m at zoom 16, the deepest; maps enlarge it beyond
    "pmtiles": {"driver": "PMTiles", "dataset_options": {"MINZOOM": "10", "MAXZOOM": "16"}},
}
_PARTS = (".shx", ".dbf", ".prj", ".cpg")
_LEFTOVERS = (".qix", ".sbn", ".sbx", ".qmd", ".shp.xml")
# Formats that are in one CRS alone, and how errors call it
_OWN_CRS = {
    "geojson": (LONLAT, "GeoJSON is in longitude and latitude"),
    "pmtiles": (CRS.from_epsg(3857), "PMTiles are in EPSG:3857"),
}


def format_of(path: Path | str, format: str | None = None) -> str:
    """``gpkg``, ``geojson``, ``flatgeobuf``, ``parquet``, ``shapefile``, ``pmtiles`` or
    ``parquet-tiles``, by ``format`` or else by the extension.

    Raises UsageError where it is none of them.
    """
    name = (format or "").lower().lstrip(".")
    found = _FORMATS.get(name) if format else _EXTENSIONS.get(Path(path).suffix.lower())
    if found is None:
        what = (
            f"{format!r} is not a vector format"
            if format
            else f"{path}: its extension names no vector format"
        )
        raise UsageError(what, "gpkg, geojson, fgb, parquet, parquet-tiles, shp or pmtiles")
    return found


def check_vector(path: Path | str, format: str | None = None, overwrite: bool = False) -> None:
    """Raise UsageError or OutputError where :func:`create_vector` would, before there is anything
    to write.
    """
    if format_of(path, format) == "parquet-tiles":
        check_output_folder(path, overwrite, _marker())
    else:
        check_output(path, overwrite)


class FootprintWriter:
    """Takes layers of one set of columns, one after the other; ``count`` features so far."""

    def __init__(
        self,
        path: Path | str,
        sink: Sink,
        columns: Mapping[str, str],
        crs: CRS | None,
        to: CRS | None,
        existing: AppendTarget | None = None,
        within_world: bool = False,
    ) -> None:
        self._path = path
        self._sink = sink
        self._columns = columns
        self._crs = crs
        self._to = to
        self._existing = existing
        self._within_world = within_world
        self.count = 0

    def write(self, batch: Layer) -> Layer:
        """Append ``batch``: polygons or multipolygons in its CRS, which is the one the writer was
        made for if it names none, all columns present.

        Returns what was written: all of it, but for what a layer that is appended to holds already.
        Raises UnsuitableError where some has no place in the CRS that is written.
        """
        own = batch.crs or self._crs
        to = self._to or self._crs
        if len(batch) and to is not None and own != to:
            batch = replace(batch, crs=own).to_crs(to)
            self._check_placed(batch, to)
            if circle := period(to):
                batch = replace(batch, geometry=mended(batch.geometry, circle))
        if len(batch) and self._within_world and (circle := period(to)):
            batch = replace(batch, geometry=split_at_seam(batch.geometry, circle))
        if len(batch) and self._existing is not None:
            batch = self._existing.filter_new(batch)
        return self._send(batch)

    def _check_placed(self, batch: Layer, to: CRS) -> None:
        points, of = shapely.get_coordinates(batch.geometry, return_index=True)
        lost = of[~np.isfinite(points).all(axis=1)]
        if len(lost):
            scene = f" of {batch.columns['scene'][lost[0]]}" if "scene" in batch.columns else ""
            raise UnsuitableError(
                f"{self._path}: footprints{scene} have no place in {to.name}",
                "name another CRS with `dst_crs`, such as EPSG:4326",
            )

    def finish(self) -> Layer:
        """Append what had to wait until all batches were known, and return it: footprints that give
        way to some of the layer which is appended to, where these were replaced in the end.
        """
        waited = self._existing.release() if self._existing else Layer(np.empty(0, object))
        return self._send(waited)

    def _send(self, batch: Layer) -> Layer:
        if not len(batch):
            return batch
        with writing(self._path):
            self._sink.send({name: batch.columns[name] for name in self._columns}, batch.geometry)
        self.count += len(batch)
        return batch


@contextmanager
def create_vector(
    path: Path | str,
    crs: CRS | None,
    *,
    columns: Mapping[str, str] = FOOTPRINTS,
    layer: str | None = None,
    format: str | None = None,
    dst_crs: str | CRS | None = None,
    overwrite: bool = False,
    metadata: Mapping[str, str] | None = None,
    style: str | None = None,
    append: bool = False,
) -> Iterator[FootprintWriter]:
    """A layer to write batches of polygons into; it appears under ``path`` when the block ends, or
    not at all.

    Batches come in ``crs`` and are written in ``dst_crs`` (GeoJSON and PMTiles have one of their
    own).
    ``columns`` maps names to Arrow types; a layer without features has them too, where the format
    can say so. ``metadata`` goes into GeoPackage and GeoParquet, and into a GeoPackage a ``style``,
    the QML that QGIS draws the layer with; layers with a confidence are coloured by it if there is
    no other. With ``append`` a GeoPackage that exists gets what it does not hold yet, in its own
    CRS. Raises UsageError (format, CRS), OutputError, and UnsuitableError (a layer that cannot be
    appended to).
    """
    kind = format_of(path, format)
    layer = layer or LAYER
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
        existing = None
        if append and Path(path).exists():
            existing = stack.enter_context(append_to(Path(path), layer, columns))
            kind = "gpkg"
            dst_crs = existing.target_crs(dst_crs)
        to = _target(path, kind, crs, dst_crs)
        _check_named(path, kind, to or crs)
        output = _output(kind, path, overwrite)
        temporary = existing.added if existing else stack.enter_context(output)
        with writing(path):
            sink = _sink(kind, temporary, columns, to or crs, layer, dict(metadata or {}))
        stack.callback(sink.abort)
        writer = FootprintWriter(
            path, sink, columns, crs, to, existing, within_world=kind == "pmtiles"
        )
        yield writer
        writer.finish()
        with writing(path):
            sink.close()
            if not existing and kind == "gpkg" and (style or "confidence" in columns):
                embed(temporary, layer, style or graduated())
            if not is_whole(temporary, kind, layer, writer.count):
                raise unwritten(path, "was cut short")
            if existing:
                existing.merge(columns)


def _output(kind: str, path: Path | str, overwrite: bool) -> AbstractContextManager[Path]:
    """What yields the path to write to until the output is whole."""
    if kind == "parquet-tiles":
        return atomic_folder(path, overwrite, _marker())
    if kind == "shapefile":
        return atomic_parts(path, overwrite, _PARTS, _LEFTOVERS)
    return atomic_sqlite(path, overwrite) if kind == "gpkg" else atomic(path, overwrite)


def _marker() -> str:
    """What a folder of GeoParquet by map tile holds, by which it is known as one that we wrote."""
    from geoseg.io.vector.partitions import MARKER

    return MARKER


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, OSError, sqlite3.Error) as error:
        check_memory(error)
        raise unwritten(path, str(error)) from error


def _target(path: Path | str, kind: str, crs: CRS | None, dst_crs: str | CRS | None) -> CRS | None:
    """CRS to transform to, None where there is nothing to do."""
    own, reason = _OWN_CRS.get(kind, (None, ""))
    if crs is None and kind in ("pmtiles", "parquet-tiles"):
        raise UsageError("map tiles need a CRS, pixels have no place there", "write a GeoPackage")
    if kind == "parquet-tiles":
        between(crs, LONLAT, path)  # which tile a footprint lies in
    if dst_crs is None and (own is None or crs is None):
        return None
    if crs is None:
        raise UsageError("`dst_crs` needs a raster with a CRS", "assign one with `crs`")
    try:
        to = own if dst_crs is None else CRS.from_user_input(dst_crs)
    except CRSError as error:
        raise UsageError(f"{dst_crs} is no CRS", "for example EPSG:32736") from error
    assert to is not None
    if own is not None and not to.equals(own, ignore_axis_order=True):
        raise UsageError(reason, "leave `dst_crs` out, or write a GeoPackage")
    if to.equals(crs, ignore_axis_order=True):
        return None
    between(crs, to, path)  # raises before there is anything to write
    return to


def _check_named(path: Path | str, kind: str, crs: CRS | None) -> None:
    """Raise UsageError for a CRS that GDAL would write down as another: it calls any transverse
    Mercator of a scale of 0.9996 UTM, whose coordinates are metres.
    """
    if kind not in ("gpkg", "flatgeobuf") or crs is None or crs.to_epsg():
        return
    axes = crs.axis_info
    operation = crs.coordinate_operation
    if operation is None or not axes or axes[0].unit_conversion_factor == 1:
        return
    values = {each.name: each.value for each in operation.params}
    if operation.method_name == "Transverse Mercator" and 0.9996 in values.values():
        raise UsageError(
            f"{path}: UTM in units of {axes[0].unit_name} cannot be written into this format",
            "name one in metres as `dst_crs`, or write GeoParquet",
        )


def _sink(
    kind: str,
    path: Path,
    columns: Mapping[str, str],
    crs: CRS | None,
    layer: str,
    metadata: dict[str, str],
) -> Sink:
    import pyarrow as pa

    from geoseg.io.vector.partitions import TiledParquetSink
    from geoseg.io.vector.sinks import OgrSink, ParquetSink

    if kind in ("parquet", "parquet-tiles"):
        made: Any = ParquetSink if kind == "parquet" else TiledParquetSink
        fields = pa.schema([(n, pa.type_for_alias(t)) for n, t in columns.items()])
        sink: Sink = made(path, fields, crs, metadata)
        return sink
    names = SHORT if kind == "shapefile" else {}
    schema = pa.schema(
        [(names.get(name, name), pa.type_for_alias(alias)) for name, alias in columns.items()]
    )
    options = dict(_OGR[kind])
    if kind == "gpkg":
        # the layer's, for those of the dataset are copied into a .aux.xml by whoever reads it
        options |= {"layer_metadata": metadata or None}
    # RFC 7946 is in longitude and latitude, which pixels are not
    if kind == "geojson" and crs is None:
        options["layer_options"] = {"RFC7946": "NO"}
    if kind == "pmtiles":
        # else the name of the draft would stand in the file
        options["dataset_options"] = {**options["dataset_options"], "NAME": layer}
        # GDAL takes the bounds from the features, and without any fails
        world = {**options["dataset_options"], "BOUNDS": "-180,-85,180,85"}
        options["if_empty"] = {"dataset_options": world}
    # a Shapefile's layer is its file
    options["layer"] = path.stem if kind == "shapefile" else layer
    return OgrSink(path, schema, crs.to_wkt() if crs else None, **options)
