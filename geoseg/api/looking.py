"""What files hold: preview, info."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseg.api.settings import (
    Paths,
    model_file,
    numbers,
    several,
    spec_from,
    takes_threads,
    text_or_none,
)
from geoseg.report import Progress, no_progress
from geoseg.specs import PreviewSpec

if TYPE_CHECKING:
    from geoseg.tools.info import InfoReport
    from geoseg.tools.preview import PreviewReport


@takes_threads
def preview(
    scene: str | Path,
    overlays: Paths = (),
    output: str | Path = "preview.png",
    *,
    truth: Any | None = None,
    aoi: Any | None = None,
    window: Any | None = None,
    bounds: Sequence[float] | str | None = None,
    bounds_crs: str | None = None,
    nodata: float | None = None,
    crs: str | None = None,
    size: int | None = None,
    bands: Sequence[int] | str | None = None,
    rescale: str | None = None,
    threshold: float | None = None,
    iou: float | None = None,
    opacity: float | None = None,
    layer: str | None = None,
    where: str | None = None,
    truth_layer: str | None = None,
    truth_where: str | None = None,
    beside: bool = False,
    title: str | None = None,
    split: str | None = None,
    count: int | None = None,
    seed: int | None = None,
    augment: str | None = None,
    overwrite: bool = False,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> PreviewReport:
    """Draw scenes with what was found in them, or chips of a chip index.

    Parameters
    ----------
    scene
        Scene, or chip index folder.
    overlays
        Footprints, masks or probabilities to lay over it.
    output
        Picture to write: png, jpg, pdf or svg.
    truth
        Truth to compare with: predictions are coloured by true and false positives.
    aoi
        Show only the area of these polygons. [default: all]
    window
        Area to show in pixels: COL,ROW,WIDTH,HEIGHT. [default: all]
    bounds
        Area to show in the scene's CRS: LEFT,BOTTOM,RIGHT,TOP. [default: all]
    bounds_crs
        CRS of ``bounds``, e.g. EPSG:4326. [default: that of the scene]
    nodata
        Value of pixels without data, for imagery that names none. [default: none]
    crs
        CRS to assume for imagery without one, e.g. EPSG:32633. [default: none]
    size
        Longest side of the figure in pixels. [default: 1600]
    bands
        Bands shown as red, green and blue, or one as grey. [default: 1-3]
    rescale
        Stretch to 8 bits: none, minmax, percentile:LO,HI, or auto (2 to 98% unless 8-bit).
        [default: auto]
    threshold
        Minimum probability of a building pixel, 0 to 1. [default: that of the file]
    iou
        Minimum IoU at which a prediction counts as a match. [default: 0.5]
    opacity
        Opacity of the overlay, 0 to 1. [default: 0.3, with several classes 0.6]
    layer
        Layer of the vector file to read. [default: footprints, or the only one]
    where
        Condition of the footprints to read, e.g. "height > 3". [default: all]
    truth_layer
        Layer of the truth. [default: as ``layer``]
    truth_where
        As ``where``, of the truth. [default: it]
    beside
        Show the scene without overlay beside it.
    title
        Title of the figure. [default: none]
    split
        Show chips of this split only. [default: all]
    count
        Number of chips. [default: 24, with ``augment`` 6]
    seed
        Random seed of the choice of chips. [default: 0]
    augment
        Show chips as training augments them. One of none, light, standard, strong.
        [default: as they are]
    overwrite
        Replace an existing output. [default: refuse]
    threads
        Threads that compute, read and write. [default: all cores]
    progress
        Called with the name and size of each stage; see :mod:`geoseg.report`.

    Returns
    -------
    PreviewReport
        Size of the figure and the metrics on it.

    Raises
    ------
    GeosegError
        One of :mod:`geoseg.errors`, with its hint and exit code.

    Examples
    --------
    >>> geoseg.preview("scene.tif", "buildings.gpkg", "preview.png")
    """
    given = locals()
    from geoseg.tools import preview as tool

    given |= {"bands": numbers(bands)}
    return tool.run(
        str(scene),
        [str(each) for each in several(overlays)],
        output,
        spec_from(PreviewSpec, given),
        truth=text_or_none(truth),
        aoi=text_or_none(aoi),
        overwrite=overwrite,
        progress=progress,
    )


@takes_threads
def info(
    path: str | Path,
    *,
    model: Path | str | None = None,
    layer: str | None = None,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> InfoReport:
    """Describe a raster, vector, model or chip folder.

    Parameters
    ----------
    path
        The file or folder.
    model
        Model file: check whether it fits the scene FILE.
    layer
        Layer of the vector file to read. [default: footprints, or the only one]
    threads
        Threads that compute, read and write. [default: all cores]
    progress
        Called with the name and size of each stage; see :mod:`geoseg.report`.

    Returns
    -------
    InfoReport
        What it is; with ``model`` whether that fits it.

    Raises
    ------
    GeosegError
        One of :mod:`geoseg.errors`, with its hint and exit code.

    Examples
    --------
    >>> geoseg.info("scene.tif").about["gsd"]
    """
    from geoseg.tools import info as tool

    return tool.run(str(path), model=model_file(model), layer=layer)
