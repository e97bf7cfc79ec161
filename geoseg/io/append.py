"""Add to a GeoPackage without what it holds already."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS

from geoseg.core.layer import Layer
from geoseg.errors import UnsuitableError

# Share of the smaller one's area from which two footprints are the same building
_SAME = 0.5


@dataclass
class Existing:
    """A layer that is added to: its CRS, and the number its next footprint gets."""

    path: Path
    layer: str
    crs: CRS | None
    next_id: int

    @classmethod
    def open(cls, path: Path, layer: str, columns: Mapping[str, str]) -> Existing:
        """Raises UnsuitableError where ``path`` is no GeoPackage with a ``layer`` of these columns."""
        from geoseg.io.ogr import pyogrio

        with path.open("rb") as file:
            if file.read(6) != b"SQLite":
                raise UnsuitableError(f"{path}: is no GeoPackage", "only these can be appended to")
        try:
            info = pyogrio.read_info(path, layer=layer)
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
            raise UnsuitableError(f"{path}: has no layer {layer} to append to", "name it with --layer") from error
        if list(info["fields"]) != list(columns):
            there = ", ".join(sorted(set(columns) ^ set(info["fields"]))) or "their order"
            raise UnsuitableError(f"{path}: its columns differ: {there}", "append with the options it was made with")
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as package:
            quoted = layer.replace('"', '""')
            (last,) = package.execute(f'SELECT max(id) FROM "{quoted}"').fetchone()
        return cls(path, layer, CRS.from_user_input(info["crs"]) if info["crs"] else None, (last or 0) + 1)

    def new(self, batch: Layer) -> Layer:
        """The footprints of ``batch``, in the layer's CRS, that it does not hold yet, numbered onwards."""
        from geoseg.io.ogr import pyogrio

        own, within = batch.geometry, tuple(shapely.total_bounds(batch.geometry))
        old = shapely.from_wkb(pyogrio.raw.read(self.path, self.layer, columns=[], bbox=within)[2])
        one, other = shapely.STRtree(old).query(own, predicate="intersects")
        common = shapely.area(shapely.intersection(own[one], old[other]))
        same = common >= _SAME * np.minimum(shapely.area(own[one]), shapely.area(old[other]))
        kept = batch.take(~np.isin(np.arange(len(batch)), one[same]))
        numbers = np.arange(self.next_id, self.next_id + len(kept))
        self.next_id += len(kept)
        return replace(kept, columns={**kept.columns, "id": numbers})
