"""Scenes in: open imagery, labels and results at their own resolution, another, or on a grid."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import MaskFlags, Resampling
from rasterio.io import DatasetReader

from geoseg.core.grid import Grid, Turn
from geoseg.core.transformation import between
from geoseg.errors import UnsuitableError
from geoseg.io.raster.opening import Opened, gdal_options, looking_at, open_dataset
from geoseg.io.raster.part import part_of
from geoseg.io.raster.sampling import undeclared_nodata
from geoseg.io.raster.stored import stored_blocks
from geoseg.io.raster.tiles import open_tiles
from geoseg.io.raster.view import Bands, bands_of, check_nodata, nodata_of, viewed
from geoseg.io.raster.warp import align_grids, control_points, place_of, warped
from geoseg.io.raster.window_reader import Scene
from geoseg.io.safety import check_claim
from geoseg.io.stac import asset_file
from geoseg.io.xyz import is_tile_folder
from geoseg.specs import SceneSpec

__all__ = ["Scene", "open_scene", "read_array"]

WHOLE = SceneSpec()
# Each pixel of a scene may become so many along each axis, no more: a slip in the unit
MOST_ENLARGED = 100


@contextmanager
def open_scene(
    path: Path | str,
    gsd: float | None = None,
    like: Grid | None = None,
    *,
    spec: SceneSpec = WHOLE,
    expand: bool = False,
    placed: bool = True,
) -> Iterator[Scene]:
    """Open a raster, an asset of a STAC item, ``item.json#asset``, or a folder of map tiles.

    With ``gsd`` (metres per pixel) it is read resampled to that, where its own is known: by its
    CRS, or the ``spec``.

    With ``like`` it is read on that grid by nearest neighbour, as labels must be: beyond its own
    extent nothing is valid, and a nodata value of 0 is the label 0. Where one of the two has no CRS
    they are taken to show the same ground, and ``source`` is where that puts the file. ``spec``
    says which part is read; with ``expand`` palettes are read as colours, as imagery must be, and a
    number that can only mark pixels without data is taken so.
    Unless it must be ``placed``, a scene whose place is not understood is read as a picture, and
    ``warnings`` say so.

    Raises InputError (missing, unreadable), SafetyError (a file that names others, plain http, a
    bomb that the spec does not ``force``), UnsuitableError (complex numbers, no known CRS, no place
    in it, not the shape of ``like``).
    """
    name = str(path)
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(**gdal_options()))
        with looking_at(name):
            file = asset_file(name)
            opened = (open_tiles if is_tile_folder(Path(file)) else open_dataset)(file, stack)
            if not spec.force:
                _check_size(name, opened)
            whole, doubt = place_of(file, opened.dataset, placed, spec)
            scene, raw = _native(name, opened, whole, spec, expand, stack)
            mark = undeclared_nodata(scene) if expand and like is None else None
            if mark is not None:
                spec = replace(spec, nodata=mark)
                scene, raw = _native(name, opened, whole, spec, expand, stack)
                doubt += (
                    f"{name}: {mark:.9g} lies far from all other values and is taken as nodata, "
                    "which it does not declare (`nodata` says what is)",
                )
        scene = replace(scene, warnings=opened.warnings + doubt)
        if like is not None:
            scene = _on(scene, raw, like, stack)
        elif gsd and scene.gsd and abs(gsd / scene.gsd - 1) > 0.01:
            scene = _resampled(scene, raw, gsd, stack)
        yield scene


def _native(
    name: str, opened: Opened, raw: Grid, spec: SceneSpec, expand: bool, stack: ExitStack
) -> tuple[Scene, Grid]:
    """The scene at its own GSD, and the grid of its pixels as they are stored, ``raw`` that of the
    whole file.
    """
    file = opened.dataset
    whole, turn = raw.north_up()
    grid = whole
    window = part_of(name, grid, spec)
    bands = bands_of(file, expand)
    dtype = _dtype(name, file, bands)
    check_nodata(name, file, bands, dtype, spec.nodata)
    own = None
    if window:
        own = turn.window(window, grid.shape)
        grid = grid.window(window)
        raw = raw.window(own)
    view = viewed(opened, bands, spec.nodata, own, stack)
    positions = {band: band for band in bands.data}
    if view is not file:
        positions = {band: place for place, band in enumerate(bands.data, 1)}
    nodata = None if bands.palette else nodata_of(view.nodata, dtype)
    flags = {flag for band in positions.values() for flag in view.mask_flag_enums[band - 1]}
    return Scene(
        path=name,
        grid=grid,
        source=grid,
        whole=whole,
        indexes=bands.data,
        rgb=bands.rgb,
        dtype=str(dtype),
        nodata=nodata,
        tags=file.tags(),
        has_mask=flags != {MaskFlags.all_valid},
        expanded=bands.palette is not None,
        picture_gsd=None if grid.crs else spec.gsd,
        control_points=control_points(name, file),
        warnings=(),
        _file=file,
        _dataset=view,
        _positions=positions,
        _turn=turn,
        _stored=stored_blocks(file, bands, nodata) if view is file else None,
    ), raw


def _check_size(name: str, opened: Opened) -> None:
    file = opened.dataset
    itemsize = np.dtype(file.dtypes[0].removeprefix("complex_")).itemsize
    check_claim(name, file.height * file.width * file.count * itemsize, opened.held)


def _dtype(name: str, file: DatasetReader, bands: Bands) -> np.dtype[Any]:
    """The type that holds the values of all bands. Raises UnsuitableError for complex numbers."""
    if bands.palette:
        return np.dtype("uint8")
    types = {file.dtypes[band - 1] for band in bands.data}
    # GDAL's complex integers have no counterpart in numpy
    if strange := [each for each in types if each.startswith("complex")]:
        raise UnsuitableError(f"{name}: holds {strange[0]}, which is no kind of image")
    return np.result_type(*types)


def _on(scene: Scene, raw: Grid, like: Grid, stack: ExitStack) -> Scene:
    """The scene on the grid ``like`` by nearest neighbour."""
    dataset = scene._dataset
    flags = {
        flag for band in scene._positions.values() for flag in dataset.mask_flag_enums[band - 1]
    }
    source = align_grids(scene.path, scene.source, like)
    zero = scene.nodata == 0
    masked = scene.has_mask and not (MaskFlags.nodata in flags and zero)
    if source == like:
        return replace(scene, grid=like, source=source, has_mask=masked, _stored=None)
    if source.crs != like.crs:
        between(source.crs, like.crs, scene.path)  # raises where GDAL would name neither file
    # pixels as they are stored -> the north-up grid -> where `like` puts that
    stored = source.transform * ~scene.source.transform * raw.transform
    view = warped(
        dataset,
        replace(raw, crs=source.crs, transform=stored),
        like,
        Resampling.nearest,
        alpha=True,
        zero=zero,
    )
    return replace(
        scene,
        grid=like,
        source=source,
        has_mask=True,
        _dataset=stack.enter_context(view),
        _turn=Turn(),
        _stored=None,  # a nodata value of 0 is a label
    )


def _resampled(scene: Scene, raw: Grid, gsd: float, stack: ExitStack) -> Scene:
    dataset = scene._dataset
    source = scene.source
    if (scene.gsd or gsd) > MOST_ENLARGED * gsd:
        raise UnsuitableError(
            f"{scene.path}: has {scene.gsd:.3g} m a pixel, {gsd:g} m would enlarge it more than "
            f"{MOST_ENLARGED} times"
        )
    grid = source.scaled((scene.gsd or gsd) / gsd)
    # averages where pixels become fewer: bilinear would skip some of them
    resampling = Resampling.average if grid.width < source.width else Resampling.bilinear
    # a mask band would be lost: the warper hands it on as alpha
    alpha = any(MaskFlags.per_dataset in flags for flags in dataset.mask_flag_enums)
    view = stack.enter_context(warped(dataset, raw, grid, resampling, alpha=alpha))
    stored = scene._stored
    if stored is not None:
        # a pixel is made of those that it covers, and of their neighbours
        reach = 2 + math.ceil(max(source.height / grid.height, source.width / grid.width))
        stored = replace(stored, to_file=~raw.transform * grid.transform, reach=reach)
    return replace(scene, grid=grid, _dataset=view, _turn=Turn(), _stored=stored)


def read_array(path: Path | str) -> tuple[np.ndarray, np.ndarray, Grid]:
    """A small raster whole: image (band, row, col), valid (row, col), grid."""
    with open_scene(path) as scene:
        chip = scene.read()
        return chip.image, chip.valid, scene.grid
