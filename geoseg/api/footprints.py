"""Footprints: extract, polygonize."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geoseg.api.settings import (
    Paths,
    model_file,
    numbers,
    scenes_from,
    spec_from,
    takes_threads,
    written_or_read,
)
from geoseg.report import Progress, no_progress
from geoseg.specs import (
    ExtractSpec,
    ExtractTarget,
    JobSpec,
    PixelReference,
    PolygonSpec,
    PredictSpec,
    SceneSpec,
    VectorTarget,
)


@takes_threads
def extract(
    scenes: Paths,
    output: str | Path | None = None,
    *,
    layer: str | None = None,
    format: str | None = None,
    dst_crs: str | None = None,
    overwrite: bool = False,
    append: bool = False,
    model: Path | str | None = None,
    tile_size: int | None = None,
    overlap: int | None = None,
    tta: str | None = None,
    batch_size: int | str | None = None,
    device: str | None = None,
    runtime: str | None = None,
    precision: str | None = None,
    max_memory: int | str | None = None,
    threshold: float | None = None,
    open: float | str | None = None,
    close: float | str | None = None,
    min_area: float | str | None = None,
    max_area: float | str | None = None,
    min_confidence: float | None = None,
    min_hole: float | str | None = None,
    simplify: float | str | None = None,
    outline: str | None = None,
    regularize: str | None = None,
    separate: str | None = None,
    connectivity: int | None = None,
    raw: bool = False,
    bands: Sequence[int] | str | None = None,
    nodata: float | None = None,
    window: Any | None = None,
    bounds: Sequence[float] | str | None = None,
    bounds_crs: str | None = None,
    force: bool = False,
    gsd: float | None = None,
    aoi: Path | str | None = None,
    save_prob: Path | str | None = None,
    crs: str | None = None,
    pixel_coords: bool = False,
    on_error: str | None = None,
    dry_run: bool = False,
    resume: bool = False,
    scheduler: str | None = None,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> Any:
    """Extract building footprints from scenes.

    With ``output`` the footprints are written and a report is returned; without it they are
    returned.

    Parameters
    ----------
    scenes
        Scene, or several: paths, folders, globs, ``@list.txt``, https:// and s3://
        addresses.
    output
        File to write (.gpkg, .geojson, .fgb, .parquet, .shp, .pmtiles), or a folder for one file
        per scene.
    layer
        Name of the layer to write. [default: footprints]
    format
        Vector format as an extension, e.g. gpkg; or parquet-tiles: a folder of GeoParquet by map
        tile. [default: that of the output file]
    dst_crs
        CRS of the footprints, e.g. EPSG:4326. [default: that of the raster]
    overwrite
        Replace an existing output. [default: refuse]
    append
        Add to an existing GeoPackage the footprints that it lacks.
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
    threshold
        Minimum probability of a building pixel, 0 to 1. [default: from the model]
    open
        Morphological opening radius: removes parts narrower than twice this (metres, or
        px). [default: 0]
    close
        Morphological closing radius: fills gaps narrower than twice this (metres, or px).
        [default: 0]
    min_area
        Drop footprints smaller than this: 20 or 20m2 (square metres), 40px (pixels).
        [default: from the model]
    max_area
        Drop footprints larger than this, in the same units. [default: none]
    min_confidence
        Drop footprints whose mean probability is lower, 0 to 1.
        [default: from the model; 0 below its threshold]
    min_hole
        Fill holes smaller than this: 5 or 5m2 (square metres), 40px (pixels). [default: 5]
    simplify
        Simplification tolerance in metres (or px); 0 keeps all vertices. [default: 1.5px]
    outline
        Outlines along pixel edges, or subpixel: where the probability crosses the
        threshold. One of pixel, subpixel. [default: pixel]
    regularize
        orthogonal: right angles where they fit the outline. One of none, orthogonal.
        [default: orthogonal]
    separate
        Split touching buildings. auto: only if the model has a boundary or contact
        class; watershed: else by shape. One of auto, none, watershed. [default:
        watershed]
    connectivity
        Pixels that touch at corners belong together (8) or not (4). One of 4, 8.
        [default: 4]
    raw
        Traced pixels as they are: not parted, straightened or simplified.
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
    aoi
        Polygons of the area of interest; the rest is left out. [default: all]
    save_prob
        Write the probabilities too, as a GeoTIFF.
    crs
        CRS to assume for imagery without one, e.g. EPSG:32633. [default: none]
    pixel_coords
        Pixel coordinates for imagery without a CRS, as QGIS shows it: y from 0 to -height.
    on_error
        When a scene fails: stop, or skip it; the report's ``failed``, or a warning, then says
        which and why.
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
    ExtractReport or geopandas.GeoDataFrame
        The report where ``output`` is given, else the footprints in the CRS of the first scene.

    Raises
    ------
    GeosegError
        One of :mod:`geoseg.errors`, with its hint and exit code.

    Examples
    --------
    >>> buildings = geoseg.extract("scene.tif")
    >>> geoseg.extract("scene.tif", "buildings.gpkg", threshold=0.4, min_area="20m2")
    """
    given = locals()
    from geoseg.tools import extract as tool

    return written_or_read(
        output,
        format,
        lambda path: tool.run(
            scenes_from(scenes),
            spec_from(ExtractTarget, given | {"output": path}),
            spec_from(PredictSpec, given),
            spec_from(ExtractSpec, given),
            model=model_file(model),
            bands=numbers(bands),
            scene_spec=spec_from(SceneSpec, given | {"scene_crs": crs}),
            reference=spec_from(PixelReference, given),
            job=spec_from(JobSpec, given),
            progress=progress,
        ),
    )


@takes_threads
def polygonize(
    raster: str | Path,
    output: str | Path | None = None,
    *,
    layer: str | None = None,
    format: str | None = None,
    dst_crs: str | None = None,
    overwrite: bool = False,
    threshold: float | None = None,
    open: float | str | None = None,
    close: float | str | None = None,
    min_area: float | str | None = None,
    max_area: float | str | None = None,
    min_confidence: float | None = None,
    min_hole: float | str | None = None,
    simplify: float | str | None = None,
    outline: str | None = None,
    regularize: str | None = None,
    separate: str | None = None,
    connectivity: int | None = None,
    class_value: int | None = None,
    crs: str | None = None,
    pixel_coords: bool = False,
    nodata: float | None = None,
    window: Any | None = None,
    bounds: Sequence[float] | str | None = None,
    bounds_crs: str | None = None,
    force: bool = False,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> Any:
    """Turn a mask or a probability raster into footprints.

    Parameters
    ----------
    raster
        Mask, class raster or probability raster.
    output
        File to write; without it the footprints are returned.
    layer
        Name of the layer to write. [default: footprints]
    format
        Vector format as an extension, e.g. gpkg; or parquet-tiles: a folder of GeoParquet by map
        tile. [default: that of the output file]
    dst_crs
        CRS of the footprints, e.g. EPSG:4326. [default: that of the raster]
    overwrite
        Replace an existing output. [default: refuse]
    threshold
        Minimum probability of a building pixel, 0 to 1. [default: from the model]
    open
        Morphological opening radius: removes parts narrower than twice this (metres, or
        px). [default: 0]
    close
        Morphological closing radius: fills gaps narrower than twice this (metres, or px).
        [default: 0]
    min_area
        Drop footprints smaller than this: 20 or 20m2 (square metres), 40px (pixels).
        [default: from the model]
    max_area
        Drop footprints larger than this, in the same units. [default: none]
    min_confidence
        Drop footprints whose mean probability is lower, 0 to 1.
        [default: from the model; 0 below its threshold]
    min_hole
        Fill holes smaller than this: 5 or 5m2 (square metres), 40px (pixels). [default: 5]
    simplify
        Simplification tolerance in metres (or px); 0 keeps all vertices. [default: 0]
    outline
        Outlines along pixel edges, or subpixel: where the probability crosses the
        threshold. One of pixel, subpixel. [default: pixel]
    regularize
        orthogonal: right angles where they fit the outline. One of none, orthogonal.
        [default: none]
    separate
        Split touching buildings. auto: only if the model has a boundary or contact
        class; watershed: else by shape. One of auto, none, watershed. [default: auto]
    connectivity
        Pixels that touch at corners belong together (8) or not (4). One of 4, 8.
        [default: 4]
    class_value
        Value of the class to trace, 0 to 255. [default: all named classes]
    crs
        CRS to assume for imagery without one, e.g. EPSG:32633. [default: none]
    pixel_coords
        Pixel coordinates for imagery without a CRS, as QGIS shows it: y from 0 to -height.
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
    threads
        Threads that compute, read and write. [default: all cores]
    progress
        Called with the name and size of each stage; see :mod:`geoseg.report`.

    Returns
    -------
    PolygonizeReport or geopandas.GeoDataFrame
        The report where ``output`` is given, else the footprints.

    Raises
    ------
    GeosegError
        One of :mod:`geoseg.errors`, with its hint and exit code.

    Examples
    --------
    >>> geoseg.polygonize("probability.tif", "buildings.gpkg", threshold=0.7)
    """
    given = locals()
    from geoseg.tools import polygonize as tool

    return written_or_read(
        output,
        format,
        lambda path: tool.run(
            raster,
            spec_from(VectorTarget, given | {"output": path}),
            spec_from(PolygonSpec, given),
            class_value=class_value,
            scene_spec=spec_from(SceneSpec, given | {"scene_crs": crs}),
            reference=spec_from(PixelReference, given),
            progress=progress,
        ),
    )
