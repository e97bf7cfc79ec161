"""Footprints on the grid of a scene: read, reprojected, repaired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import CRS, Transformer

from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.core.transformation import between
from geoseg.errors import UnsuitableError
from geoseg.geometry.burn import Burner, repair
from geoseg.geometry.longitudes import gathered, near, period
from geoseg.geometry.outlines import to_crs_coordinates
from geoseg.io.formats import vector_kind
from geoseg.io.vector.read import read_footprints
from geoseg.report import Remarks
from geoseg.specs.vectors import VectorFiles

# Degrees from the area where a CRS is used; coordinates farther away were meant for another one
_ASTRAY = 1.0
# Coordinates beyond are no places: numbers there are coarser than a decimetre
_FARTHEST = 1e15
# Of half a circle: footprints beyond may have their neighbours on the other side
_SEAM = 179 / 180
# Times as wide as the grid: such a polygon is an area that holds it, and nobody's house
_WIDE = 10
# Edges of such a polygon, each short enough to be straight in either CRS
_STEPS = 100


def footprints_on(
    files: Path | str | VectorFiles,
    grid: Grid,
    remarks: Remarks,
    *,
    pixel_coords: bool = False,
    **wanted: Any,
) -> Layer:
    """Footprints in the CRS of ``grid``, as :func:`footprints_in`, or with ``pixel_coords`` as they
    are.

    Raises UnsuitableError where one of the two CRSs is unknown, or where no footprint reaches the
    grid; an empty layer is fine.
    """
    if grid.crs is None and not pixel_coords:
        raise UnsuitableError(f"{files}: the scene has no CRS to place the footprints in")
    found = footprints_in(files, grid.crs, remarks, grid=grid, **wanted)
    solid = ~shapely.is_empty(found.geometry)
    if solid.any() and not _reaches(found.geometry, grid):
        hint = "compare the two with `geoseg info`"
        if grid.crs is None and found.bounds[3] > 0:
            hint = "pixel coordinates have y from 0 at the upper edge down to -height"
        raise UnsuitableError(f"{files}: no overlap with the scene", hint)
    return found


def _reaches(geometry: np.ndarray, grid: Grid) -> bool:
    """Whether a footprint meets the bounds of ``grid``."""
    near = geometry[Burner(geometry).inside(grid)]
    box = shapely.box(*grid.bounds)
    shapely.prepare(box)
    # most often the first ones do
    return any(
        shapely.intersects(box, near[start : start + 1000]).any()
        for start in range(0, len(near), 1000)
    )


def footprints_in(
    files: Path | str | VectorFiles,
    crs: CRS | None,
    remarks: Remarks,
    *,
    grid: Grid | None = None,
    scene: str | None = None,
    columns: tuple[str, ...] = (),
    beside: Layer | None = None,
) -> Layer:
    """Valid footprints, reprojected to ``crs`` where one is given, with ``columns``; ``remarks``
    takes what had to be done. What is no polygon is empty, so that rows keep their numbers.

    A SpaceNet CSV may hold those of many images, of which that of ``scene`` is taken, and may give
    them in pixels, which are placed on the image's ``grid``. Longitudes are those nearest to the
    ``grid``, or to the layer ``beside``. Raises UnsuitableError where the footprints' own CRS is
    unknown and ``crs`` is given, and where coordinates cannot be what it says.
    """
    files = VectorFiles.of(files)
    layers = [
        _read(path, files, crs, remarks, grid=grid, scene=scene, columns=columns)
        for path in files.paths
    ]
    found = layers[0] if len(layers) == 1 else _joined(layers, crs)
    geometry = found.geometry.copy()
    nothing = shapely.is_missing(geometry) | shapely.is_empty(geometry)
    # an image without buildings is no news in a table of many
    if nothing.all() and not any(vector_kind(path) == "csv" for path in files.paths):
        remarks.append(f"{files}: holds no footprints")
    _leave_astray(files, geometry, "have no place in the CRS of the other file", remarks)
    if not found.pixels:
        geometry = _turned(geometry, found.crs, grid, beside)
    geometry, repaired = repair(geometry)
    if repaired:
        remarks.append(f"{files}: {repaired} invalid footprints repaired")
    return replace(found, geometry=geometry)


def _read(
    path: Path,
    files: VectorFiles,
    crs: CRS | None,
    remarks: Remarks,
    *,
    grid: Grid | None,
    scene: str | None,
    columns: tuple[str, ...],
) -> Layer:
    """Footprints of one file in ``crs``, or as they are where that is None."""
    found = read_footprints(
        path,
        files.layer,
        where=files.where,
        columns=columns,
        scene=scene,
        pixels=grid is not None and grid.crs is None,
        remarks=remarks,
        setting=files.setting,
    )
    if grid is not None and found.pixels:
        placed = to_crs_coordinates(found.geometry, grid.transform)
        return replace(found, geometry=placed, crs=grid.crs)
    if grid is not None and grid.crs is None:
        return found
    _check_coordinates(path, found, grid)
    geometry = found.geometry.copy()
    _leave_astray(path, geometry, "are too far away to lie anywhere", remarks)
    found = replace(found, geometry=geometry)
    return found if crs is None else _reprojected(found, path, crs, remarks, grid)


def _leave_astray(
    files: Path | VectorFiles, geometry: np.ndarray, why: str, remarks: Remarks
) -> None:
    """Empty the footprints that are nowhere, as their coordinates or a reprojection have it."""
    nothing = shapely.is_missing(geometry) | shapely.is_empty(geometry)
    astray = ~nothing & ~(np.abs(shapely.bounds(geometry)) < _FARTHEST).all(axis=1)
    if astray.any():
        remarks.append(f"{files}: {astray.sum()} footprints {why} and are left out")
        geometry[astray] = shapely.Polygon()


def _joined(layers: Sequence[Layer], crs: CRS | None) -> Layer:
    """Layers one after the other; a column that one of them lacks is None there."""
    names = list(dict.fromkeys(name for layer in layers for name in layer.columns))
    full = [
        replace(
            layer,
            columns={
                name: layer.columns.get(name, np.full(len(layer), None, object)) for name in names
            },
        )
        for layer in layers
    ]
    return Layer.joined(full, crs or layers[0].crs)


def _reprojected(
    found: Layer, path: Path | str, crs: CRS, remarks: Remarks, grid: Grid | None
) -> Layer:
    if found.crs is None:
        way = "write it into the file, for example with ogr2ogr -a_srs"
        if vector_kind(Path(path)) == "shapefile":
            way = f"its {Path(path).stem}.prj is not beside it: copy it too, or {way}"
        raise UnsuitableError(f"{path}: has no CRS", way)
    if found.crs.equals(crs, ignore_axis_order=True):
        return found
    between(found.crs, crs, path)  # raises where nothing leads from one to the other
    remarks.append(f"{path}: reprojected from {_name(found.crs)} to {_name(crs)}")
    return (_around(found, grid) if grid else found).to_crs(crs)


def _around(found: Layer, grid: Grid) -> Layer:
    """The same with polygons that are far wider than ``grid`` cut to what lies around it, in short
    edges.
    """
    # The outline of a country, given as two longitudes and two latitudes, and a scene in it:
    #
    #     straight in degrees is curved in UTM      +-----------+
    #     and the poles have no place there         |  .        |
    #                                               +-----------+
    assert grid.crs is not None
    left, bottom, right, top = between(grid.crs, found.crs).transform_bounds(*grid.bounds)
    width, height = right - left, top - bottom
    # not across 180 degrees, where a scene is as wide as the earth
    if not (np.isfinite([width, height]).all() and width > 0 and height > 0):
        return found
    wide = far_wider(found.geometry, width, height)
    if not wide.any():
        return found
    # a layer may count longitudes from 0 to 360
    circle = period(found.crs) or 0
    boxes = [
        shapely.box(left - width + turn, bottom - height, right + width + turn, top + height)
        for turn in (-circle, 0, circle)
    ]
    geometry = found.geometry.copy()
    mended, _ = repair(geometry[wide])
    cut = shapely.intersection(mended, shapely.union_all(boxes))
    # what does not reach the grid stays there, so that its place can be compared
    cut = np.where(shapely.is_empty(cut), mended, cut)
    steps = (shapely.bounds(cut)[:, 2:] - shapely.bounds(cut)[:, :2]).max(axis=1) / _STEPS
    geometry[wide] = shapely.segmentize(cut, steps)
    return replace(found, geometry=geometry)


def far_wider(geometry: np.ndarray, width: float, height: float) -> np.ndarray:
    """Which polygons are areas that hold what is so wide and high, and nobody's house."""
    bounds = shapely.bounds(geometry)
    with np.errstate(invalid="ignore"):  # of what is empty
        return np.asarray(
            (bounds[:, 2] - bounds[:, 0] > _WIDE * width)
            | (bounds[:, 3] - bounds[:, 1] > _WIDE * height)
        )


