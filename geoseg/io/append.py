"""Add to a GeoPackage without what it holds already."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS

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
        with path.open("rb") as file:
            if file.read(6) != b"SQLite":
                raise UnsuitableError(f"{path}: is no GeoPackage", "only these can be appended to")
        try:
            info = pyogrio.read_info(path, layer=layer)
        except (DataSourceError, DataLayerError) as error:
            raise UnsuitableError(f"{path}: has no layer {layer} to append to", "name it with --layer") from error
        if list(info["fields"]) != list(columns):
            there = ", ".join(sorted(set(columns) ^ set(info["fields"]))) or "their order"
            raise UnsuitableError(f"{path}: its columns differ: {there}", "append with the options it was made with")
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as package:
            quoted = layer.replace('"', '""')
            (last,) = package.execute(f'SELECT max(id) FROM "{quoted}"').fetchone()
        return cls(path, layer, CRS.from_user_input(info["crs"]) if info["crs"] else None, (last or 0) + 1)

    def new(self, frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        """The footprints of ``frame``, in the layer's CRS, that it does not hold yet, numbered onwards."""
        there = pyogrio.read_dataframe(self.path, layer=self.layer, bbox=tuple(frame.total_bounds), columns=[])
        old, own = there.geometry.to_numpy(), frame.geometry.to_numpy()
        one, other = shapely.STRtree(old).query(own, predicate="intersects")
        common = shapely.area(shapely.intersection(own[one], old[other]))
        same = common >= _SAME * np.minimum(shapely.area(own[one]), shapely.area(old[other]))
        kept = frame[~np.isin(np.arange(len(frame)), one[same])]
        kept = kept.assign(id=np.arange(self.next_id, self.next_id + len(kept)))
        self.next_id += len(kept)
        return kept
