"""GeoParquet by map tile, read by programs that know such folders."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow.dataset as ds
import pytest
import shapely

from geoseg.errors import OutputError, UsageError
from geoseg.io.vector import partitions
from geoseg.io.vector.write import create_vector
from tests.io.vector.test_write import UTM, batch
from tests.layers import layer


def spread(first: int, count: int) -> gpd.GeoDataFrame:
    """Boxes of :func:`batch`, each 4 km beyond the one before."""
    frame = batch(first, count)
    moved = [
        shapely.transform(shape, lambda at, by=by: at + [4000.0 * by, 0])
        for by, shape in zip(range(first, first + count), frame.geometry, strict=True)
    ]
    return frame.set_geometry(gpd.GeoSeries(moved, crs=UTM))


def write(path: Path, **keywords: object) -> Path:
    with create_vector(path, UTM, format="parquet-tiles", metadata={"by": "us"}, **keywords) as out:
        out.write(layer(spread(1, 7)))
        out.write(layer(spread(8, 5)))
        out.write(layer(spread(8, 2).assign(id=[13, 14])))
    return path


def test_arrow_reads_it_and_its_tiles(tmp_path: Path) -> None:
    path = write(tmp_path / "out")
    table = ds.dataset(path, format="parquet", partitioning="hive").to_table()
    frame = table.to_pandas()
    assert sorted(frame.id) == list(range(1, 15)) and frame.tile.nunique() > 3
    shapes = gpd.GeoSeries.from_wkb(frame.geometry, crs=UTM)
    expected = [*spread(1, 7).geometry, *spread(8, 5).geometry, *spread(8, 2).geometry]
    for number, shape in zip(frame.id, shapes, strict=True):
        assert shape.equals(expected[number - 1])
    for tile, part in shapes.groupby(frame.tile):
        zoom, column, row = map(int, str(tile).split("-"))
        centre = part.to_crs(3857).centroid
        side = 2 * np.pi * 6_378_137 / 2**zoom
        assert (np.floor(centre.x / side + 2 ** (zoom - 1)) == column).all()
        assert (np.floor(2 ** (zoom - 1) - centre.y / side) == row).all()


def test_bounds_are_a_filter(tmp_path: Path) -> None:
    files = sorted(write(tmp_path / "out").rglob("*.parquet"))
    part = next(file for file in files if len(gpd.read_parquet(file)) > 1)
    whole = gpd.read_parquet(part)
    assert whole.crs == UTM
    box = whole.geometry.iloc[0].bounds
    assert 0 < len(gpd.read_parquet(part, bbox=box)) < len(whole)


def test_duckdb_reads_it(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = write(tmp_path / "out")
    query = f"FROM read_parquet('{path}/*/*.parquet', hive_partitioning = true) SELECT "
    count, tiles, left = duckdb.sql(
        query + "count(*), count(DISTINCT tile), min(bbox.xmin)"
    ).fetchall()[0]
    bounds = spread(1, 12).total_bounds
    assert (count, left) == (14, bounds[0]) and tiles > 3


def test_few_files_are_open_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "_OPEN", 1)
    path = write(tmp_path / "out")
    assert list(path.rglob("part-1.parquet"))
    table = ds.dataset(path, format="parquet", partitioning="hive").to_table()
    assert sorted(table["id"].to_pylist()) == list(range(1, 15))


def test_only_such_a_folder_is_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "out")
    with pytest.raises(OutputError, match="exists already"):
        write(path)
    write(path, overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="is not replaced"):
        write(tmp_path / "mine", overwrite=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine", "out"]


def test_pixels_have_no_tile(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="map tiles need a CRS"),
        create_vector(tmp_path / "out", None, format="parquet-tiles"),
    ):
        pass
