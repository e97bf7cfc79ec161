from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from geoseg.errors import InputError
from geoseg.io.vector.flatgeobuf import check_count


def write(path: Path, count: int, index: bool) -> Path:
    boxes = [shapely.box(column, 0, column + 1, 2) for column in range(count)]
    table = gpd.GeoDataFrame({"number": range(count)}, geometry=boxes, crs="EPSG:32633")
    table.to_file(path, SPATIAL_INDEX="YES" if index else "NO")
    return path


# an index gets a level more beyond 16 and 256 features
@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 255, 256, 257, 4097])
@pytest.mark.parametrize("index", [True, False])
def test_what_gdal_writes_is_whole(tmp_path: Path, count: int, index: bool) -> None:
    check_count(write(tmp_path / "whole.fgb", count, index))


@pytest.mark.parametrize("index", [True, False])
def test_what_is_cut_off_anywhere_is_not(tmp_path: Path, index: bool) -> None:
    path = write(tmp_path / "cut.fgb", 3, index)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="damaged"):
            check_count(path)
