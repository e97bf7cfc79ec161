"""Right angles: ours against buildingregulariser on the same polygons, in one run.

python benchmarks/regularize.py sample_data/footprints.gpkg [MORE.geojson ...] --gsd 0.3

True footprints are burnt at the given pixel size, each on a raster of its own, traced, and
straightened by both in turn (A B A B); times are CPU seconds of one process, medians. Without
buildingregulariser (`pip install buildingregulariser`, 0.2.5 when this was written) ours is
measured alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio.features
import shapely
from affine import Affine
from shapely import affinity

from geoseg.geometry.measure import rings_of
from geoseg.geometry.outlines import to_crs_coordinates, vertices
from geoseg.geometry.regularize import pixel_metric, regularize
from geoseg.geometry.trace import trace

PEER = "buildingregulariser"


def burnt(
    footprints: Path, gsd: float, smallest: float
) -> tuple[np.ndarray, np.ndarray, Affine, object]:
    """True footprints of at least ``smallest`` square metres, their traced outlines in pixels, the
    grid's transform and CRS.
    """
    frame = gpd.read_file(footprints)
    frame = (
        frame
        if frame.crs.is_projected and frame.crs.to_epsg() != 3857
        else frame.to_crs(frame.estimate_utm_crs())
    )
    shapes = frame.geometry.explode()
    left, _, _, top = shapes.total_bounds
    transform = Affine(gsd, 0, left, 0, -gsd, top)
    true, raw = [], []
    for shape in shapes[shapes.area >= smallest]:
        pixels = affinity.affine_transform(shape, [1 / gsd, 0, 0, -1 / gsd, -left / gsd, top / gsd])
        x, y, right, bottom = pixels.bounds
        corner = Affine.translation(int(x) - 2, int(y) - 2)
        mask = rasterio.features.rasterize(
            [pixels], (int(bottom - y) + 6, int(right - x) + 6), transform=corner
        )
        outlines = [outline for batch in trace([(mask > 0, None)]) for outline in batch.geometry]
        if outlines:
            true.append(shape)
            raw.append(affinity.translate(max(outlines, key=shapely.area), corner.c, corner.f))
    return np.array(true), np.array(raw), transform, frame.crs


def iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    common = shapely.area(shapely.intersection(one, other))
    return common / (shapely.area(one) + shapely.area(other) - common)


def right_angles(geometry: np.ndarray) -> float:
    """Share of the corners within a degree of a right angle."""
    right = corners = 0
    for ring in rings_of(geometry)[0]:
        side = np.diff(shapely.get_coordinates(ring), axis=0)
        bearing = np.degrees(np.arctan2(side[:, 1], side[:, 0]))
        turn = np.diff(np.append(bearing, bearing[0])) % 180
        right += int((abs(turn - 90) < 1).sum())
        corners += len(turn)
    return right / corners


def line(name: str, outlines: np.ndarray, true: np.ndarray, seconds: float | None) -> str:
    took = "" if seconds is None else f"{seconds:8.3f}"
    agreement = iou(outlines, true)
    share, count = right_angles(outlines), vertices(outlines).mean()
    return f"{name:<20}{agreement.mean():8.4f}{agreement.min():8.3f}{share:8.3f}{count:9.1f}{took}"


def compare(footprints: Path, gsd: float, smallest: float, repeats: int) -> None:
    true, raw, transform, crs = burnt(footprints, gsd, smallest)
    at = pixel_metric(np.tile([1.0, 0.0, 1.0], (len(raw), 1)), transform)
    placed = to_crs_coordinates(raw, transform)
    frame = gpd.GeoDataFrame({"n": np.arange(len(raw))}, geometry=placed, crs=crs)
    ways: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
        "geoseg": lambda: (
            np.arange(len(raw)),
            to_crs_coordinates(regularize(raw, at).geometry, transform),
        )
    }
    if importlib.util.find_spec(PEER):
        from buildingregulariser import regularize_geodataframe

        def peer() -> tuple[np.ndarray, np.ndarray]:
            found = regularize_geodataframe(frame, num_cores=1)
            return found["n"].to_numpy(), found.geometry.to_numpy()

        ways[PEER] = peer
    print(f"\n{footprints.name}: {len(raw)} footprints at {gsd:g} m")
    print(f"{'':<20}{'IoU':>8}{'lowest':>8}{'right':>8}{'vertices':>9}{'CPU s':>8}")
    print(line("traced", placed, true, None))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.process_time()
            which, outlines = way()
            seconds[name].append(time.process_time() - start)
            if len(seconds[name]) == repeats:
                print(line(name, outlines, true[which], statistics.median(seconds[name])))
    if PEER in ways:
        ratios = [
            theirs / ours for ours, theirs in zip(seconds["geoseg"], seconds[PEER], strict=True)
        ]
        print(f"{statistics.median(ratios):.1f} times faster than {PEER}")
    else:
        print(f"{PEER} is not installed: nothing to compare with")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("footprints", type=Path, nargs="+")
    parser.add_argument("--gsd", type=float, default=0.3)
    parser.add_argument("--min-area", type=float, default=15.0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")  # the peer's own
    for footprints in options.footprints:
        compare(footprints, options.gsd, options.min_area, options.repeats)


if __name__ == "__main__":
    main()