def _check_coordinates(path: Path, found: Layer, grid: Grid | None) -> None:
    """Raise UnsuitableError for metres in a CRS of degrees, and for degrees in one of metres."""
    crs = found.crs
    bounds = found.bounds
    if crs is None or not np.isfinite(bounds).all():
        return
    left, bottom, right, top = bounds
    # Two files whose CRS is wrong, and how they show:
    #
    #     EPSG:4326 with 458000 5548000     no latitude goes beyond 90 degrees
    #     EPSG:32633 with 14.4 50.1         like degrees, and far from where zone 33 is used
    degrees = -180 <= left <= right <= 180 and -90 <= bottom <= top <= 90
    if crs.is_geographic:
        quarter = (period(crs) or 360) / 4
        wrong = max(abs(bottom), abs(top)) > 1.001 * quarter
    else:
        # a grid may lie there too, as that of a photo whose CRS is assigned
        there = grid is not None and shapely.box(*grid.bounds).intersects(shapely.box(*bounds))
        wrong = crs.is_projected and degrees and not there and _is_astray(crs, bounds)
    if wrong:
        unit = crs.axis_info[0].unit_name
        raise UnsuitableError(
            f"{path}: coordinates from {left:.9g} {bottom:.9g} to {right:.9g} {top:.9g} cannot be "
            f"those of {_name(crs)}, which counts in {unit}s",
            "give the file its right CRS, for example with ogr2ogr -a_srs",
        )


