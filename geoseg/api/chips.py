"""Chips: tile, prepare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseg.api.settings import (
    Paths,
    fractions,
    numbers,
    path_or_none,
    scenes_from,
    spec_from,
    takes_threads,
    vector_files,
)
from geoseg.report import Progress, no_progress
from geoseg.specs import ChipSpec, FolderTarget, PrepareSpec, SceneSpec

if TYPE_CHECKING:
    from geoseg.tools.prepare import PrepareReport
    from geoseg.tools.tile import TileReport


@takes_threads
def tile(
    scenes: Paths,
    output: str | Path,
    *,
    size: int | None = None,
    overlap: int | None = None,
    edge: str | None = None,
    max_nodata: float | None = None,
    bands: Sequence[int] | str | None = None,
    rescale: str | None = None,
    gsd: float | None = None,
    split: Sequence[float] | str | None = None,
    split_by: str | None = None,
    block_size: int | None = None,
    seed: int | None = None,
    format: str | None = None,
    stride: int | None = None,
    labels: str | Sequence[str] | None = None,
    labels_layer: str | None = None,
    labels_where: str | None = None,
    aoi: Path | str | None = None,
    nodata: float | None = None,
    window: Any | None = None,
    bounds: Sequence[float] | str | None = None,
    bounds_crs: str | None = None,
    crs: str | None = None,
    creation_options: Mapping[str, Any] | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    force: bool = False,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> TileReport:
    """Cut scenes into georeferenced chips and a chip index.

    Parameters
    ----------
    scenes
        Scene, or several: paths, folders, globs, ``@list.txt``, https:// and s3://
        addresses.
    output
        Folder to write.
    size
        Chip size in pixels per side. [default: 512]
    overlap
        Overlap of neighbouring chips in pixels. [default: 0]
    edge
        Chips at the scene's edge: shift inside, pad with nodata, keep partial ones, or
        drop. One of shift, pad, partial, drop. [default: shift]
    max_nodata
        Leave out chips with a larger fraction of nodata, 0 to 1. [default: 1.0]
    bands
        Bands to read, counted from 1: 3,2,1 or 1-3. [default: all but alpha]
    rescale
        Stretch to 8 bits, the same for all scenes: none, minmax or percentile:LO,HI.
        [default: none]
    gsd
        Metres per pixel: to resample to, or of imagery without a CRS. [default: that of the
        scene]
    split
        Fractions of train, val and test. [default: 0.8,0.1,0.1 with ``labels``,
        else no split]
    split_by
        Unit that is never split between train, val and test. One of block, scene,
        random. [default: block]
    block_size
        Block size in tiles (blocks are squares of N x N tiles). [default: 4]
    seed
        Random seed of the split. [default: 0]
    format
        Format of the chips. One of tif, png. [default: tif]
    stride
        Distance from one chip to the next in pixels, instead of ``overlap``.
    labels
        Footprints or masks of the scenes: a file, several, or a folder, of which the file
        named like the scene is taken, else all of them. [default: none]
    labels_layer
        Layer of the labels to read. [default: footprints, or the only one]
    labels_where
        Condition of the labels to read, e.g. "height > 3". [default: all]
    aoi
        Polygons of the area of interest; the rest is left out. [default: all]
    nodata
        Value of pixels without data, for imagery that names none. [default: none]
    window
        Part to read in pixels: COL,ROW,WIDTH,HEIGHT. [default: all]
    bounds
        Part to read in the scene's CRS: LEFT,BOTTOM,RIGHT,TOP. [default: all]
    bounds_crs
        CRS of ``bounds``, e.g. EPSG:4326. [default: that of the scene]
    crs
        CRS to assume for imagery without one, e.g. EPSG:32633. [default: none]
    creation_options
        GDAL creation options of the chips, e.g. ``{"COMPRESS": "ZSTD"}``.
    jobs
        Number of parallel processes. [default: 1]
    scheduler
        Dask cluster that computes, such as tcp://host:8786. [default: this machine]
    resume
        Keep finished chips when interrupted, and continue from them. [default: start over]
    overwrite
        Replace an existing output. [default: refuse]
    force
        Accept scenes that claim far more pixels than their files can hold.
    threads
        Threads that compute, read and write. [default: all cores]
    progress
        Called with the name and size of each stage; see :mod:`geoseg.report`.

    Returns
    -------
    TileReport
        Numbers of chips, by split too.

    Raises
    ------
    GeosegError
        One of :mod:`geoseg.errors`, with its hint and exit code.

    Examples
    --------
    >>> geoseg.tile("scene.tif", "chips", size=512, labels="footprints.gpkg", split=(0.7, 0.2, 0.1))
    """
    given = locals()
    from geoseg.tools import tile as tool

    given |= {"bands": numbers(bands), "split": fractions(split)}
    return tool.run(
        scenes_from(scenes),
        spec_from(FolderTarget, given),
        spec_from(ChipSpec, given).with_stride(stride),
        labels=vector_files(labels, labels_layer, labels_where),
        aoi=path_or_none(aoi),
        scene_spec=spec_from(SceneSpec, given | {"gsd": None, "scene_crs": crs}),
        jobs=jobs or 1,
        scheduler=scheduler,
        creation_options=dict(creation_options or {}),
        progress=progress,
    )


@takes_threads
def prepare(
    layout: str,
    root: str | Path,
    output: str | Path,
    *,
    classes: str | None = None,
    labels: str | None = None,
    pattern: str | None = None,
    imagery: str | None = None,
    target: str | None = None,
    size: int | None = None,
    bands: Sequence[int] | str | None = None,
    rescale: str | None = None,
    split: Sequence[float] | str | None = None,
    split_by: str | None = None,
    block_size: int | None = None,
    seed: int | None = None,
    csv: bool = False,
    jobs: int | None = None,
    overwrite: bool = False,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> PrepareReport:
    """Convert a published data set into chips, masks and a chip index.

    Parameters
    ----------
    layout
        ``spacenet2``, ``whu``, ``kitti-road``, ``camvid`` or ``folder``.
    root
        Folder of the data set.
    output
        Folder to write.
    classes
        Classes of the labels: NAME, NAME=3 or NAME=#3c1098, comma-separated; void is
        ignored. [default: those of the layout]
    labels
        Name of the label folder (folder layout).
    pattern
        Regular expression that finds the scene name in a file name (folder layout).
    imagery
        RGB-PanSharpen, MUL-PanSharpen, PAN or MUL (spacenet2). [default: RGB-PanSharpen]
    target
        Labels to use (kitti-road). One of road, lane. [default: road]
    size
        Largest chip in pixels per side; larger images are cut. [default: 2048]
    bands
        Bands to read, counted from 1: 3,2,1 or 1-3. [default: all but alpha]
    rescale
        Stretch to 8 bits: none, minmax, percentile:LO,HI, or auto (2 to 98% unless 8-bit).
        [default: auto]
    split
        Fractions of train, val and test where no split is published. [default: 0.8,0.1,0.1]
    split_by
        Unit that is never split between train, val and test; auto: ground blocks, or
        scenes for images without a CRS. One of auto, block, scene, random. [default:
        auto]
    block_size
        Block size in images (blocks are squares of N x N images). [default: 4]
    seed
        Random seed of the split. [default: 0]
    csv
        Also write train.csv, val.csv and test.csv for solaris.
    jobs
        Number of parallel processes. [default: 1]
    overwrite
        Replace an existing output. [default: refuse]
    threads
        Threads that compute, read and write. [default: all cores]
    progress
        Called with the name and size of each stage; see :mod:`geoseg.report`.

    Returns
    -------
    PrepareReport
        Numbers of chips and pixels by class and split.

    Raises
    ------
    GeosegError
        One of :mod:`geoseg.errors`, with its hint and exit code.

    Examples
    --------
    >>> geoseg.prepare("folder", "images_and_masks", "chips", size=256)
    """
    given = locals()
    from geoseg.tools import prepare as tool

    given |= {"bands": numbers(bands), "split": fractions(split)}
    return tool.run(
        layout,
        root,
        output,
        spec_from(PrepareSpec, given),
        jobs=jobs or 1,
        overwrite=overwrite,
        progress=progress,
    )
