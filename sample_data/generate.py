"""Make an aerial scene with exact building footprints, out of nothing but a seed.

python sample_data/generate.py -o scene.tif --footprints footprints.gpkg --seed 7 --style tropical
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from affine import Affine
from pyproj import CRS
from rasterio.features import rasterize
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generator.boxes import put_boxes
from generator.easel import Easel
from generator.footprints import flight, survey
from generator.ground import paint_ground
from generator.light import Camera, Sun, expose
from generator.noise import Noise
from generator.plants import plant_trees
from generator.roofs import paint_roof
from generator.scene import compose
from generator.styles import STYLES
from generator.walls import paint_walls

from geoseg.core.grid import Grid
from geoseg.errors import GeosegError
from geoseg.io.atomic import atomic, check_output
from geoseg.io.raster.write import create_raster

ORIGIN = (458_400.0, 5_548_800.0)


@dataclass(frozen=True)
class Sample:
    """A finished scene: ``image`` uint8 (3, height, width), ``valid`` and ``roof`` bool (height,
    width), footprints.
    """

    image: np.ndarray
    valid: np.ndarray
    roof: np.ndarray
    footprints: geopandas.GeoDataFrame
    transform: Affine
    crs: CRS


def generate(
    height: int,
    width: int,
    gsd: float = 0.3,
    seed: int = 1,
    crs: str = "EPSG:32633",
    origin: tuple[float, float] = ORIGIN,
    style: str = "mixed",
    nodata: float = 0.03,
) -> tuple[np.ndarray, np.ndarray, geopandas.GeoDataFrame]:
    """A scene's image uint8 (3, height, width), valid bool (height, width) and footprints (id,
    kind, height_m, geometry).

    ``gsd`` is in metres, ``origin`` the upper left corner (x, y) in a projected ``crs`` in metres,
    ``nodata`` the share of the area beyond the flight's edge, where all bands are 0; elsewhere no
    pixel is (0, 0, 0). The same arguments give the same pixels.
    """
    sample = render(height, width, gsd, seed, crs, origin, style, nodata)
    return sample.image, sample.valid, sample.footprints


def render(
    height: int,
    width: int,
    gsd: float = 0.3,
    seed: int = 1,
    crs: str = "EPSG:32633",
    origin: tuple[float, float] = ORIGIN,
    style: str = "mixed",
    nodata: float = 0.03,
    bare: bool = False,
) -> Sample:
    """As :func:`generate`, with the mask of the roofs as they were drawn and the georeference.

    A ``bare`` scene has its roads, yards, fields, cars and trees, but no building.
    """
    look = STYLES[style]
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(6)]
    world = compose(width * gsd, height * gsd, look, streams[0])
    if bare:
        world.buildings.clear()
    transform = Affine(gsd, 0, origin[0], 0, -gsd, origin[1])
    covered = flight(width * gsd, height * gsd, nodata, streams[1])
    owners, shapes = survey(world.buildings, covered, origin)
    table = {
        "id": range(1, len(owners) + 1),
        "kind": [b.kind for b in owners],
        "height_m": [round(b.eaves, 1) for b in owners],
    }
    footprints = geopandas.GeoDataFrame(table, geometry=shapes, crs=crs)
    valid = rasterize([covered], (height, width), transform=Affine.scale(gsd), dtype="uint8") > 0
    labels = _burn(footprints, (height, width), transform)
    noise = Noise((height, width), gsd, streams[2])
    sun = Sun(
        math.radians(streams[3].uniform(110, 250)), math.radians(streams[3].uniform(*look.sun))
    )
    camera = Camera.draw(streams[3])
    easel = Easel.blank(labels, noise, sun)
    paint_ground(easel, world.zones, look, streams[4])
    for index, window in enumerate(ndimage.find_objects(labels)):
        if window is not None:
            paint_roof(easel, window, index + 1, owners[index])
            paint_walls(easel, window, index + 1, owners[index], camera.lean)
    put_boxes(easel, world.boxes)
    plant_trees(easel, world.trees, look, streams[5])
    image = expose(easel.canvas, easel.heights, gsd, sun, camera, seed)
    image[:, ~valid] = 0
    return Sample(image, valid, labels > 0, footprints, transform, CRS.from_user_input(crs))


def _burn(
    footprints: geopandas.GeoDataFrame, shape: tuple[int, int], transform: Affine
) -> np.ndarray:
    """Footprint numbers from 1, int32 (row, col)."""
    if footprints.empty:
        return np.zeros(shape, np.int32)
    pairs = zip(footprints.geometry, range(1, len(footprints) + 1), strict=True)
    labels: np.ndarray = rasterize(pairs, shape, transform=transform, dtype="int32")
    return labels


def write(sample: Sample, scene: Path, footprints: Path | None, overwrite: bool = False) -> None:
    """Write the scene as a tiled GeoTIFF (JPEG, with a mask inside: lossy pixels can't carry
    nodata) and its footprints.

    Raises OutputError where a file exists and ``overwrite`` is False.
    """
    grid = Grid(sample.crs, sample.transform, *sample.valid.shape)
    options = {"compress": "jpeg", "jpeg_quality": 97, "photometric": "ycbcr"}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        create_raster(scene, grid, count=3, overwrite=overwrite, options=options) as out,
    ):
        out.write(sample.image)
        out.write_mask(sample.valid)
    if footprints:
        with atomic(footprints, overwrite) as temporary:
            sample.footprints.to_file(temporary, layer="footprints", driver="GPKG")


def main() -> int:
    """Parse, render, write; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="the scene, a GeoTIFF")
    parser.add_argument("--footprints", type=Path, help="the footprints, a GeoPackage")
    parser.add_argument("--height", type=int, default=1800, help="rows")
    parser.add_argument("--width", type=int, default=2400, help="columns")
    parser.add_argument("--gsd", type=float, default=0.3, help="metres per pixel")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--style", choices=sorted(STYLES), default="mixed")
    parser.add_argument("--crs", default="EPSG:32633", help="a projected CRS in metres")
    parser.add_argument(
        "--nodata", type=float, default=0.03, help="share of the area beyond the flight's edge"
    )
    parser.add_argument("--bare", action="store_true", help="leave the buildings out")
    parser.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    args = parser.parse_args()
    try:
        for path in filter(None, (args.output, args.footprints)):
            check_output(path, args.overwrite)
        sample = render(
            args.height,
            args.width,
            args.gsd,
            args.seed,
            args.crs,
            ORIGIN,
            args.style,
            args.nodata,
            args.bare,
        )
        write(sample, args.output, args.footprints, args.overwrite)
    except GeosegError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{args.output}: {args.width} x {args.height} px, {len(sample.footprints)} footprints")
    return 0


if __name__ == "__main__":
    sys.exit(main())
