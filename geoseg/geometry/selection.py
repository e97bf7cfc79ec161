"""Which of the traced footprints stay: those of the wanted sizes and confidences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import shapely

from geoseg.core.grid import Grid
from geoseg.geometry.measure import area_scale, centres, coordinates, metric_tensor
from geoseg.geometry.outlines import filled, small_holes
from geoseg.geometry.subpixel import Crossings
from geoseg.geometry.trace import Traced
from geoseg.specs import Area, PolygonSpec


@dataclass(frozen=True)
class Selected:
    """Footprints of a batch that stay, their ``outline`` (n,) in pixels, small holes filled;
    ``ground`` is the CRS's metric at each, ``area`` the square metres of its traced pixels (square
    units of the grid without a CRS), by which it was selected.

    ``iou`` (n,) of straightened outlines with the raw ones is None where they were not to be
    straightened.
    """

    traced: Traced
    outline: np.ndarray
    ground: np.ndarray
    area: np.ndarray
    iou: np.ndarray | None = None


def select(
    batches: Iterable[Traced],
    grid: Grid,
    unit: float | None,
    spec: PolygonSpec,
    min_area: Area,
    crossings: Crossings | None,
) -> Iterator[Selected]:
    """Footprints of the wanted sizes and confidences, their small holes filled.

    ``unit`` is the score of probability 1, None for masks; ``crossings``, where there are any, give
    outlines finer than pixels.
    """
    islands = np.empty((0, 2))
    for batch in batches:
        ground, square_metres = _ground(batch.geometry, grid)
        smallest = _pixels(min_area, square_metres)
        least = _pixels(spec.min_hole, square_metres)
        # A hole with a footprint in it is not filled, however small. The footprint may have come in
        # an earlier batch, since it ends above the hole; points above the open row are done with.
        #
        #     # # # # #
        #     # . . . #      a courtyard below `min_hole` with a shed that is large enough to stay
        #     # . # . #
        #     # # # # #
        islands = np.concatenate([islands, _islands(batch.geometry, smallest, least)])
        holes = small_holes(batch.geometry, least, islands)
        islands = islands[islands[:, 1] >= batch.open_row]
        geometry = filled(batch.geometry, holes)
        # sizes are those of the traced pixels, so that the outline's kind changes no footprint's
        # fate
        outline = (
            geometry if crossings is None else filled(crossings.outlines(batch.geometry), holes)
        )
        wanted = _wanted(batch, geometry, smallest, square_metres, unit, spec)
        if wanted.any():
            chosen = Traced(
                batch.geometry[wanted], batch.pixels[wanted], batch.sums[wanted], batch.open_row
            )
            area = (shapely.area(geometry) * square_metres)[wanted]
            yield Selected(chosen, outline[wanted], ground[wanted], area)


def _wanted(
    batch: Traced,
    geometry: np.ndarray,
    smallest: np.ndarray,
    square_metres: np.ndarray,
    unit: float | None,
    spec: PolygonSpec,
) -> np.ndarray:
    """Which footprints (n,) are neither too small nor too large, and certain enough."""
    area = shapely.area(geometry)
    wanted: np.ndarray = area >= smallest
    if spec.max_area is not None:
        wanted &= area <= _pixels(spec.max_area, square_metres)
    if spec.min_confidence and unit is not None:
        wanted &= mean_probability(batch, unit) >= spec.min_confidence
    return wanted


def mean_probability(traced: Traced, unit: float) -> np.ndarray:
    """Mean probability of the traced pixels (n,); ``unit`` is the score of probability 1."""
    # four decimals, as they are written, so that `min_confidence` selects what a filter of the file
    # would
    return np.round(traced.sums[:, 0] / traced.pixels / unit, 4)


def _ground(geometry: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """The CRS's metric at each footprint, and square metres of a pixel there."""
    at = metric_tensor(coordinates(centres(geometry), grid.transform), grid.crs)
    return at, area_scale(at) * abs(grid.transform.determinant)


def _pixels(area: Area, square_metres: np.ndarray) -> np.ndarray:
    """``area`` in pixels of ``square_metres`` each."""
    return np.full(len(square_metres), area.value) if area.pixels else area.value / square_metres


def _islands(geometry: np.ndarray, smallest: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """A point (n, 2) inside of each part that stays though it would fit into a hole to be
    filled.
    """
    if smallest.min() >= holes.max():
        return np.empty((0, 2))
    parts, owner = shapely.get_parts(geometry, return_index=True)
    outer = shapely.get_exterior_ring(parts)
    # without the holes: what decides is the ground that the part would need in a hole
    area = shapely.area(shapely.polygons(outer))
    chosen = (area >= smallest[owner]) & (area < holes.max())
    # rings start at their upper left corner; half a pixel on lies inside of the part
    return shapely.get_coordinates(shapely.get_point(outer[chosen], 0)) + 0.5
