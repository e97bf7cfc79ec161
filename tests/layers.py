"""Layers as tables and tables as layers, for tests that compare and make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd

from geoseg.core.layer import Layer
from geoseg.io.vector.read import read_footprints


def table(layer: Layer) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(dict(layer.columns), geometry=layer.geometry, crs=layer.crs)


def layer(table: gpd.GeoDataFrame) -> Layer:
    columns = {
        name: table[name].to_numpy() for name in table.columns if name != table.geometry.name
    }
    return Layer(table.geometry.to_numpy(), table.crs, columns)


def read(path: Path, **keywords: Any) -> gpd.GeoDataFrame:
    return table(read_footprints(path, **keywords))
