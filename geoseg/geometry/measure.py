"""Areas and lengths on the ground, in square metres and metres, on any CRS.

Around a point a CRS stretches the ground by its metric: ds² = E dx² + 2F dx dy + G dy². It is taken
by differences from earth-centred coordinates, so poles and the antimeridian are points like any
other, and costs four transformed points a footprint however many vertices that has. It is true to
first order in the footprint's size over the earth's radius, and in an area that order cancels;
footprints wider than ``_WIDE`` metres are measured edge by edge instead.

Without a CRS units are pixels; an engineering CRS, which has no ellipsoid, is measured in the
plane.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import shapely
from affine import Affine
from pyproj import CRS, Geod, Transformer

from geoseg.core.grid import Grid

# Metres between the points of a difference: small to the earth (its curve over 100 m takes less
# than 1e-10 of a length), large to the rounding of earth-centred coordinates (1e-9 m)
_STEP = 100.0
_WIDE = 5_000.0
# Round a box that no CRS has a place for, in metres: ten times round the earth
_BEYOND = 4e8
_EARTH = 6_371_000.0


def metric_tensor(points: np.ndarray, crs: CRS | None) -> np.ndarray:
    """E, F, G at ``points`` (n, 2) of x, y: float64 (n, 3), square metres per square unit of the
    CRS; those of its plane where the CRS has no place on the earth.
    """
    # an engineering CRS lies on no ellipsoid: its unit is all there is
    if crs is None or crs.geodetic_crs is None:
        unit = crs.axis_info[0].unit_conversion_factor if crs is not None and crs.axis_info else 1.0
        return np.tile([unit**2, 0.0, unit**2], (len(points), 1))
    # centred differences: what is wrong to first order cancels
    step = _STEP / _unit(crs)
    right, left, up, down = (
        _earth_centred(points + np.multiply(step, d), crs)
        for d in ((1, 0), (-1, 0), (0, 1), (0, -1))
    )
    along_x = (right - left) / (2 * step)
    along_y = (up - down) / (2 * step)
    metric = np.stack(
        [
            (one * other).sum(1)
            for one, other in ((along_x, along_x), (along_x, along_y), (along_y, along_y))
        ],
        1,
    )
    # millions of kilometres off, a transformation gives NaN, or one point for all
    nowhere = ~(metric[:, 0] + metric[:, 2] > 0)
    metric[nowhere] = [_unit(crs) ** 2, 0.0, _unit(crs) ** 2]
    return metric


def areas(geometry: np.ndarray, crs: CRS | None) -> np.ndarray:
    """Square metres of each of the polygons ``geometry`` (n,) on the ellipsoid: float64 (n,)."""
    return measure(geometry, crs)[0]


def measure(
    geometry: np.ndarray, crs: CRS | None, at: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Square metres of each of the polygons ``geometry`` (n,) as :func:`areas`, and metres around
    it, holes included: float64 (n,) both. ``at`` is their :func:`metric_tensor` where it is known.
    """
    if not len(geometry):
        return np.empty(0), np.empty(0)
    at = metric_tensor(centres(geometry), crs) if at is None else at
    # What a metric is good for. In degrees at 60 north it is about (111,000² / 4, 0, 111,000²): a
    # square of a thousandth of a degree has 55 by 111 metres.
    area = shapely.area(geometry) * area_scale(at)
    around = _lengths(geometry, at)
    if crs is not None and crs.geodetic_crs is not None:
        for i in np.flatnonzero(around > _WIDE):
            box = shapely.box(*shapely.bounds(geometry[i]))
            # what reaches beyond the earth has no true area, and would be cut into millions of bits
            if _lengths(np.array([box]), at[i : i + 1])[0] < _BEYOND:
                area[i], around[i] = _exactly(geometry[i], crs)
    return area, around


def area_scale(at: np.ndarray) -> np.ndarray:
    """Square metres per square unit of the CRS where the metric is ``at`` (n, 3)."""
    return np.sqrt(at[:, 0] * at[:, 2] - at[:, 1] ** 2)


def centres(geometry: np.ndarray) -> np.ndarray:
    """Middle of each one's bounds: float64 (n, 2)."""
    bounds = shapely.bounds(geometry)
    return (bounds[:, :2] + bounds[:, 2:]) / 2


def coordinates(pixels: np.ndarray, transform: Affine) -> np.ndarray:
    """Columns and rows (n, 2) to x and y in the CRS, to the bit the same however many they are (a
    matrix product is not).
    """
    t = transform
    (x, y) = pixels.T
    return np.column_stack([x * t.a + y * t.b + t.c, x * t.d + y * t.e + t.f])


