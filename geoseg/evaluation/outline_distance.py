"""How far matched outlines lie from each other."""

from __future__ import annotations

import numpy as np
import shapely

from geoseg.geometry.measure import rings_of

# Pairs looked at together: each vertex is a geometry for a while, and outlines of pixels have
# hundreds
_AT_ONCE = 2048


def outline_distances(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """PoLiS and Hausdorff distance of each pair of polygons (n,) in the plane: float64 (n,) each,
    in its unit.

    PoLiS: the mean distance of one's vertices to the other's outline, and of the other's to the
    one's, averaged. Avbelj, Müller and Bamler, "A metric for polygon comparison and building
    extraction evaluation", IEEE GRSL 12 (2015), https://doi.org/10.1109/LGRS.2014.2330695; holes
    have outlines too. Hausdorff: the greatest of these distances, that at vertices; somewhere along
    an edge it may be greater still.
    """
    polis, hausdorff = np.zeros((2, len(ours)))
    for first in range(0, len(ours), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        one, other = _to_outline(ours[part], theirs[part]), _to_outline(theirs[part], ours[part])
        polis[part], hausdorff[part] = (one[0] + other[0]) / 2, np.maximum(one[1], other[1])
    return polis, hausdorff


def _to_outline(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and greatest distance of the vertices of each of ``ours`` to the outline of ``theirs``,
    float64 (n,).
    """
    rings, ring_owner = rings_of(ours)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    # a ring ends with the vertex it began with
    own = np.append(ring[1:] == ring[:-1], False)[: len(ring)]
    owner = ring_owner[ring[own]]
    distance = shapely.distance(shapely.points(points[own]), shapely.boundary(theirs)[owner])
    greatest = np.zeros(len(ours))
    np.maximum.at(greatest, owner, distance)
    return np.bincount(owner, distance, len(ours)) / np.maximum(
        np.bincount(owner, minlength=len(ours)), 1
    ), greatest
