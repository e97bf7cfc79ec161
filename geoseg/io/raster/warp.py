"""Where a raster lies, and how it is read on another grid than its own."""

from __future__ import annotations

from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT

from geoseg.core.grid import Grid
from geoseg.errors import UnsuitableError
from geoseg.io.safety import worldfile


def grid_of(name: str, dataset: DatasetReader) -> Grid:
    """The file's own grid, or that of the worldfile beside a picture. Raises UnsuitableError where
    its CRS is none we know.
    """
    try:
        crs = CRS.from_user_input(dataset.crs.to_wkt()) if dataset.crs else None
    except (CRSError, RasterioError, CPLE_BaseError, ValueError) as error:
        raise UnsuitableError(
            f"{name}: its CRS is not understood", "assign another with gdal_edit -a_srs"
        ) from error
    transform = dataset.transform
    if crs is None and transform.is_identity:
        transform = worldfile(name) or transform
    return Grid(crs, transform, dataset.height, dataset.width)


def align_grids(name: str, own: Grid, like: Grid) -> Grid:
    """``own`` in the CRS of ``like``; without a CRS on one side a raster of the same proportions
    shows the same ground.
    """
    if own.crs is not None and like.crs is not None:
        return own
    if own.shape == like.shape:
        return like
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
        tolerance=1e-3,
        warp_mem_limit=32,
        add_alpha=alpha and ColorInterp.alpha not in dataset.colorinterp,
        **({"src_nodata": None, "nodata": None} if zero else {}),
    )
