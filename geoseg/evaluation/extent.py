"""Where a prediction is compared with the truth, and which footprints count at the edge of it.

Footprints are cut at the edge of the data and compared as they are cut, for nothing can be found
beyond it. Of a building cut there more or less may be left:

    truth    data            inside    counts
    +--------|               whole     as found or missed
      +------|--+            half      as found or missed, by its part inside
          +--|-----+         less      as found where something matches its part, else not at all
             | +------+      nothing   not at all

What was predicted mainly on a truth that does not count is not a false positive either, nor is a
prediction of which less than half lies inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from pyproj import CRS
from rasterio.windows import Window

from geoseg.core.encoding import VOID
from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.errors import UnsuitableError
from geoseg.evaluation.footprints import confidence_of
from geoseg.evaluation.matching import assign, overlaps
from geoseg.geometry.burn import Burner, repair
from geoseg.geometry.longitudes import near, period
from geoseg.labels.class_raster import ClassRaster
from geoseg.specs import EvaluateSpec

# Share of a footprint that has to lie inside, so that it counts whether it is matched or not
COUNTED = 0.5
# Edges are divided into so many parts before they are reprojected, where they become curves
_PARTS = 64


@dataclass(frozen=True)
class Extent:
    """Ground that lies in every one of ``areas``, layers of polygons each in its own CRS."""

    areas: tuple[Layer, ...]

    def in_crs(self, crs: CRS | None, middle: float | None = None) -> shapely.Geometry:
        """The ground as one geometry in ``crs``; its longitudes are those nearest to ``middle``.

        Raises UnsuitableError where only one of the two CRSs is known.
        """
        placed = [shapely.union_all(_placed(area, crs, middle)) for area in self.areas]
        ground = shapely.intersection_all(placed)
        return repair([ground])[0][0]


def masked(classes: ClassRaster, extent: Extent | None, grid: Grid) -> ClassRaster:
    """``classes`` on ``grid`` with no data beyond the extent."""
    if extent is None or not extent.areas:
        return classes
    inside = Burner([extent.in_crs(grid.crs, sum(grid.bounds[::2]) / 2)], grid)

    def read(first: int, last: int) -> np.ndarray:
        rows = grid.window(Window(0, first, grid.width, last - first))
        return np.where(inside.burn(rows) == 1, classes.read(first, last), np.uint8(VOID))

    return replace(classes, read=read)


def cut_at(
    prediction: Layer, truth: Layer, ground: shapely.Geometry, spec: EvaluateSpec
) -> tuple[Layer, Layer]:
    """Prediction and truth, in the CRS of ``ground``, as they count on it: see the head."""
    shapely.prepare(ground)
    prediction, found_share = clipped(prediction, ground)
    truth, true_share = clipped(truth, ground)
    uncertain = true_share < COUNTED
    stray = found_share < COUNTED
    if not (uncertain.any() or stray.any()):
        return prediction, truth
    pairs = overlaps(prediction.geometry, truth.geometry, min(spec.iou, 0.5))
    matched = assign(pairs, confidence_of(prediction), spec.iou).pairs
    uncertain[matched[:, 1]] = False
    mainly = pairs.common >= pairs.prediction_areas[pairs.prediction] / 2
    stray[pairs.prediction[mainly & uncertain[pairs.truth]]] = True
    stray[matched[:, 0]] = False
    return prediction.take(~stray), truth.take(~uncertain)


def meets(layers: Sequence[Layer], ground: shapely.Geometry) -> bool:
    """Whether anything of ``layers`` lies on ``ground``; so it is where there is nothing at all."""
    shapely.prepare(ground)
    there = [layer.geometry[~shapely.is_empty(layer.geometry)] for layer in layers]
    return not sum(map(len, there)) or any(
        bool(shapely.intersects(ground, geometry).any()) for geometry in there
    )


def clipped(layer: Layer, ground: shapely.Geometry) -> tuple[Layer, np.ndarray]:
    """What of ``layer`` lies on ``ground``, and the share of each footprint's area that does."""
    layer = layer.take(~shapely.is_empty(layer.geometry))
    geometry = layer.geometry.copy()
    cut = ~shapely.covers(ground, geometry)
    # what only touches the edge leaves a line or a point, which is no footprint
    geometry[cut] = repair(shapely.intersection(geometry[cut], ground))[0]
    left = ~shapely.is_empty(geometry)
    share = shapely.area(geometry[left]) / shapely.area(layer.geometry[left])
    return replace(layer, geometry=geometry).take(left), share


def _placed(area: Layer, crs: CRS | None, middle: float | None) -> np.ndarray:
    if (area.crs is None) != (crs is None):
        raise UnsuitableError("an area with and one without a CRS do not go together")
    if crs is None or area.crs is None:
        return area.geometry
    geometry = area.geometry
    if not area.crs.equals(crs, ignore_axis_order=True):
        left, bottom, right, top = area.bounds
        longest = max(right - left, top - bottom)
        if longest > 0:
            geometry = shapely.segmentize(geometry, longest / _PARTS)
        geometry = repair(replace(area, geometry=geometry).to_crs(crs).geometry)[0]
    circle = period(crs)
    return geometry if circle is None or middle is None else near(geometry, middle, circle)
