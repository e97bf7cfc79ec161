"""What becomes of a traced outline: holes filled, vertices thinned out, placed on the ground.

All take and return (n,) object arrays of valid shapely Polygons or MultiPolygons.
"""

from __future__ import annotations

import numpy as np
import shapely
from affine import Affine

from geoseg.geometry.measure import coordinates, rings_of

# Corners lie on a grid of pixels over this, so that no last bit depends on the batch they come in
SUBPIXEL_STEPS = 1024.0


def small_holes(geometry: np.ndarray, smallest: np.ndarray, islands: np.ndarray) -> np.ndarray:
    """Which of all rings, bool in their order, are holes below ``smallest`` (n,) square units that
    hold none of ``islands``.

    ``islands`` are points (m, 2) inside of footprints that stay: filling a hole around one would
    lay the two over each other.
    """
    parts, owner = shapely.get_parts(geometry, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    # of each part the first ring is its exterior, the others are holes
    fill = np.diff(part, prepend=-1) == 0
    holes = shapely.polygons(rings[fill])
    small = shapely.area(holes) < smallest[owner[part[fill]]]
    if len(islands) and small.any():
        small[shapely.STRtree(holes).query(shapely.points(islands), predicate="within")[1]] = False
    fill[fill] = small
    return fill


def filled(geometry: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """``geometry`` without the ``holes``, bool, one of each of all rings."""
    if not holes.any():
        return geometry
    parts, owner = shapely.get_parts(geometry, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    # only these are built again: most footprints have no hole to fill
    changed = np.unique(owner[part[holes]])
    kept = np.isin(owner[part], changed) & ~holes
    outer, index = np.unique(part[kept], return_inverse=True)
    out = geometry.copy()
    out[changed] = collect_parts(shapely.polygons(rings[kept], indices=index), owner[outer])
    return out


def simplify(geometry: np.ndarray, tolerance: float, pixel_size: tuple[float, float]) -> np.ndarray:
    """Leave out vertices of outlines in pixels; no point of an outline is further than
    ``tolerance`` metres from the result.

    ``pixel_size`` is metres along x and y. Douglas and Peucker, The Canadian Cartographer 10
    (1973), keeping the topology; a footprint that would not stay a valid area of the same number of
    parts keeps its outline.
    """
    if tolerance <= 0:
        return geometry
    scale = np.array(pixel_size)
    placed = shapely.transform(geometry, lambda xy: xy * scale)
    thin = shapely.simplify(placed, tolerance)
    doubtful = np.flatnonzero(_starts_differ(placed, thin))
    far = doubtful[~_near(placed[doubtful], thin[doubtful], tolerance)]
    # one half for what is left out, the other for the start of the ring
    thin[far] = shapely.simplify(placed[far], tolerance / 2)
    thin = shapely.transform(thin, lambda xy: np.rint(xy / scale * SUBPIXEL_STEPS) / SUBPIXEL_STEPS)
    sound = stays_valid(thin) & (shapely.area(thin) > 0)
    sound &= shapely.get_num_geometries(thin) == shapely.get_num_geometries(geometry)
    return np.where(sound, thin, geometry)


def stays_valid(geometry: np.ndarray) -> np.ndarray:
    """Whether each is valid, and is so on the ground too: no corner of a ring rests on the side of
    another, where the last bit of a coordinate would lay it across.
    """
    sound: np.ndarray = shapely.is_valid(geometry)
    # a single ring that touches itself is not valid to begin with
    parts, holes = shapely.get_num_geometries(geometry), shapely.get_num_interior_rings(geometry)
    several = np.flatnonzero(sound & ((parts > 1) | (holes > 0)))
    rings = shapely.boundary(geometry[several])
    # nodes are where rings touch: at corners of both they cut no side in two
    sound[several] = _sides(shapely.node(rings)) == _sides(rings)
    return sound


def _sides(lines: np.ndarray) -> np.ndarray:
    return shapely.get_num_coordinates(lines) - shapely.get_num_geometries(lines)


def _starts_differ(geometry: np.ndarray, thin: np.ndarray) -> np.ndarray:
    """Whether the rings of each no longer start where those of its ``thin`` one do."""
    (starts, owner), (kept, kept_owner) = map(_starts, (geometry, thin))
    count, kept_count = (np.bincount(of, minlength=len(geometry)) for of in (owner, kept_owner))
    differ: np.ndarray = count != kept_count
    # of the others there is the same number, in the same order
    moved = (starts[~differ[owner]] != kept[~differ[kept_owner]]).any(axis=1)
    differ[owner[~differ[owner]][moved]] = True
    return differ


def _starts(geometry: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first point of each ring (ring, 2), and the index of its geometry (ring,)."""
    rings, owner = rings_of(geometry)
    first = np.cumsum(np.append(0, shapely.get_num_coordinates(rings)))[:-1]
    return shapely.get_coordinates(rings)[first], owner


def _near(geometry: np.ndarray, thin: np.ndarray, tolerance: float) -> np.ndarray:
    """Whether every corner of each is within ``tolerance`` of the outline of its ``thin`` one.

    It need not be: last of all GEOS leaves out the start of a ring that is near enough to its new
    neighbours, and does not look again at what it had left out between them. Most rings keep their
    start; only others have to be measured, which takes longer than all the rest.
    """
    lines = shapely.boundary(thin)
    shapely.prepare(lines)
    points, owner = shapely.get_coordinates(geometry, return_index=True)
    # the billionth is for the rounding of a distance that is the tolerance itself
    far = ~shapely.dwithin(lines[owner], shapely.points(points), tolerance * (1 + 1e-9))
    return np.bincount(owner[far], minlength=len(geometry)) == 0


def to_crs_coordinates(geometry: np.ndarray, transform: Affine) -> np.ndarray:
    """Outlines in pixels to coordinates; exteriors run counter-clockwise there."""
    placed = shapely.transform(geometry, lambda xy: coordinates(xy, transform))
    # rows run down and y up: such a transform turns the way rings run about
    return shapely.reverse(placed) if transform.determinant < 0 else placed


def vertices(geometry: np.ndarray) -> np.ndarray:
    """Vertices of each, of holes too, the closing points not counted: int32 (n,)."""
    rings, owner = rings_of(geometry)
    count = np.bincount(owner, shapely.get_num_coordinates(rings) - 1, len(geometry))
    return count.astype(np.int32)


def collect_parts(parts: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Polygons ``parts``, in the order of their ``owner``: one alone stays a Polygon, several
    become a MultiPolygon.
    """
    # for example owners 0 0 1 2 2 give a MultiPolygon, a Polygon and a MultiPolygon
    start = np.flatnonzero(np.diff(owner, prepend=-1))
    if len(start) == len(parts):
        return parts
    size = np.diff(np.append(start, len(parts)))
    geometry = parts[start]
    several = np.flatnonzero(size > 1)
    chosen = np.repeat(size > 1, size)
    geometry[several] = shapely.multipolygons(
        parts[chosen], indices=np.repeat(np.arange(len(several)), size[several])
    )
    return geometry
