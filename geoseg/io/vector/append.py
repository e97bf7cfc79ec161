"""Add to a GeoPackage without what it holds already."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS

from geoseg.core.layer import Layer
from geoseg.errors import UnsuitableError
from geoseg.geometry.duplicates import same


@dataclass
class AppendTarget:
    """A layer that is added to: its CRS, the number its next footprint gets, and the rows that
    whole footprints replace.
    """

    path: Path
    layer: str
    crs: CRS | None
    next_id: int
    replaced: set[int] = field(default_factory=set)

    @classmethod
    def open(cls, path: Path, layer: str, columns: Mapping[str, str]) -> AppendTarget:
        """Raises UnsuitableError where ``path`` is no GeoPackage with a ``layer`` of these
        columns.
        """
        from geoseg.io.vector.ogr import pyogrio

        with path.open("rb") as file:
            if file.read(6) != b"SQLite":
                raise UnsuitableError(f"{path}: is no GeoPackage", "only these can be appended to")
        try:
            info = pyogrio.read_info(path, layer=layer)
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
            raise UnsuitableError(
                f"{path}: has no layer {layer} to append to", "name it with `layer`"
            ) from error
        if list(info["fields"]) != list(columns):
            there = ", ".join(sorted(set(columns) ^ set(info["fields"]))) or "their order"
            raise UnsuitableError(
                f"{path}: its columns differ: {there}", "append with the options it was made with"
            )
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as package:
            quoted = layer.replace('"', '""')
            (last,) = package.execute(f'SELECT max(id) FROM "{quoted}"').fetchone()
        return cls(
            path, layer, CRS.from_user_input(info["crs"]) if info["crs"] else None, (last or 0) + 1
        )

    def filter_new(self, batch: Layer) -> Layer:
        """The footprints of ``batch``, in the layer's CRS, that it does not hold yet, numbered
        onwards.

        One replaces those the layer holds of the same building if these are cut at an edge, and it
        is whole or shows more. Without a CRS nobody knows which are the same.
        """
        from geoseg.io.vector.ogr import pyogrio

        if self.crs is not None:
            box = tuple(shapely.total_bounds(batch.geometry))
            _, rows, shapes, (edge,) = pyogrio.raw.read(
                self.path, self.layer, columns=["edge"], bbox=box, return_fids=True, force_2d=True
            )
            there = shapely.from_wkb(shapes)
            own, old = same(batch.geometry, there)
            more = shapely.area(batch.geometry[own]) > 1.01 * shapely.area(there[old])
            better = edge.astype(bool)[old] & (~batch.columns["edge"][own] | more)
            stays = np.isin(np.arange(len(batch)), own[~better], invert=True)
            self.replaced |= set(rows[old[stays[own]]].tolist())
            batch = batch.take(stays)
        numbers = np.arange(self.next_id, self.next_id + len(batch))
        self.next_id += len(batch)
        return replace(batch, columns={**batch.columns, "id": numbers})

    def delete_replaced(self, path: Path) -> None:
        """Take what was replaced out of ``path``, a copy of the GeoPackage. Raises
        sqlite3.Error.
        """
        with closing(sqlite3.connect(path)) as package, package:
            quoted = self.layer.replace('"', '""')
            package.executemany(
                f'DELETE FROM "{quoted}" WHERE rowid = ?', ((row,) for row in sorted(self.replaced))
            )
