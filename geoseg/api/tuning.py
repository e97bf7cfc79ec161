"""The settings that give a model's best footprints: tune."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from geoseg.api.settings import (
    Paths,
    labelled_data,
    model_file,
    spec_from,
    takes_threads,
    vector_files,
)
from geoseg.report import Progress, no_progress
from geoseg.specs import (
    ExtractSpec,
    PredictSpec,
)

if TYPE_CHECKING:
    from geoseg.tools.tune import TuneReport


@takes_threads
def tune(
    data: Paths,
    output: str | Path,
    *,
    model: Path | str | None = None,
    split: str | None = None,
    labels: Paths | None = None,
    labels_layer: str | None = None,
    labels_where: str | None = None,
    fractions: Sequence[float] | str | None = None,
    bands: Sequence[int] | str | None = None,
    seed: int | None = None,
    iou: float | None = None,
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
    overwrite: bool = False,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> TuneReport:
    """Choose the threshold, minimum area and least confidence that give the best footprint F1.

    Parameters
    ----------
    data
        Chip folders, or scenes with labels.
    output
        Model file to write, with what was chosen.
    model
        Model file, .safetensors or .onnx, or ``fast``. [default: the bundled model]
    split
        Split to score. One of train, val, test, all. [default: val]
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
    seed
        Random seed of the split of scenes. [default: 0]
    iou
        Minimum IoU at which a prediction counts as a match. [default: 0.5]
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
    overwrite
        Replace an existing output. [default: refuse]
    threads
        Threads that compute, read and write. [default: all cores]
    progress
        Called with the name and size of each stage; see :mod:`geoseg.report`.

    Returns
    -------
    TuneReport
        The threshold, the minimum area, the least confidence and the scores they give.

    Raises
    ------
    GeosegError
        One of :mod:`geoseg.errors`, with its hint and exit code.

    Examples
    --------
    >>> geoseg.tune("chips", "tuned.safetensors", model="model.safetensors")
    """
    given = locals()
    from geoseg.tools import tune as tool

    return tool.run(
        labelled_data(
            data,
            split or "val",
            vector_files(labels, labels_layer, labels_where),
            fractions,
            seed,
            bands,
        ),
        output,
        model=model_file(model),
        iou=0.5 if iou is None else iou,
        predict_spec=spec_from(PredictSpec, given),
        polygon_spec=spec_from(ExtractSpec, given),
        overwrite=overwrite,
        progress=progress,
    )
