"""Where a raster has data, as polygons: beyond this edge nothing is missed and nothing found.

scene            extent of its data
....####         ....+--+
..######   ->    ..+-+  |    nodata at an edge or between strips of imagery is cut away,
########         +-+    |
###.####         +------+    a speck of it, such as one black pixel, is not
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.core.tiling import row_windows
from geoseg.errors import UnsuitableError
from geoseg.geometry.measure import pixel_size
from geoseg.geometry.outlines import filled, small_holes, to_crs_coordinates
from geoseg.geometry.trace import trace
from geoseg.io.raster.scene import Scene, open_scene
from geoseg.labels.interpret import interpret
from geoseg.specs import SceneSpec

# Cells a side that are traced at most: one a pixel up to this many, then larger ones, which have
# data where any of their pixels does
MOST_CELLS = 4096
# Square metres (pixels without a CRS): smaller holes are shadows and dead pixels, not missing data
SPECK = 25.0

Validity = Callable[[int, int], np.ndarray]


def scene_extent(path: str, spec: SceneSpec = SceneSpec(), most_cells: int = MOST_CELLS) -> Layer:
    """Polygons of where the scene at ``path`` has data, in its CRS, or in pixels without one.

    A mask that declares 0 as nodata is background there, which is data. Raises GeosegError where
    the scene cannot be opened.
    """
    with open_scene(path, spec=spec, expand=True) as scene:
        grid = scene.placed_grid
        if _is_whole(scene):
            return whole_extent(grid)
        return extent_of(
            lambda first, last: scene.read_validity(Window(0, first, grid.width, last - first)),
            grid,
            most_cells,
        )


def whole_extent(grid: Grid) -> Layer:
    """The outline of ``grid``."""
    frame = np.array([shapely.box(0, 0, grid.width, grid.height)])
    return Layer(to_crs_coordinates(frame, grid.transform), grid.crs)


def extent_of(valid: Validity, grid: Grid, most_cells: int = MOST_CELLS) -> Layer:
    """Polygons of where rows of ``grid`` are valid: ``valid(first, last)`` gives those from
    ``first`` to before ``last``, bool (row, col).
    """
    side = -(-max(grid.shape) // most_cells)
    strips = ((_cells(valid, grid, window, side), None) for window in _rows(grid, side))
    found = [batch.geometry for batch in trace(strips)]
    geometry = np.concatenate([np.empty(0, object), *found])
    across, along = pixel_size(grid)
    speck = np.full(len(geometry), SPECK / (across * along * side**2))
    whole = filled(geometry, small_holes(geometry, speck, np.empty((0, 2))))
    # the last row and column of cells may reach beyond the grid
    size = grid.width, grid.height
    inside = shapely.transform(whole, lambda xy: np.minimum(xy * side, size))
    return Layer(to_crs_coordinates(inside, grid.transform), grid.crs)


def _is_whole(scene: Scene) -> bool:
    """Whether there is data everywhere, without a look at the pixels."""
    if not scene.has_mask and not scene.dtype.startswith("float"):
        return True
    if scene.bands > 1 or scene.nodata != 0:
        return False
    try:
        return interpret(scene).unit is None
    except UnsuitableError:  # imagery
        return False


def _rows(grid: Grid, side: int) -> list[Window]:
    """Windows of whole rows, of whole cells each."""
    strips = list(row_windows(grid))
    height = max(side, strips[0].height // side * side)
    return [
        Window(0, top, grid.width, min(height, grid.height - top))
        for top in range(0, grid.height, height)
    ]


def _cells(valid: Validity, grid: Grid, window: Window, side: int) -> np.ndarray:
    rows = valid(window.row_off, window.row_off + window.height)
    if side == 1:
        return rows
    starts = (np.arange(0, length, side) for length in rows.shape)
    for axis, start in enumerate(starts):
        rows = np.logical_or.reduceat(rows, start, axis=axis)
    return rows