def pixel_size(grid: Grid) -> tuple[float, float]:
    """Ground metres of a pixel along a row and along a column at the grid's centre; (1, 1) without
    a CRS.
    """
    t = grid.transform
    if grid.crs is None:
        return 1.0, 1.0
    middle = coordinates(np.array([[grid.width / 2, grid.height / 2]]), t)
    across, mixed, along = metric_tensor(middle, grid.crs)[0]
    lengths = [
        across * dx * dx + 2 * mixed * dx * dy + along * dy * dy
        for dx, dy in ((t.a, t.d), (t.b, t.e))
    ]
    return float(np.sqrt(lengths[0])), float(np.sqrt(lengths[1]))


def to_local_metres(geometry: np.ndarray, at: np.ndarray, about: np.ndarray) -> np.ndarray:
    """``geometry`` (n,) in metres about the points ``about`` (n, 2), where the
    :func:`metric_tensor` is ``at`` (n, 3).

    North need not be up there; lengths and angles are true.
    """
    points, owner = shapely.get_coordinates(geometry, return_index=True)
    across, mixed, along = at[owner].T
    dx, dy = (points - about[owner]).T
    # The triangle of the metric's Cholesky factor: x stays along itself and y is sheared to where
    # it is on the ground, so that right angles there are right angles here.
    right = np.sqrt(across)
    flat = np.column_stack(
        [right * dx + mixed / right * dy, np.sqrt(along - mixed**2 / across) * dy]
    )
    return shapely.set_coordinates(geometry.copy(), flat)


def rings_of(geometry: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exteriors and holes of polygons and multipolygons, and the index of each one's geometry."""
    parts, owner = shapely.get_parts(geometry, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    return rings, owner[part]


def _lengths(geometry: np.ndarray, at: np.ndarray) -> np.ndarray:
    rings, owner = rings_of(geometry)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    inside = ring[1:] == ring[:-1]
    dx, dy = np.diff(points, axis=0)[inside].T
    footprint = owner[ring[1:][inside]]
    across, mixed, along = at[footprint].T
    length = np.sqrt(across * dx * dx + 2 * mixed * dx * dy + along * dy * dy)
    return np.bincount(footprint, length, len(geometry))


def _exactly(polygon: shapely.Geometry, crs: CRS) -> tuple[float, float]:
    """Area by an equal-area projection about the polygon, perimeter by geodesics; edges are
    straight in the CRS.
    """
    geod = _geod(crs)
    # a point every kilometre: between two of them a straight line of the CRS and a geodesic are
    # some centimetres apart
    dense = shapely.segmentize(polygon, _WIDE / 5 / _unit(crs))
    to_lonlat, radians = _to_lonlat(crs)
    degrees = np.degrees(radians)
    lon, lat = np.multiply(to_lonlat.transform(*centres(np.array([polygon]))[0]), degrees)
    equal_area = CRS.from_dict(
        {"proj": "laea", "lat_0": lat, "lon_0": lon, "a": geod.a, "b": geod.b}
    )
    to_plane = Transformer.from_crs(equal_area.geodetic_crs, equal_area, always_xy=True)

    def lonlat(points: np.ndarray) -> np.ndarray:
        return np.column_stack(to_lonlat.transform(*points.T)) * degrees

    def plane(points: np.ndarray) -> np.ndarray:
        return np.column_stack(to_plane.transform(*points.T))

    on_earth = shapely.transform(dense, lonlat)
    lines, _ = rings_of(np.array([on_earth]))
    around = sum(geod.line_length(*shapely.get_coordinates(line).T) for line in lines)
    return float(shapely.area(shapely.transform(on_earth, plane))), float(around)


def _earth_centred(points: np.ndarray, crs: CRS) -> np.ndarray:
    """x, y of the CRS on its ellipsoid as earth-centred metres, (n, 3)."""
    to_lonlat, radians = _to_lonlat(crs)
    # of the CRS's own datum: a shift to WGS 84 would turn the ground a little
    lon, lat = np.multiply(to_lonlat.transform(*points.T), radians)
    geod = _geod(crs)
    normal = geod.a / np.sqrt(1 - geod.es * np.sin(lat) ** 2)
    flat = normal * np.cos(lat)
    return np.column_stack(
        [flat * np.cos(lon), flat * np.sin(lon), normal * (1 - geod.es) * np.sin(lat)]
    )


def _geod(crs: CRS) -> Geod:
    return crs.get_geod() or Geod(ellps="WGS84")


def _unit(crs: CRS) -> float:
    """Metres per unit of the CRS, at the equator where that is an angle."""
    factor: float = crs.axis_info[0].unit_conversion_factor
    return factor * _EARTH if crs.is_geographic else factor


@lru_cache(maxsize=32)
def _to_lonlat(crs: CRS) -> tuple[Transformer, float]:
    """To longitude and latitude on the CRS's own datum, and radians per unit of these."""
    geodetic = crs.geodetic_crs or crs
    return Transformer.from_crs(crs, geodetic, always_xy=True), geodetic.axis_info[
        0
    ].unit_conversion_factor
