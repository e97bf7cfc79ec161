"""Chips of an area of interest."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS
from shapely.geometry import box

from geoseg.core.grid import Grid
from geoseg.io.raster.write import write_array
from geoseg.specs import ChipSpec
from geoseg.tools import tile


@pytest.mark.parametrize("jobs", [1, 2])
def test_labels_beyond_the_area_are_unknown(tmp_path: Path, jobs: int) -> None:
    """A building that nobody drew, for it is outside, may not become background."""
    grid = Grid(CRS(32637), Affine(0.5, 0, 500_000, 0, -0.5, 3_000_000), 60, 90)
    write_array(tmp_path / "a.tif", np.full((3, *grid.shape), 80, "uint8"), grid)
    # pixels: columns 10 to 50, rows 8 to 44; one building in it, from column 20, row 20
    area, building = (
        box(500_000 + c0 / 2, 3_000_000 - r1 / 2, 500_000 + c1 / 2, 3_000_000 - r0 / 2)
        for c0, r0, c1, r1 in ((10, 8, 50, 44), (20, 20, 34, 30))
    )
    for name, shape in {"area": area, "drawn": building}.items():
        gpd.GeoDataFrame(geometry=[shape], crs=32637).to_file(tmp_path / f"{name}.gpkg")
    tile.run(
        [str(tmp_path / "a.tif")],
        tmp_path / "chips",
        ChipSpec(size=40, edge="partial"),
        labels=tmp_path / "drawn.gpkg",
        aoi=tmp_path / "area.gpkg",
        jobs=jobs,
    )
    mask = np.full((60, 90), 7, "uint8")
    for path in (tmp_path / "chips/masks").iterdir():
        with rasterio.open(path) as file:
            col, row = (int(part) for part in ~grid.transform * file.transform * (0, 0))
            mask[row : row + file.height, col : col + file.width] = file.read(1)
    expected = np.full((60, 90), 255, "uint8")
    expected[8:44, 10:50] = 0
    expected[20:30, 20:34] = 1
    # chips beyond the area are not cut
    np.testing.assert_array_equal(mask[:, :80], expected[:, :80])
    assert (mask[:, 80:] == 7).all()
