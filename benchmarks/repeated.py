"""Footprints of the sample scene, repeated with it as ``memory.make_scene`` repeats it."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from memory import SAMPLE

from geoseg.io.raster.scene import open_scene

GSD, LEFT, TOP = 0.3, 400_000.0, 5_600_000.0
ROW, COL, HEIGHT, WIDTH = 200, 200, 1500, 2000


def make_footprints(path: Path, size: int, count: int) -> None:
    """``count`` footprints, drawn at random, on a scene of ``size`` x ``size`` pixels."""
    frame = gpd.read_file(SAMPLE.with_name("footprints.gpkg"))
    with open_scene(SAMPLE) as sample:
        corner = sample.grid.transform
    shapes = frame.geometry.to_numpy()
    own = shapely.box(*(corner * (COL, ROW + HEIGHT)), *(corner * (COL + WIDTH, ROW)))
    shapes = shapes[shapely.contains_properly(own, shapes)]
    x, y = corner * (COL, ROW)
    placed = [
        shapely.transform(shapes, lambda xy, d=(LEFT - x + col * GSD, TOP - y - row * GSD): xy + d)
        for row in range(0, size, HEIGHT)
        for col in range(0, size, WIDTH)
    ]
    inside = shapely.box(LEFT, TOP - size * GSD, LEFT + size * GSD, TOP)
    whole = np.concatenate(placed)
    whole = whole[shapely.contains_properly(inside, whole)]
    chosen = np.sort(np.random.default_rng(1).choice(len(whole), count, replace=False))
    gpd.GeoDataFrame({"n": range(count)}, geometry=whole[chosen], crs=frame.crs).to_file(path)
