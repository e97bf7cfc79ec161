"""The part of a scene that a user wants."""

from __future__ import annotations

import math

from pyproj import CRS
from pyproj.exceptions import CRSError, ProjError
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.core.transformation import between
from geoseg.errors import UnsuitableError, UsageError
from geoseg.specs import SceneSpec

# Parts of a pixel by which bounds may lie beyond an edge of it: they are typed with few digits
ROUNDING = 1e-3


def part_of(name: str, grid: Grid, spec: SceneSpec) -> Window | None:
    """The window of ``grid`` that ``spec`` names, whole pixels inside the scene; None for all of
    it.

    Raises UsageError for bounds in no known CRS, UnsuitableError where they lie beside the scene.
    """
    if not spec.window and not spec.bounds:
        return None
    if spec.window:
        left, top, width, height = map(float, spec.window)
        right = left + width
        bottom = top + height
    else:
        left, top, right, bottom = _edges(name, grid, spec)
    left = max(0.0, left)
    top = max(0.0, top)
    right = min(float(grid.width), right)
    bottom = min(float(grid.height), bottom)
    if left >= right or top >= bottom:
        which = "window" if spec.window else "bounds"
        raise UnsuitableError(
            f"{name}: the {which} lie beside it".replace("window lie", "window lies")
        )
    # whole pixels by now: those of a window are given so, those of bounds were rounded outwards
    return Window(int(left), int(top), int(right - left), int(bottom - top))


def _edges(name: str, grid: Grid, spec: SceneSpec) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the bounds in pixels, whole ones that hold all of them."""
    assert spec.bounds
    left, bottom, right, top = spec.bounds
    if spec.bounds_crs:
        left, bottom, right, top = _transformed(name, grid, spec)
    # on a rotated grid the box has four corners of its own in pixels
    corners = [
        ~grid.transform * p for p in ((left, top), (right, top), (right, bottom), (left, bottom))
    ]
    xs, ys = zip(*corners, strict=True)
    return (
        math.floor(min(xs) + ROUNDING),
        math.floor(min(ys) + ROUNDING),
        math.ceil(max(xs) - ROUNDING),
        math.ceil(max(ys) - ROUNDING),
    )


def _transformed(name: str, grid: Grid, spec: SceneSpec) -> tuple[float, float, float, float]:
    left, bottom, right, top = spec.bounds or (0, 0, 0, 0)
    if grid.crs is None:
        raise UnsuitableError(f"{name}: has no CRS, which `bounds_crs` needs")
    try:
        to_scene = between(CRS.from_user_input(spec.bounds_crs), grid.crs, name)
        # edges are bent in another CRS: 21 points along each
        found = to_scene.transform_bounds(left, bottom, right, top, 21, errcheck=True)
    except CRSError as error:
        raise UsageError(f"{spec.bounds_crs} is no CRS", "for example EPSG:4326") from error
    except ProjError as error:
        raise UnsuitableError(f"{name}: the bounds lie outside its CRS") from error
    left, bottom, right, top = map(float, found)
    return left, bottom, right, top
