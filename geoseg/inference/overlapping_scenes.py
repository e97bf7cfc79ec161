"""Scenes of one run that overlap: the footprints that several may have found wait until all are
done.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import shapely
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.geometry.duplicates import distinct
from geoseg.geometry.outlines import to_crs_coordinates

# Points along a side of a scene: what is straight in its CRS is not in another
_POINTS = 32


class OverlapBuffer:
    """Footprints on ground that other scenes of the run show too; memory is theirs alone.

    ``grids`` has that of each scene. Without a CRS no two scenes are known to show the same ground.
    """

    def __init__(self, grids: Mapping[str, Grid], crs: CRS | None) -> None:
        self.crs = crs
        self.scenes = [name for name, grid in grids.items() if grid.crs is not None]
        self.tree = shapely.STRtree(
            [_extent(grids[name], crs) for name in self.scenes] if crs is not None else []
        )
        self.held: list[Layer] = []

    def unshared(self, scene: str, batch: Layer) -> Layer:
        """Those of ``batch``, in the run's CRS, that no other scene can have found; the others are
        held.
        """
        if batch.crs is not None and self.crs is not None and batch.crs != self.crs:
            batch = batch.to_crs(self.crs)
        one, other = self.tree.query(batch.geometry, predicate="intersects")
        shared = np.zeros(len(batch), bool)
        shared[one[np.array(self.scenes, object)[other] != scene]] = True
        if shared.any():
            self.held.append(batch.take(shared))
        return batch.take(~shared)

    def resolve_held(self) -> Layer:
        """The best footprint of each building that was held, in the order they came."""
        found = Layer.joined(self.held, self.crs)
        return (
            found.take(distinct(found.geometry, found.columns["edge"], found.columns["confidence"]))
            if self.held
            else found
        )


def _extent(grid: Grid, crs: CRS | None) -> shapely.Geometry:
    # before it is reprojected: with corners alone the sides would stay straight
    box = shapely.segmentize(shapely.box(0, 0, grid.width, grid.height), max(grid.shape) / _POINTS)
    outline = Layer(to_crs_coordinates(np.array([box]), grid.transform), grid.crs)
    return (
        outline.geometry[0] if grid.crs == crs or crs is None else outline.to_crs(crs).geometry[0]
    )
