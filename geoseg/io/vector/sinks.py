"""Where batches of features go: GDAL's formats, in a thread of its own, and GeoParquet."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS

from geoseg.io.plain_names import plain

GEOMETRY = "geometry"
# Readers skip row groups by their bounds: smaller ones are skipped more often, larger ones read
# faster
_ROW_GROUP = 2**16
_EDGES = ("xmin", "ymin", "xmax", "ymax")
_BBOX = pa.field("bbox", pa.struct([(edge, pa.float64()) for edge in _EDGES]))


class Sink(Protocol):
    """Takes batches of one schema until ``close`` or ``abort``; RuntimeError or OSError where it
    cannot write. ``abort`` gives up what is not closed, and does nothing to what is.
    """

    def send(self, columns: Mapping[str, np.ndarray], geometry: np.ndarray) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...


class OgrSink:
    """Streams record batches into one call of GDAL, so that nothing is opened twice and any format
    can take them.

    Geometries become MultiPolygons, so that the layer has one type also when it is empty. ``crs``
    is WKT or None, ``if_empty`` options that take the place of others where there is no batch.
    """

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        crs: str | None,
        *,
        if_empty: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        # Loaded before the thread starts: it loads pandas, as the first array of pyarrow does, and
        # two threads that load one package at once can wait for each other for ever.
        from geoseg.io.vector.ogr import pyogrio

        self._write_arrow = pyogrio.write_arrow
        wkb = pa.field(GEOMETRY, pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"})
        self.schema = schema.append(wkb)
        self.options = {
            "crs": crs,
            "geometry_name": GEOMETRY,
            "geometry_type": "MultiPolygon",
            **options,
        }
        self.if_empty = if_empty or {}
        self._batches: queue.Queue[pa.RecordBatch | None] = queue.Queue(2)
        self._stop = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._write, args=(path,), daemon=True)
        self._thread.start()

    def send(self, columns: Mapping[str, np.ndarray], geometry: np.ndarray) -> None:
        self._put(_batch(columns, shapely.to_wkb(_multi(geometry)), self.schema))

    def close(self) -> None:
        self._put(None)
        self._thread.join()
        if self._error:
            raise self._error

    def abort(self) -> None:
        self._stop.set()
        self._thread.join()

    def _put(self, batch: pa.RecordBatch | None) -> None:
        # Not a plain put: where the thread ended with an error nobody takes from the full queue any
        # more
        while self._thread.is_alive():
            try:
                return self._batches.put(batch, timeout=0.1)
            except queue.Full:
                continue
        if self._error:
            raise self._error

    def _write(self, path: Path) -> None:
        try:
            taken = self._taken()
            first = list(islice(taken, 1))
            options = self.options if first else {**self.options, **self.if_empty}
            batches = pa.RecordBatchReader.from_batches(self.schema, chain(first, taken))
            with plain(path) as name:
                self._write_arrow(batches, name, **options)
        # Of any class, for GDAL's, Arrow's and memory's share none: an error that ended with this
        # thread would be an output that is silently short. It is raised where batches come from.
        except Exception as error:
            self._error = error

    def _taken(self) -> Iterator[pa.RecordBatch]:
        while not self._stop.is_set():
            try:
                batch = self._batches.get(timeout=0.1)
            except queue.Empty:
                continue
            if batch is None:
                return
            yield batch
        raise RuntimeError("stopped")


class ParquetSink:
    """GeoParquet 1.1, WKB, row groups of some ten thousand features (GDAL's wheels have no Parquet
    driver). With ``bounds`` each row has its own, in a column ``bbox``, by which readers filter.
    """

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        crs: CRS | None,
        metadata: dict[str, str],
        bounds: bool = False,
    ) -> None:
        self.schema = schema.append(pa.field(GEOMETRY, pa.binary()))
        self.crs = crs
        self.metadata = metadata
        self.bounds = bounds
        written = self.schema.append(_BBOX) if bounds else self.schema
        self._writer = pq.ParquetWriter(path, written, compression="zstd", store_schema=False)
        self._waiting: list[pa.RecordBatch] = []
        self._types: set[str] = set()
        self._bounds = np.array([np.inf, np.inf, -np.inf, -np.inf])

    def send(self, columns: Mapping[str, np.ndarray], geometry: np.ndarray) -> None:
        batch = _batch(columns, shapely.to_wkb(geometry), self.schema)
        if self.bounds:
            edges = [pa.array(edge) for edge in shapely.bounds(geometry).T]
            boxes = pa.StructArray.from_arrays(edges, fields=list(_BBOX.type))
            batch = batch.append_column(_BBOX, boxes)
        self._waiting.append(batch)
        names = {
            shapely.GeometryType.POLYGON: "Polygon",
            shapely.GeometryType.MULTIPOLYGON: "MultiPolygon",
        }
        self._types |= {names[number] for number in np.unique(shapely.get_type_id(geometry))}
        left, bottom, right, top = shapely.total_bounds(geometry)
        # fmin leaves out the NaN that empty geometries have for bounds
        self._bounds[:2] = np.fmin(self._bounds[:2], (left, bottom))
        self._bounds[2:] = np.fmax(self._bounds[2:], (right, top))
        if sum(len(batch) for batch in self._waiting) >= _ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        column: dict[str, Any] = {"encoding": "WKB", "geometry_types": sorted(self._types)}
        column["crs"] = self.crs.to_json_dict() if self.crs else None
        if self._types:
            column["bbox"] = self._bounds.tolist()
        if self.bounds:
            column["covering"] = {"bbox": {edge.name: ["bbox", edge.name] for edge in _BBOX.type}}
        geo = {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
        self._writer.add_key_value_metadata(
            {"geo": json.dumps(geo), "geoseg": json.dumps(self.metadata)}
        )
        self._writer.close()

    def abort(self) -> None:
        with suppress(OSError, pa.ArrowException):  # what it could not write, it cannot end either
            self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting))
            self._waiting = []


def _multi(geometry: np.ndarray) -> np.ndarray:
    """Polygons as MultiPolygons of one."""
    single = shapely.get_type_id(geometry) == shapely.GeometryType.POLYGON
    out = geometry.copy()
    out[single] = shapely.multipolygons(geometry[single], indices=np.arange(int(single.sum())))
    return out


def _batch(columns: Mapping[str, np.ndarray], wkb: np.ndarray, schema: pa.Schema) -> pa.RecordBatch:
    arrays = [
        pa.array(values, field.type, from_pandas=True)
        for values, field in zip(columns.values(), schema, strict=False)
    ]
    return pa.record_batch([*arrays, pa.array(wkb, pa.binary())], schema=schema)
