"""Scores: evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseg.api.settings import (
    Paths,
    labelled_data,
    model_file,
    path_or_none,
    spec_from,
    takes_threads,
    text_or_none,
    vector_files,
)
from geoseg.errors import UsageError
from geoseg.report import Progress, no_progress
from geoseg.specs import (
    ComparedGround,
    EvaluateSpec,
    EvaluationOutput,
    ExtractSpec,
    FootprintChoice,
    PredictSpec,
    SceneSpec,
)

if TYPE_CHECKING:
    from geoseg.evaluation.reports import ChipsReport, EvaluateReport


@takes_threads
def evaluate(
    prediction: str | Path | None = None,
    truth: str | Path | None = None,
    *,
    iou: float | None = None,
    threshold: float | None = None,
    boundary_width: int | None = None,
    neighbourhood: float | str | None = None,
    bootstrap: int | None = None,
    seed: int | None = None,
    sweep: bool = False,
    profile: str | None = None,
    tile_size: int | None = None,
    overlap: int | None = None,
    tta: str | None = None,
    batch_size: int | str | None = None,
    device: str | None = None,
    runtime: str | None = None,
    precision: str | None = None,
    open: float | str | None = None,
    close: float | str | None = None,
    min_hole: float | str | None = None,
    simplify: float | str | None = None,
    outline: str | None = None,
    regularize: str | None = None,
    separate: str | None = None,
    connectivity: int | None = None,
    raw: bool = False,
    data: Paths | None = None,
    model: Path | str | None = None,
    split: str | None = None,
    labels: Paths | None = None,
    labels_layer: str | None = None,
    labels_where: str | None = None,
    fractions: Sequence[float] | str | None = None,
    bands: Sequence[int] | str | None = None,
    like: str | Path | None = None,
    layer: str | None = None,
    where: str | None = None,
    truth_layer: str | None = None,
    truth_where: str | None = None,
    layers: Path | str | None = None,
    report: Path | str | None = None,
    image: str | Path | None = None,
    aoi: str | Path | None = None,
    nodata: float | None = None,
    window: Any | None = None,
    bounds: Sequence[float] | str | None = None,
    bounds_crs: str | None = None,
    force: bool = False,
    crs: str | None = None,
    overwrite: bool = False,
    fail_under: Mapping[str, Any] | None = None,
    scheduler: str | None = None,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> EvaluateReport | ChipsReport:
    """Compare a prediction with the truth, or a model with chips.

    Parameters
    ----------
    prediction
        Footprints, a mask, classes or probabilities.
    truth
        True footprints or labels.
    iou
        Minimum IoU at which a prediction counts as a match. [default: 0.5]
    threshold
        Minimum probability of a building pixel, 0 to 1. [default: that of the raster, else
        0.5]
    boundary_width
        Width of the boundary IoU's band in pixels. [default: 3]
    neighbourhood
        Size of the ground blocks by which errors are reported, in metres. [default: 100]
    bootstrap
        Number of bootstrap samples for 95% confidence intervals; 0 computes none. [default:
        0]
    seed
        Random seed of the bootstrap, and of the split of scenes. [default: 0]
    sweep
        Score a probability raster at every threshold. [default: at one]
    profile
        Rules of a challenge: spacenet2 scores its CSV tables. One of none, spacenet2.
        [default: none]
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
    open
        Morphological opening radius: removes parts narrower than twice this (metres, or
        px). [default: 0]
    close
        Morphological closing radius: fills gaps narrower than twice this (metres, or px).
        [default: 0]
    min_hole
        Fill holes smaller than this: 5 or 5m2 (square metres), 40px (pixels). [default: 5]
    simplify
        Simplification tolerance in metres (or px); 0 keeps all vertices. [default: 1.5px]
    outline
        Outlines along pixel edges, or subpixel: where the probability crosses the threshold. One
        of pixel, subpixel. [default: pixel]
    regularize
        orthogonal: right angles where they fit the outline. One of none, orthogonal. [default:
        orthogonal]
    separate
        Split touching buildings. auto: only if the model has a boundary or contact class;
        watershed: else by shape. One of auto, none, watershed. [default: watershed]
    connectivity
        Pixels that touch at corners belong together (8) or not (4). One of 4, 8. [default: 4]
    raw
        Traced pixels as they are: not parted, straightened or simplified.
    data
        Score the model on this chip folder, or on this scene with ``labels``, instead of two
        files; repeatable.
    model
        Model file, .safetensors or .onnx, or ``fast``. [default: the bundled model]
    split
        Split to score. One of train, val, test, all. [default: test]
    labels
        Footprints or masks of the scenes: files, or a folder, of which the file named like the
        scene is taken, else all of them. [default: none]
    labels_layer
        Layer of the labels to read. [default: footprints, or the only one]
    labels_where
        Condition of the labels to read, e.g. "height > 3". [default: all]
    fractions
        Fractions of train, val and test, as scenes are split in training. [default: 0.8,0.1,0.1]
    bands
        Bands to read, counted from 1: 3,2,1 or 1-3. [default: all but alpha]
    like
        Raster whose grid pixels are compared on. [default: the first raster of the two]
    layer
        Layer of the vector file to read. [default: footprints, or the only one]
    where
        Condition of the footprints to read, e.g. "height > 3". [default: all]
    truth_layer
        Layer of the truth. [default: as ``layer``]
    truth_where
        As ``where``, of the truth. [default: it]
    layers
        Write a GeoPackage with layers of true positives, false positives and missed
        footprints.
    report
        Write a self-contained page with figures and plots.
    image
        Scene beyond whose data nothing counts; drawn under the figures of the report. [default:
        the scene that the prediction was made from, if it is there]
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
    crs
        CRS to assume for imagery without one, e.g. EPSG:32633. [default: none]
    aoi
        Polygons of the area of interest; beyond them nothing counts. [default: all]
    overwrite
        Replace an existing output. [default: refuse]
    fail_under
        Lowest scores that will do, e.g. ``{"f1": 0.7}``; the report's ``failed`` lists those
        that were missed.
    scheduler
        Dask cluster that computes, such as tcp://host:8786. [default: this machine]
    threads
        Threads that compute, read and write. [default: all cores]
    progress
        Called with the name and size of each stage; see :mod:`geoseg.report`.

    Returns
    -------
    EvaluateReport or ChipsReport
        Scores of pixels and footprints; of chips where ``data`` is given.

    Raises
    ------
    GeosegError
        One of :mod:`geoseg.errors`, with its hint and exit code.

    Examples
    --------
    >>> report = geoseg.evaluate("buildings.gpkg", "footprints.gpkg")
    >>> report.object["f1"]
    """
    given = locals()
    if data is not None:
        from geoseg.tools import evaluate_chips

        return evaluate_chips.run(
            labelled_data(
                data,
                split or "test",
                vector_files(labels, labels_layer, labels_where),
                fractions,
                seed,
                bands,
            ),
            model_file(model),
            predict_spec=spec_from(PredictSpec, given),
            polygon_spec=spec_from(ExtractSpec, given),
            iou=EvaluateSpec.iou if iou is None else iou,
            fail_under=fail_under,
            page=path_or_none(report),
            overwrite=overwrite,
            progress=progress,
        )
    from geoseg.tools import evaluate as tool

    if prediction is None or truth is None:
        raise UsageError("evaluate compares a prediction with the truth", "or chips: data=FOLDER")
    return tool.run(
        str(prediction),
        str(truth),
        spec_from(EvaluateSpec, given),
        choice=spec_from(FootprintChoice, given),
        ground=ComparedGround(text_or_none(like), text_or_none(image), text_or_none(aoi)),
        scene_spec=spec_from(SceneSpec, given | {"scene_crs": crs}),
        output=EvaluationOutput(path_or_none(layers), path_or_none(report), overwrite),
        fail_under=fail_under,
        scheduler=scheduler,
        progress=progress,
    )
