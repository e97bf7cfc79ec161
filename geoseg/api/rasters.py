"""Rasters: predict, rasterize, stitch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseg.api.settings import (
    Paths,
    model_file,
    numbers,
    scenes_from,
    several,
    some,
    spec_from,
    takes_threads,
    written_or_read_raster,
)
from geoseg.report import Progress, no_progress
from geoseg.specs import JobSpec, MaskSpec, PixelReference, PredictSpec, RasterTarget, SceneSpec
from geoseg.specs.vectors import VectorFiles

if TYPE_CHECKING:
    from geoseg.tools.predict import PredictReport
    from geoseg.tools.rasterize import RasterizeReport
    from geoseg.tools.stitch import StitchReport


@takes_threads
def predict(
    scenes: Paths,
    output: str | Path | None = None,
    *,
    model: Path | str | None = None,
    tile_size: int | None = None,
    overlap: int | None = None,
    tta: str | None = None,
    batch_size: int | str | None = None,
    device: str | None = None,
    runtime: str | None = None,
    precision: str | None = None,
    max_memory: int | str | None = None,
    bands: Sequence[int] | str | None = None,
    nodata: float | None = None,
    window: Any | None = None,
    bounds: Sequence[float] | str | None = None,
    bounds_crs: str | None = None,
    force: bool = False,
    gsd: float | None = None,
    crs: str | None = None,
    aoi: Path | str | None = None,
    dtype: str | None = None,
    classes: bool = False,
    creation_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    on_error: str | None = None,
    dry_run: bool = False,
    resume: bool = False,
    scheduler: str | None = None,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> Any:
    """Write the building probability of every pixel.

    Parameters
    ----------
    scenes
        Scene, or several: paths, folders, globs, ``@list.txt``, https:// and s3://
        addresses.
    output
        GeoTIFF to write, or a folder for several scenes; without it the probabilities of
        one scene are returned.
    model
        Model file, .safetensors or .onnx, or ``fast``. [default: the bundled model]
    tile_size
        Window size in pixels, of the scene's shorter side at most. [default: 1024, on a CPU with
        torch 768; the crop size for networks that look at the whole window]
    overlap
        Overlap of neighbouring windows in pixels. [default: 128, at most 1/4 of the window]
    tta
        Test-time augmentation: average over flips (3x slower) or flips and rotations
        (d4, 7x). Steadier pixels, some more buildings. One of none, flips, d4. [default: none]
    batch_size
        Windows per batch; auto: as many as keep a GPU busy and fit, 1 on a CPU. [default:
        auto]
    device
        Device: auto (a GPU if there is one), cpu or cuda[:N]. [default: auto]
    runtime
        Library that runs the model; auto chooses by the model file and the device. One
        of auto, torch, openvino, onnx. [default: auto]
    precision
        Numeric precision of inference; auto is bf16 where the processor computes in it.
        One of auto, fp32, bf16, fp16. [default: auto]
    max_memory
        Most memory to use, such as 2GB: windows and buffers shrink to it. [default: no
        limit]
    bands
        Bands to read, counted from 1: 3,2,1 or 1-3. [default: all but alpha]
    nodata
        Value of pixels without data, for imagery that names none. [default: none]
    window
        Part to read in pixels: COL,ROW,WIDTH,HEIGHT. [default: all]
    bounds
        Part to read in the scene's CRS: LEFT,BOTTOM,RIGHT,TOP. [default: all]
    bounds_crs
        CRS of ``bounds``, e.g. EPSG:4326. [default: that of the scene]
    force
        Accept scenes that claim far more pixels than their files can hold.
    gsd
        Metres per pixel: to resample to, or of imagery without a CRS. [default: that of the
        model]
    crs
        CRS to assume for imagery without one, e.g. EPSG:32633. [default: none]
    aoi
        Polygons of the area of interest; the rest is left out. [default: all]
    dtype
        Data type: uint8 is 0..254 with 255 as nodata, float32 is 0..1. One of uint8,
        float32. [default: uint8]
    classes
        Write the most probable class of each pixel. [default: probabilities]
    creation_options
        GDAL creation options of the raster, e.g. ``{"COMPRESS": "ZSTD"}``.
    overwrite
        Replace an existing output. [default: refuse]
    on_error
        When a scene fails: stop, or skip it; the report's ``failed`` then says which and why.
        [default: stop]
    dry_run
        Show windows, CRS and the expected memory, disk and time; write nothing.
    resume
        Keep what is done beside the output, and go on with what an earlier run kept.
    scheduler
        Dask cluster that computes, such as tcp://host:8786. [default: this machine]
    threads
        Threads that compute, read and write. [default: all cores]
    progress
        Called with the name and size of each stage; see :mod:`geoseg.report`.

    Returns
    -------
    PredictReport or (numpy.ndarray, Grid)
        The report where ``output`` is given, else float32 (channel, row, col), NaN where there is
        no data, and the grid.

    Raises
    ------
    GeosegError
        One of :mod:`geoseg.errors`, with its hint and exit code.

    Examples
    --------
    >>> probability, grid = geoseg.predict("scene.tif")
    """
    given = locals()
    from geoseg.tools import predict as tool

    kind: Any = dtype or ("float32" if output is None else "uint8")

    def run(path: Path | str) -> PredictReport:
        return tool.run(
            scenes_from(scenes),
            replace(
                RasterTarget.of(path),
                dtype=kind,
                classes=classes,
                creation_options=dict(creation_options or {}),
                overwrite=overwrite,
            ),
            spec_from(PredictSpec, given),
            model=model_file(model),
            bands=numbers(bands),
            scene_spec=spec_from(SceneSpec, given | {"scene_crs": crs}),
            # what is returned has no report beside it that could name who failed
            job=spec_from(JobSpec, given | ({"on_error": None} if output is None else {})),
            progress=progress,
        )

    return written_or_read_raster(output, run)


@takes_threads
def rasterize(
    footprints: Paths,
    like: str | Path,
    output: str | Path | None = None,
    *,
    kind: str | Sequence[str] | None = None,
    width: float | str | None = None,
    side: str | None = None,
    class_field: str | None = None,
    all_touched: bool = False,
    value: int | None = None,
    layer: str | None = None,
    where: str | None = None,
    window: Any | None = None,
    bounds: Sequence[float] | str | None = None,
    bounds_crs: str | None = None,
    force: bool = False,
    crs: str | None = None,
    pixel_coords: bool = False,
    creation_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> Any:
    """Burn footprints into masks on a scene's grid.

    Parameters
    ----------
    footprints
        Footprints to burn.
    like
        Raster whose grid the mask gets.
    output
        Raster to write; without it the mask is returned.
    kind
        Masks to burn, one band each: footprint, edges, boundary, contact, distance or
        instance; several in a list. [default: footprint]
    width
        Width of boundary, contact and distance bands in metres (or px). [default: boundary
        1px, contact 10px, distance 10m]
    side
        Side of the outline on which boundaries are drawn. One of inner, outer, both.
        [default: inner]
    class_field
        Column with the class of each footprint. [default: one class]
    all_touched
        Burn every pixel touched. [default: only pixels whose centre is inside]
    value
        Pixel value of the footprints, 1 to 254. [default: 1]
    layer
        Layer of the vector file to read. [default: footprints, or the only one]
    where
        Condition of the footprints to read, e.g. "height > 3". [default: all]
    window
        Part to read in pixels: COL,ROW,WIDTH,HEIGHT. [default: all]
    bounds
        Part to read in the scene's CRS: LEFT,BOTTOM,RIGHT,TOP. [default: all]
    bounds_crs
        CRS of ``bounds``, e.g. EPSG:4326. [default: that of the scene]
    force
        Accept scenes that claim far more pixels than their files can hold.
    crs
        CRS to assume for imagery without one, e.g. EPSG:32633. [default: none]
    pixel_coords
        Pixel coordinates for imagery without a CRS, as QGIS shows it: y from 0 to -height.
    creation_options
        GDAL creation options of the raster, e.g. ``{"COMPRESS": "ZSTD"}``.
    overwrite
        Replace an existing output. [default: refuse]
    threads
        Threads that compute, read and write. [default: all cores]
    progress
        Called with the name and size of each stage; see :mod:`geoseg.report`.

    Returns
    -------
    RasterizeReport or (numpy.ndarray, Grid)
        The report where ``output`` is given, else the masks (band, row, col) and the grid.

    Raises
    ------
    GeosegError
        One of :mod:`geoseg.errors`, with its hint and exit code.

    Examples
    --------
    >>> mask, grid = geoseg.rasterize("footprints.gpkg", "scene.tif")
    """
    given = locals()
    from geoseg.tools import rasterize as tool

    given["kinds"] = None if kind is None else tuple(map(str, several(kind)))

    def run(path: Path | str) -> RasterizeReport:
        return tool.run(
            VectorFiles.of(some(footprints), layer, where),
            like,
            path,
            spec_from(MaskSpec, given),
            scene_spec=spec_from(SceneSpec, given | {"scene_crs": crs}),
            reference=spec_from(PixelReference, given),
            overwrite=overwrite,
            creation_options=dict(creation_options or {}),
            progress=progress,
        )

    return written_or_read_raster(output, run)


@takes_threads
def stitch(
    chips: Paths,
    output: str | Path | None = None,
    *,
    blend: str | None = None,
    nodata: float | None = None,
    creation_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> Any:
    """Join georeferenced chips into one mosaic.

    Parameters
    ----------
    chips
        Chips: paths, folders or globs.
    output
        Mosaic to write; without it the image is returned.
    blend
        How overlapping chips are combined. One of hann, mean, max, first, last.
        [default: hann]
    nodata
        Value of pixels without data, for chips that name none.
    creation_options
        GDAL creation options of the raster, e.g. ``{"COMPRESS": "ZSTD"}``.
    overwrite
        Replace an existing output. [default: refuse]
    threads
        Threads that compute, read and write. [default: all cores]
    progress
        Called with the name and size of each stage; see :mod:`geoseg.report`.

    Returns
    -------
    StitchReport or (numpy.ndarray, Grid)
        The report where ``output`` is given, else the image (band, row, col) and its grid.

    Raises
    ------
    GeosegError
        One of :mod:`geoseg.errors`, with its hint and exit code.

    Examples
    --------
    >>> geoseg.stitch("chips/images", "mosaic.tif")
    """
    from geoseg.tools import stitch as tool

    def run(path: Path | str) -> StitchReport:
        return tool.run(
            scenes_from(chips),
            path,
            blend=blend or "hann",
            nodata=nodata,
            overwrite=overwrite,
            creation_options=dict(creation_options or {}),
            progress=progress,
        )

    return written_or_read_raster(output, run)