def _is_astray(crs: CRS, bounds: tuple[float, float, float, float]) -> bool:
    """Whether bounds lie outside of the area for which a CRS was made."""
    area = crs.area_of_use
    if area is None:
        return False
    to_degrees = Transformer.from_crs(crs, 4326, always_xy=True)
    x, y = to_degrees.transform((bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2)
    # Fiji and New Zealand lie on both sides of 180 degrees
    across = area.west > area.east
    outside = area.east < x < area.west if across else not area.west <= x <= area.east
    return outside or not area.south - _ASTRAY <= y <= area.north + _ASTRAY


def _turned(
    geometry: np.ndarray, crs: CRS | None, grid: Grid | None, beside: Layer | None
) -> np.ndarray:
    """Geometry with its longitudes near those of the ``grid`` or the layer ``beside``, else near
    each other.
    """
    circle = period(crs)
    if circle is None or not len(geometry):
        return geometry
    if grid is not None:
        return near(geometry, (grid.bounds[0] + grid.bounds[2]) / 2, circle)
    if beside is None or not len(beside):
        return gathered(geometry, circle)
    left, _, right, _ = beside.bounds
    own_left, _, own_right, _ = shapely.total_bounds(geometry)
    # only near the seam: elsewhere a footprint far away is just far away
    reach = max(-left, right, -own_left, own_right)
    return near(geometry, (left + right) / 2, circle) if reach > _SEAM * circle / 2 else geometry


def _name(crs: CRS) -> str:
    authority = crs.to_authority()
    return ":".join(authority) if authority else crs.name
