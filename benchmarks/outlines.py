"""Outlines of pixels against finer ones: how well each agrees with the truth, on the same
probabilities.

python benchmarks/outlines.py sample_data/footprints.gpkg [MORE.geojson ...]
python benchmarks/outlines.py TRUTH.geojson --probability PROB.tif

Probabilities are those of a raster that `geoseg predict` wrote, or made of true footprints: the
share of each pixel that they cover, blurred, with and without noise. Footprints are matched where
their IoU is above a half; the distance is the mean one from the outline, every 0.2 m, to the true
one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio.features
import shapely
from affine import Affine
from pyproj import CRS
from scipy import ndimage

from geoseg.core.grid import Grid
from geoseg.geometry.footprints import footprints
from geoseg.io.raster.scene import open_scene
from geoseg.specs import Area, PolygonSpec

Case = tuple[str, np.ndarray, np.ndarray, Grid]
FINE = 8
SMALLEST = 10.0


def truth(path: Path) -> tuple[np.ndarray, CRS]:
    """Polygons of at least 10 square metres, in metres."""
    frame = gpd.read_file(path).make_valid().explode()
    frame = (
        frame
        if frame.crs.is_projected and frame.crs.to_epsg() != 3857
        else frame.to_crs(frame.estimate_utm_crs())
    )
    shapes = frame.geometry.to_numpy()
    polygons = shapely.get_type_id(shapes) == shapely.GeometryType.POLYGON
    return shapes[polygons & (shapely.area(shapes) >= SMALLEST)], CRS.from_user_input(frame.crs)


def blurred(true: np.ndarray, crs: CRS) -> Iterator[Case]:
    """Probabilities made of footprints, at several pixel sizes, blurs (sigma in pixels) and amounts
    of noise.
    """
    left, bottom, right, top = shapely.total_bounds(true)
    for gsd in (0.3, 0.6, 1.2):
        height, width = int((top - bottom + 10) / gsd), int((right - left + 10) / gsd)
        grid = Grid(crs, Affine(gsd, 0, left - 5, 0, -gsd, top + 5), height, width)
        fine = rasterio.features.rasterize(
            true, (height * FINE, width * FINE), transform=grid.transform * Affine.scale(1 / FINE)
        )
        share = fine.reshape(height, FINE, width, FINE).mean((1, 3), np.float32)
        noise = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal(share.shape), 1.5)
        for blur, amount in product((0.5, 1.0, 2.0), (0.0, 0.1)):
            scores = ndimage.gaussian_filter(share, blur) + amount * noise / noise.std()
            yield (
                f"{gsd} m, blur {blur}, noise {amount}",
                scores.clip(0, 1).astype(np.float32),
                np.ones(share.shape, bool),
                grid,
            )


def predicted(path: Path, gsd: float) -> Iterator[Case]:
    with open_scene(path, gsd=gsd) as scene:
        chip = scene.read()
        yield (
            f"{path.name}, {gsd} m",
            (chip.image[0] / np.float32(254)).clip(0, 1),
            chip.valid,
            scene.grid,
        )


def agreement(found: np.ndarray, true: np.ndarray) -> tuple[int, float, float]:
    """Footprints that match, their mean IoU, and the mean distance of their outlines in metres."""
    one, other = shapely.STRtree(true).query(found, predicate="intersects")
    common = shapely.area(shapely.intersection(found[one], true[other]))
    iou = common / (shapely.area(found[one]) + shapely.area(true[other]) - common)
    one, other, iou = one[iou > 0.5], other[iou > 0.5], iou[iou > 0.5]
    away = []
    for outline, edge in zip(
        shapely.segmentize(shapely.boundary(found[one]), 0.2),
        shapely.boundary(true[other]),
        strict=True,
    ):
        away.append(shapely.distance(shapely.points(shapely.get_coordinates(outline)), edge).mean())
    return len(iou), float(iou.mean()), float(np.mean(away))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("footprints", type=Path, nargs="+")
    parser.add_argument("--probability", type=Path)
    parser.add_argument("--gsd", type=float, default=0.3)
    options = parser.parse_args()
    for path in options.footprints:
        true, crs = truth(path)
        print(
            f"\n{path.name}: {len(true)} "
            f"footprints\n{'':<50}{'matched':>8}{'IoU':>8}{'away m':>8}{'vertices':>9}"
        )
        for name, scores, valid, grid in (
            predicted(options.probability, options.gsd)
            if options.probability
            else blurred(true, crs)
        ):
            for outline, straight in product(("pixel", "subpixel"), ("none", "orthogonal")):
                spec = PolygonSpec(outline=outline, regularize=straight)
                keywords = {
                    "scene": "",
                    "spec": spec,
                    "threshold": 0.5,
                    "min_area": Area(SMALLEST),
                }
                batches = list(footprints([(scores, valid)], grid, **keywords))
                geometry = np.concatenate([batch.to_crs(crs).geometry for batch in batches])
                count, iou, away = agreement(geometry, true)
                vertices = np.concatenate([batch.columns["vertices"] for batch in batches]).mean()
                print(
                    f"{f'{name}, {outline}, {straight}':<50}{count:>8}{iou:>8.4f}{away:>8.3f}{vertices:>9.1f}"
                )


if __name__ == "__main__":
    main()
