"""Published data sets in small, to prepare."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array

RNG = np.random.default_rng(11)
LONLAT = CRS.from_epsg(4326)


def photo(path: Path, height: int, width: int) -> np.ndarray:
    image = RNG.integers(0, 255, (3, height, width), "uint8")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_array(path, image)
    return image


def labels(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_array(path, mask.astype("uint8"))


def masks_of(folder: Path) -> dict[str, np.ndarray]:
    index = read_index(folder)
    return {
        id: read_array(folder / mask)[0][0]
        for id, mask in zip(index.table["id"], index.table["mask"], strict=True)
    }


def camvid(root: Path) -> Path:
    for number, split in enumerate(("train", "val")):
        photo(root / split / f"0001TP_00{number}.png", 36, 48)
        labels(
            root / f"{split}annot" / f"0001TP_00{number}.png",
            np.arange(36 * 48).reshape(36, 48) % 12,
        )
    return root


def whu(root: Path, splits: tuple[str, ...] = ("train", "val", "test")) -> Path:
    for i, split in enumerate(splits):
        photo(root / split / "image" / "7.tif", 40 + i, 30)
        mask = np.zeros((40 + i, 30))
        mask[5:20, 3:9] = 255
        labels(root / split / "label" / "7.tif", mask)
    return root


def spacenet(
    root: Path, area: str, west: float, brightness: int, summary: bool = False
) -> dict[str, Grid]:
    """Two images side by side, the second with a black margin, and a building across their border
    in the first's file alone.
    """
    step = 2.7e-6
    top = root / f"{area}_Train"
    for folder in ("RGB-PanSharpen", "geojson/buildings", "summaryData"):
        (top / folder).mkdir(parents=True)
    grids = {}
    for number in (1, 2):
        name = f"{area}_img{number}"
        grid = Grid(
            LONLAT, Affine(step, 0, west + 65 * step * (number - 1), 0, -step, 36.2), 60, 65
        )
        image = RNG.integers(brightness, brightness + 200, (3, 60, 65)).astype("uint16")
        if number == 2:
            image[:, 50:, :] = 0
        write_array(top / "RGB-PanSharpen" / f"RGB-PanSharpen_{name}.tif", image, grid)
        grids[name] = grid
    across = shapely.box(west + 60 * step, 36.2 - 20 * step, west + 70 * step, 36.2 - 10 * step)
    if summary:
        rows = [
            f'{area}_img1,1,POLYGON EMPTY,"{across.wkt}"',
            f"{area}_img2,-1,POLYGON EMPTY,POLYGON EMPTY",
        ]
        text = "\n".join(["ImageId,BuildingId,PolygonWKT_Pix,PolygonWKT_Geo", *rows])
        (top / "summaryData" / f"{area}_Train_Building_Solutions.csv").write_text(text)
        return grids
    gpd.GeoDataFrame(geometry=[across], crs=LONLAT).to_file(
        top / "geojson/buildings" / f"buildings_{area}_img1.geojson"
    )
    (top / "geojson/buildings" / f"buildings_{area}_img2.geojson").write_text(
        '{"type": "FeatureCollection", "features": []}'
    )
    return grids
