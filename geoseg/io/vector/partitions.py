"""GeoParquet for large areas: a folder of files by map tile, as Hive lays partitions.

    buildings/tile=12-2212-1388/part-0.parquet
              tile=12-2213-1388/part-0.parquet
              _geoseg.json

Readers that know such folders (DuckDB, Arrow, Spark) open only the tiles and, by the column
``bbox``, only the row groups that a query needs.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import shapely
from pyproj import CRS

from geoseg.core.transformation import LONLAT, between
from geoseg.io.vector.sinks import ParquetSink

ZOOM = 12  # some 10 km at the equator, 5 km at 60 degrees
MARKER = "_geoseg.json"  # readers pass over names that start with _
_OPEN = 32  # files at once; scenes are written row by row, so that tiles do not come back often
_LIMIT = 85.05  # degrees of latitude at which the map ends


class TiledParquetSink:
    """GeoParquet files in ``folder``, each of the footprints whose centre lies in one map tile of
    zoom ``ZOOM``; a :class:`geoseg.io.vector.sinks.Sink`.
    """

    def __init__(self, folder: Path, schema: pa.Schema, crs: CRS, metadata: dict[str, str]) -> None:
        self.folder = folder
        self.schema = schema
        self.crs = crs
        self.metadata = metadata
        self._to_degrees = between(crs, LONLAT)
        self._open: OrderedDict[tuple[int, int], ParquetSink] = OrderedDict()
        self._parts: dict[tuple[int, int], int] = {}

    def send(self, columns: Mapping[str, np.ndarray], geometry: np.ndarray) -> None:
        tiles = self._tiles(geometry)
        found, which = np.unique(tiles, axis=0, return_inverse=True)
        for number, (column, row) in enumerate(found.tolist()):
            rows = np.flatnonzero(which.reshape(-1) == number)
            sink = self._sink((column, row))
            taken = {name: np.asarray(values)[rows] for name, values in columns.items()}
            sink.send(taken, geometry[rows])

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()
        (self.folder / MARKER).write_text(json.dumps(self.metadata) + "\n", "utf-8")

    def abort(self) -> None:
        for sink in self._open.values():
            sink.abort()

    def _tiles(self, geometry: np.ndarray) -> np.ndarray:
        """Column and row (feature, 2) of the map tile of each centre."""
        centre = shapely.get_coordinates(shapely.centroid(geometry))
        longitude, latitude = self._to_degrees.transform(centre[:, 0], centre[:, 1])
        across = (longitude + 180) / 360
        sine = np.sin(np.radians(np.clip(latitude, -_LIMIT, _LIMIT)))
        down = 0.5 - np.arctanh(sine) / (2 * np.pi)
        places = np.floor(np.stack([across, down], axis=1) * 2**ZOOM)
        return places.clip(0, 2**ZOOM - 1).astype(np.int64)

    def _sink(self, tile: tuple[int, int]) -> ParquetSink:
        if tile not in self._open:
            if len(self._open) == _OPEN:
                self._open.popitem(last=False)[1].close()
            part = self._parts.get(tile, 0)
            self._parts[tile] = part + 1
            folder = self.folder / f"tile={ZOOM}-{tile[0]}-{tile[1]}"
            folder.mkdir(exist_ok=True)
            path = folder / f"part-{part}.parquet"
            self._open[tile] = ParquetSink(path, self.schema, self.crs, self.metadata, bounds=True)
        self._open.move_to_end(tile)
        return self._open[tile]
