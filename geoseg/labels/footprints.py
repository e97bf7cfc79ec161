"""Footprints on the grid of a scene: read, reprojected, repaired."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.errors import UnsuitableError
from geoseg.geometry.burn import Burner, repair
from geoseg.geometry.outlines import to_crs_coordinates
from geoseg.io.vector.read import read_footprints


def footprints_on(
    path: Path | str, grid: Grid, warnings: list[str], *, pixel_coords: bool = False, **wanted: Any
) -> Layer:
    """Footprints in the CRS of ``grid``, as :func:`footprints_in`, or with ``pixel_coords`` as they
    are.

    Raises UnsuitableError where one of the two CRSs is unknown, or where no footprint reaches the
    grid; an empty layer is fine.
    """
    if grid.crs is None and not pixel_coords:
        raise UnsuitableError(f"{path}: the scene has no CRS to place the footprints in")
    found = footprints_in(path, grid.crs, warnings, grid=grid, **wanted)
    if len(found) and not len(Burner(found.geometry).inside(grid)):
        raise UnsuitableError(
            f"{path}: no overlap with the scene", "compare the two with `geoseg info`"
        )
    return found


def footprints_in(
    path: Path | str,
    crs: CRS | None,
    warnings: list[str],
    *,
    grid: Grid | None = None,
    layer: str | None = None,
    scene: str | None = None,
    columns: tuple[str, ...] = (),
) -> Layer:
    """Valid footprints, reprojected to ``crs`` where one is given, with ``columns``; ``warnings``
    takes what had to be done.

    A SpaceNet CSV may hold those of many images, of which that of ``scene`` is taken, and may give
    them in pixels, which are placed on the image's ``grid``. Raises UnsuitableError where the
    footprints' own CRS is unknown and ``crs`` is given.
    """
    pixels = grid is not None and grid.crs is None
    found = read_footprints(path, layer, columns=columns, scene=scene, pixels=pixels)
    if grid is not None and found.pixels:
        found = replace(
            found, geometry=to_crs_coordinates(found.geometry, grid.transform), crs=grid.crs
        )
    elif crs is not None:
        found = _reprojected(found, path, crs, warnings)
    geometry = found.geometry.copy()
    nothing = shapely.is_missing(geometry) | shapely.is_empty(geometry)
    astray = ~nothing & ~np.isfinite(shapely.bounds(geometry)).all(axis=1)
    if astray.any():
        warnings.append(
            f"{path}: {astray.sum()} footprints have no place in the CRS of the other file and "
            "are left out"
        )
        geometry[astray] = shapely.Polygon()
    geometry, repaired = repair(geometry)
    if repaired:
        warnings.append(f"{path}: {repaired} invalid footprints repaired")
    return replace(found, geometry=geometry)


def _reprojected(found: Layer, path: Path | str, crs: CRS, warnings: list[str]) -> Layer:
    if found.crs is None:
        raise UnsuitableError(
            f"{path}: has no CRS", "write it into the file, for example with ogr2ogr -a_srs"
        )
    if found.crs.equals(crs, ignore_axis_order=True):
        return found
    warnings.append(f"{path}: reprojected from {_name(found.crs)} to {_name(crs)}")
    return found.to_crs(crs)


def _name(crs: CRS) -> str:
    authority = crs.to_authority()
    return ":".join(authority) if authority else crs.name
