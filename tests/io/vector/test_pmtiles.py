"""Vector tiles for web maps, read back by GDAL and by the format's own library."""

from __future__ import annotations

import gzip
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest

from geoseg.core.layer import FOOTPRINTS
from geoseg.errors import UsageError
from geoseg.io.vector.write import create_vector
from tests.io.vector.test_write import UTM, batch
from tests.layers import layer


def test_gdal_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "out.pmtiles"
    with create_vector(path, UTM) as out:
        out.write(layer(batch(1, 3)))
        out.write(layer(batch(4, 30)))
    assert [file.name for file in tmp_path.iterdir()] == ["out.pmtiles"]
    found = pyogrio.read_dataframe(path, layer="footprints").to_crs(UTM)
    assert set(FOOTPRINTS) <= set(found.columns)
    # those that the edge of a tile cuts come in parts
    whole = found.dissolve("id").geometry
    written = gpd.GeoSeries(list(batch(1, 3).geometry) + list(batch(4, 30).geometry), crs=UTM)
    assert whole.index.tolist() == list(range(1, 34))
    wrong = whole.reset_index(drop=True).symmetric_difference(written).area / written.area
    assert len(found) > 33 and wrong.max() < 0.02


def test_the_tiles_are_vector_tiles_of_zoom_10_to_16(tmp_path: Path) -> None:
    reader = pytest.importorskip("pmtiles.reader")
    with create_vector(tmp_path / "out.pmtiles", UTM) as out:
        out.write(layer(batch(1, 5)))
    with (tmp_path / "out.pmtiles").open("rb") as file:
        tiles = reader.Reader(reader.MmapSource(file))
        header = tiles.header()
        zooms = header["min_zoom"], header["max_zoom"]
        name = tiles.metadata()["vector_layers"][0]["id"]
        x, y = (np.array([header["min_lon_e7"], header["max_lat_e7"]]) / 1e7).tolist()
        column = int((x + 180) / 360 * 2**16)
        row = int((1 - np.arcsinh(np.tan(np.radians(y))) / np.pi) / 2 * 2**16)
        content = gzip.decompress(tiles.get(16, column, row))
    assert (zooms, name) == ((10, 16), "footprints")
    assert b"confidence" in content and "Tromsø".encode() in content


def test_a_layer_without_features(tmp_path: Path) -> None:
    with create_vector(tmp_path / "out.pmtiles", UTM):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["out.pmtiles"]


def test_only_in_its_own_crs(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match=r"in EPSG:3857 \(leave `dst_crs` out"),
        create_vector(tmp_path / "out.pmtiles", UTM, dst_crs="EPSG:4326"),
    ):
        pass
    with (
        pytest.raises(UsageError, match="pixels have no place there"),
        create_vector(tmp_path / "out.pmtiles", None),
    ):
        pass
