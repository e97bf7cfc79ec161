"""Where a raster lies, and how it is read on another grid than its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import rasterio
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio._err import CPLE_BaseError
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT

from geoseg.core.grid import Grid
from geoseg.errors import UnsuitableError, UsageError
from geoseg.io.safety import worldfile
from geoseg.specs import SceneSpec

# Pixels by which ground control points may lie off an affine transform
OFF_POINTS = 0.1


@dataclass(frozen=True)
class ControlPoints:
    """The ground control points of a raster: how many, and their CRS, None where it has none."""

    count: int
    crs: CRS | None


def control_points(name: str, dataset: DatasetReader) -> ControlPoints | None:
    """None where there are no points."""
    points, crs = dataset.gcps
    return ControlPoints(len(points), _crs(name, crs)) if points else None


def grid_of(name: str, dataset: DatasetReader) -> Grid:
    """The file's own grid: by its transform, the worldfile beside it, or its ground control points
    where an affine transform follows them.

    Raises UnsuitableError where its CRS is none we know, where it has one but no place in it, and
    where it has a place that is no affine transform.
    """
    crs = _crs(name, dataset.crs)
    if crs is not None and crs.is_vertical and not crs.is_compound:
        raise UnsuitableError(
            f"{name}: its CRS {crs.name} is one of heights alone",
            "give it that of its place: gdal_edit -a_srs",
        )
    transform = dataset.transform
    if transform.is_identity:
        transform = worldfile(name) or transform
    if transform.is_identity and crs is not None and crs.is_engineering:
        crs = None  # what GDAL makes of a JPEG 2000 without any
    if transform.is_identity and (points := dataset.gcps[0]):
        crs = crs or _crs(name, dataset.gcps[1])
        transform = _follow(name, points, crs)
    elif transform.is_identity and dataset.rpcs:
        raise UnsuitableError(
            f"{name}: is placed by rational polynomial coefficients alone",
            f"warp it first: gdalwarp -rpc -r cubic {name} warped.tif",
        )
    elif transform.is_identity and crs is not None:
        raise UnsuitableError(
            f"{name}: has a CRS but no transform, so that its pixels have no place",
            "give it one: gdal_edit -a_ullr LEFT TOP RIGHT BOTTOM",
        )
    try:
        return Grid(crs, transform, dataset.height, dataset.width)
    except UnsuitableError as error:
        raise UnsuitableError(f"{name}: {error.message}", error.hint) from error


def place_of(
    name: str, file: DatasetReader, placed: bool, spec: SceneSpec
) -> tuple[Grid, tuple[str, ...]]:
    try:
        grid = grid_of(name, file)
        return with_crs(name, grid, spec.scene_crs) if spec.scene_crs else grid, ()
    except UnsuitableError as error:
        if placed:
            raise
        return Grid(None, Affine.identity(), file.height, file.width), (str(error),)


def with_crs(name: str, grid: Grid, crs: str) -> Grid:
    """``grid``, which has no CRS, in the one that the user names. Raises UsageError where it has
    one or ``crs`` is none, UnsuitableError where nothing places it.
    """
    if grid.crs is not None:
        raise UsageError(f"{name}: has a CRS", "`crs` is for scenes without one")
    try:
        known = CRS.from_user_input(crs)
    except CRSError as error:
        raise UsageError(f"{crs} is no CRS", "for example EPSG:32736") from error
    if grid.transform.is_identity:
        raise UnsuitableError(
            f"{name}: has no transform, so that its pixels have no place in {crs}",
            "put a worldfile beside it",
        )
    return replace(grid, crs=known)


def _crs(name: str, crs: rasterio.CRS | None) -> CRS | None:
    try:
        # by its text: rasterio and pyproj bring a PROJ each, and objects of one mean nothing to the
        # other
        return CRS.from_user_input(crs.to_wkt()) if crs else None
    except (CRSError, RasterioError, CPLE_BaseError, ValueError) as error:
        raise UnsuitableError(
            f"{name}: its CRS is not understood", "assign another with gdal_edit -a_srs"
        ) from error


def _follow(name: str, points: list[GroundControlPoint], crs: CRS | None) -> Affine:
    """The affine transform that goes through all of ``points`` to a part of a pixel."""
    if len(points) < 3:
        raise UnsuitableError(
            f"{name}: its transform is degenerate: {len(points)} ground control points place no "
            "raster",
            "give it one: gdal_edit -a_ullr LEFT TOP RIGHT BOTTOM",
        )
    at = np.array([(point.col, point.row, 1) for point in points], float)
    ground = np.array([(point.x, point.y) for point in points], float)
    centre = ground.mean(axis=0)  # numbers of millions would cost digits
    found, _, rank, _ = np.linalg.lstsq(at, ground - centre, rcond=None)
    error = np.inf
    if rank == 3 and abs(np.linalg.det(found[:2])) > 0:
        # back into pixels, in which the tolerance is: metres or degrees on the ground say little
        off = np.linalg.solve(found[:2].T, (at @ found - (ground - centre)).T)
        error = np.hypot(*off).max()
    if not error <= OFF_POINTS:
        named = f" in {crs.to_string()}" if crs else ""
        raise UnsuitableError(
            f"{name}: is placed by {len(points)} ground control points{named}, which no affine "
            "transform follows",
            f"warp it first: gdalwarp -r cubic {name} warped.tif",
        )
    (a, d), (b, e), (c, f) = found.tolist()
    return Affine(a, b, c + centre[0], d, e, f + centre[1])


def align_grids(name: str, own: Grid, like: Grid) -> Grid:
    """``own`` in the CRS of ``like``; without a CRS on one side a raster of the same proportions
    shows the same ground.
    """
    if own.crs is not None and like.crs is not None:
        return own
    if own.shape == like.shape:
        return like
    # Pictures without a place: a mask of 500 x 350 is that of a scene of 1000 x 700, half as fine.
    # One pixel of the coarser may be missing, as sizes are rounded.
    factor = like.height / own.height
    if abs(own.width * factor - like.width) > max(1, factor):
        raise UnsuitableError(
            f"{name}: has {own.height} x {own.width} pixels and the scene {like.height} x "
            f"{like.width}, and one has no CRS"
        )
    return Grid(
        like.crs,
        like.transform * Affine.scale(like.width / own.width, factor),
        own.height,
        own.width,
    )


def warped(
    dataset: DatasetReader,
    source: Grid,
    grid: Grid,
    resampling: Resampling,
    *,
    alpha: bool,
    zero: bool = False,
) -> WarpedVRT:
    """``dataset``, which lies on ``source``, on ``grid``; with ``zero`` its nodata value is
    data.
    """
    # without any CRS the warper only wants both to agree
    crs = [each.crs.to_wkt() if each.crs else "EPSG:3857" for each in (source, grid)]
    return WarpedVRT(
        dataset,
        src_crs=crs[0],
        crs=crs[1],
        src_transform=source.transform,
        transform=grid.transform,
        height=grid.height,
        width=grid.width,
        resampling=resampling,
        # pixels by which GDAL may approximate the transformation; its default is an eighth
        tolerance=1e-3,
        # megabytes: a window needs no more
        warp_mem_limit=32,
        add_alpha=alpha and ColorInterp.alpha not in dataset.colorinterp,
        **({"src_nodata": None, "nodata": None} if zero else {}),
    )
