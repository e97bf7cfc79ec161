"""`geoseg polygonize` against gdal_polygonize.py and rasterio.features.shapes with
GeoDataFrame.to_file, each a whole process.

python benchmarks/polygonize.py --size 20000 --footprints 30000 --rounds 3

The mask is burnt from footprints of the sample scene, repeated; all write a GeoPackage, in turn A B
A B. Geometries are compared in whole pixels, rings normalized. Without gdal_polygonize.py (`apt
install python3-gdal gdal-bin`) it is left out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from affine import Affine
from pairs import GEOSEG, Way, alternate, table, tools
from pyproj import CRS
from repeated import GSD, LEFT, TOP, make_footprints

from geoseg.core.grid import Grid
from geoseg.io.raster.write import create_raster

SHAPES = """
import sys
import geopandas, rasterio, rasterio.features
from shapely.geometry import shape
with rasterio.open(sys.argv[1]) as file:
    mask = file.read(1)
    found = rasterio.features.shapes(mask, mask=mask > 0, transform=file.transform)
    geometry = [shape(outline) for outline, _ in found]
    geopandas.GeoDataFrame({"id": range(len(geometry))}, geometry=geometry, crs=file.crs).to_file(sys.argv[2])
"""


def make_mask(folder: Path, size: int, count: int) -> Path:
    footprints, like, mask = folder / "footprints.gpkg", folder / "like.tif", folder / "mask.tif"
    make_footprints(footprints, size, count)
    grid = Grid(CRS.from_epsg(32633), Affine(GSD, 0, LEFT, 0, -GSD, TOP), size, size)
    with create_raster(like, grid, options={"sparse_ok": True}):
        pass
    command = [*GEOSEG, "rasterize", footprints, "--like", like, "-o", mask]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    return mask


def outlines(path: Path) -> np.ndarray:
    """Polygons as sorted WKB, in whole pixels."""
    geometry = shapely.get_parts(shapely.from_wkb(pyogrio.raw.read(path, layer=0, columns=[])[2]))
    pixels = shapely.transform(geometry, lambda xy: np.rint((xy - (LEFT, TOP)) / (GSD, -GSD)))
    return np.sort(shapely.to_wkb(shapely.normalize(pixels)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=20000)
    parser.add_argument("--footprints", type=int, default=30000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        mask = make_mask(folder, options.size, options.footprints)
        ours, theirs, shapes = (folder / f"{name}.gpkg" for name in ("ours", "gdal", "shapes"))
        ways = {"geoseg": Way([*GEOSEG, "polygonize", mask, "-o", ours, "--min-hole", "0"], ours)}
        goals = {
            "geoseg": "peak <= 600 MB",
            "gdal_polygonize.py": "<= 0.45",
            "rasterio shapes + to_file": "<= 0.29",
        }
        for program in tools("gdal_polygonize.py").values():
            command = [program, "-q", mask, "-mask", mask, "-f", "GPKG", theirs]
            ways["gdal_polygonize.py"] = Way(command, theirs)
        ways["rasterio shapes + to_file"] = Way(
            [sys.executable, "-c", SHAPES, mask, shapes], shapes
        )
        runs = alternate(ways, options.rounds)
        own = outlines(ours)
        table(f"polygonize {options.size} x {options.size}, {len(own)} outlines", runs, goals)
        for name, way in ways.items():
            if name != "geoseg":
                print(
                    f"{name}: geometry "
                    f"{'identical' if np.array_equal(own, outlines(way.output)) else 'differs'}"
                )


if __name__ == "__main__":
    main()
