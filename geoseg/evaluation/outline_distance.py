"""How far matched outlines lie from each other."""

from __future__ import annotations

import numpy as np
import shapely

from geoseg.geometry.measure import rings_of

# Each vertex is a geometry for a while, and outlines of pixels have hundreds
PAIRS = 2048


def outline_distances(
    left: np.ndarray, right: np.ndarray, pairs: int = PAIRS
) -> tuple[np.ndarray, np.ndarray]:
    """PoLiS and Hausdorff distance of each pair of polygons (n,) in the plane: float64 (n,) each,
    in its unit. So many ``pairs`` are measured together.

    PoLiS: the mean distance of one's vertices to the other's outline, and of the other's to the
    one's, averaged. Avbelj, Müller and Bamler, "A metric for polygon comparison and building
    extraction evaluation", IEEE GRSL 12 (2015), https://doi.org/10.1109/LGRS.2014.2330695; holes
    have outlines too. Hausdorff: the greatest of these distances, that at vertices; somewhere along
    an edge it may be greater still.
    """
    polis, hausdorff = np.zeros((2, len(left)))
    # some pairs at a time: each vertex becomes a point, of some hundred bytes
    for first in range(0, len(left), pairs):
        part = slice(first, first + pairs)
        left_mean, left_greatest = _to_outline(left[part], right[part])
        right_mean, right_greatest = _to_outline(right[part], left[part])
        polis[part] = (left_mean + right_mean) / 2
        hausdorff[part] = np.maximum(left_greatest, right_greatest)
    return polis, hausdorff


def _to_outline(polygons: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and greatest distance of the vertices of each of ``polygons`` to the outline of its
    target: float64 (n,) each.
    """
    rings, ring_owner = rings_of(polygons)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    # a ring ends with the vertex it began with
    kept = np.append(ring[1:] == ring[:-1], False)[: len(ring)]
    owner = ring_owner[ring[kept]]
    distance = shapely.distance(shapely.points(points[kept]), shapely.boundary(targets)[owner])
    greatest = np.zeros(len(polygons))
    np.maximum.at(greatest, owner, distance)
    vertices = np.bincount(owner, minlength=len(polygons))
    return np.bincount(owner, distance, len(polygons)) / np.maximum(vertices, 1), greatest
