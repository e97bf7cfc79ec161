"""Layers that are not whole are seen, in every format."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

import geoseg.io.vector.write as write
from geoseg.core.layer import Layer
from geoseg.errors import OutputError
from geoseg.io.vector.verify import is_whole
from geoseg.io.vector.write import create_vector, format_of

NAMES = ["a.gpkg", "a.geojson", "a.fgb", "a.parquet", "a.shp", "a.pmtiles"]
COUNT = 40


def written(path: Path, count: int = COUNT) -> Path:
    left = 334_000 + 50.0 * np.arange(count)
    boxes = shapely.box(left, 3_057_000, left + 20, 3_057_010)
    batch = Layer(boxes, CRS.from_epsg(32645), {"id": np.arange(count)})
    with create_vector(path, batch.crs, columns={"id": "int64"}, layer="roofs") as out:
        out.write(batch)
    return path


def whole(path: Path, count: int = COUNT) -> bool:
    return is_whole(path, format_of(path), "roofs", count)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [0, COUNT])
def test_what_was_written_is_whole(tmp_path: Path, name: str, count: int) -> None:
    assert whole(written(tmp_path / name, count), count)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "a.pmtiles"])
def test_one_feature_less_is_not(tmp_path: Path, name: str) -> None:
    assert not whole(written(tmp_path / name), COUNT + 1)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "a.shp"])
@pytest.mark.parametrize("bytes_lost", [3, 200, 1500])
def test_what_lacks_its_end_is_not(tmp_path: Path, name: str, bytes_lost: int) -> None:
    path = written(tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(content[:-bytes_lost])
    assert not whole(path)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_pmtiles_of_which_a_part_never_reached_the_disk_are_not(data) -> None:
    """Zeros stand there, in the middle too."""
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder, "a.pmtiles"))
        content = bytearray(path.read_bytes())
        start = data.draw(st.integers(127, len(content) - 20))
        stop = data.draw(st.integers(start + 20, len(content)))
        content[start:stop] = bytes(stop - start)
        path.write_bytes(content)
        assert not whole(path)


def test_pmtiles_without_tiles_are_whole_where_there_is_nothing_to_see(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pmtiles", 0)
    assert whole(path, 0)
    assert not whole(path, 1)


def test_pmtiles_of_the_same_are_the_same(tmp_path: Path) -> None:
    one, other = (written(tmp_path / name).read_bytes() for name in ("a.pmtiles", "b.pmtiles"))
    assert one == other


def test_a_geopackage_without_its_spatial_index_is_not(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gpkg")
    with closing(sqlite3.connect(path)) as package:
        package.execute("DELETE FROM rtree_roofs_geom_rowid WHERE rowid = 7")
        package.commit()
    assert not whole(path)


def test_what_is_cut_short_does_not_get_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "a.geojson")
    old = (tmp_path / "a.geojson").read_bytes()
    real = write._sink

    def lossy(kind: str, path: Path, *rest: object) -> object:
        """The sink, and in the end a file without its last bytes, as a full disk leaves it."""
        sink = real(kind, path, *rest)  # type: ignore[arg-type]
        close = sink.close

        def cut() -> None:
            close()
            path.write_bytes(path.read_bytes()[:-3])

        monkeypatch.setattr(sink, "close", cut)
        return sink

    monkeypatch.setattr(write, "_sink", lossy)
    with (
        pytest.raises(OutputError, match=r"a\.geojson: (could not be written|was cut short)"),
        create_vector(tmp_path / "a.geojson", None, columns={"id": "int64"}, overwrite=True),
    ):
        pass
    assert (tmp_path / "a.geojson").read_bytes() == old
    assert [path.name for path in tmp_path.iterdir()] == ["a.geojson"]
