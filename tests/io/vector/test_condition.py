"""Conditions on GeoParquet: the same features as GDAL's of a GeoPackage."""

from decimal import Decimal
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box

from geoseg.errors import UsageError
from geoseg.io.vector.read import read_footprints

HEIGHTS = [2.5, 12.0, 8.25, 30.5, 6.0]


@pytest.fixture
def roofs() -> gpd.GeoDataFrame:
    days = ["2018-03-01", "2019-12-31T23:30", "2020-01-01", None, "2024-05-01T12:00"]
    columns = {
        "height": HEIGHTS,
        "levels": [1, 4, 3, 10, 2],
        "tall": [height > 7 for height in HEIGHTS],
        "kind": ["shed", "house", "house", None, "shed"],
        "built": np.array(days, "datetime64[ns]"),
        "number": ["7", "12", "12a", None, "3"],
    }
    boxes = [box(9 * x, 4 * x, 9 * x + 7, 4 * x + 3) for x in range(len(HEIGHTS))]
    return gpd.GeoDataFrame(columns, geometry=boxes, crs=32633)


@pytest.mark.parametrize(
    "where",
    [
        "built > '2020-01-01'",
        "built < '2020-01-01'",
        "built >= '2024-05-01T09:00:00'",
        "built IS NULL",
        "strftime('%Y', built) = '2019'",
        "height > 6",
        "height > '6'",
        "height / 5 > 2",
        "levels / 4 = 1",
        "levels = '10'",
        "tall",
        "kind = 'house'",
        "number = '12'",
        "number = 12",
    ],
)
def test_geoparquet_is_filtered_as_a_geopackage(
    tmp_path: Path, roofs: gpd.GeoDataFrame, where: str
) -> None:
    roofs.to_file(tmp_path / "roofs.gpkg")
    roofs.to_parquet(tmp_path / "roofs.parquet")
    by_gdal = read_footprints(tmp_path / "roofs.gpkg", where=where)
    by_us = read_footprints(tmp_path / "roofs.parquet", where=where)
    assert 0 < len(by_gdal) < len(roofs)
    assert by_us.bounds == by_gdal.bounds
    assert len(by_us) == len(by_gdal)


@pytest.mark.parametrize("unit", ["ns", "us", "ms", "s"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Prague"])
def test_moments_of_any_unit_and_zone(
    tmp_path: Path, roofs: gpd.GeoDataFrame, unit: str, zone: str | None
) -> None:
    moments = roofs["built"].astype(f"datetime64[{unit}]")
    roofs["built"] = moments.dt.tz_localize("UTC").dt.tz_convert(zone) if zone else moments
    roofs.to_parquet(tmp_path / "roofs.parquet")
    found = read_footprints(tmp_path / "roofs.parquet", where="built > '2020-01-01'")
    assert found.columns["height"].tolist() == [8.25, 6.0]


def test_decimals_are_numbers(tmp_path: Path, roofs: gpd.GeoDataFrame) -> None:
    roofs["height"] = [None, *(Decimal(f"{height:.2f}") for height in HEIGHTS[1:])]
    roofs.to_parquet(tmp_path / "roofs.parquet")
    found = read_footprints(tmp_path / "roofs.parquet", where="height > 7")
    assert found.columns["height"].tolist() == [Decimal("12.00"), Decimal("8.25"), Decimal("30.50")]


def test_columns_of_lists_do_not_hinder(tmp_path: Path, roofs: gpd.GeoDataFrame) -> None:
    # as those of Overture have
    roofs["sources"] = [[{"dataset": "osm"}, {"dataset": "lidar"}]] * len(roofs)
    roofs["names"] = [{"primary": "town hall"}] * len(roofs)
    roofs.to_parquet(tmp_path / "roofs.parquet")
    found = read_footprints(tmp_path / "roofs.parquet", where="kind = 'house' AND height < 10")
    assert found.columns["height"].tolist() == [8.25]


def test_a_layer_of_geometries_alone(tmp_path: Path, roofs: gpd.GeoDataFrame) -> None:
    roofs[["geometry"]].to_parquet(tmp_path / "roofs.parquet")
    with pytest.raises(UsageError, match="no such column: height"):
        read_footprints(tmp_path / "roofs.parquet", where="height > 7")
