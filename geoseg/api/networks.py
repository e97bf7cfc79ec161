"""Networks: train, export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseg.api.settings import (
    Paths,
    fractions,
    model_file,
    numbers,
    path_or_none,
    several,
    some,
    spec_from,
    takes_threads,
    vector_files,
)
from geoseg.report import Progress, no_progress
from geoseg.specs import SPLIT, TrainSpec, TrainTarget

if TYPE_CHECKING:
    from geoseg.tools.export import ExportReport
    from geoseg.tools.train import TrainReport


@takes_threads
def train(
    data: Paths,
    output: str | Path,
    *,
    arch: Any | None = None,
    encoder: Any | None = None,
    weights: str | None = None,
    epochs: int | None = None,
    batch_size: Any | None = None,
    accumulate: int | None = None,
    lr: Any | None = None,
    optimizer: str | None = None,
    momentum: float | None = None,
    nesterov: bool = False,
    weight_decay: float | None = None,
    schedule: str | None = None,
    warmup: float | None = None,
    clip: float | None = None,
    ema: float | None = None,
    loss: str | None = None,
    class_weights: str | None = None,
    augment: str | None = None,
    crop: int | None = None,
    gsd: float | None = None,
    scale: Sequence[float] | str | None = None,
    samples: int | None = None,
    data_weights: Sequence[float] | str | None = None,
    foreground: float | None = None,
    hard: float | None = None,
    on_error: str | None = None,
    precision: str | None = None,
    compile: bool = False,
    devices: int | None = None,
    workers: int | None = None,
    seed: int | None = None,
    early_stop: int | None = None,
    log: Any | None = None,
    option: Mapping[str, Any] | None = None,
    labels: str | Sequence[str] | None = None,
    labels_layer: str | None = None,
    labels_where: str | None = None,
    split: Sequence[float] | str | None = None,
    bands: Sequence[int] | str | None = None,
    init: Path | str | None = None,
    run_dir: Path | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> TrainReport:
    """Train a segmentation network on chips, or on scenes with labels.

    Parameters
    ----------
    data
        Chip index folders, or scenes with ``labels``.
    output
        Model file to write, .safetensors.
    arch
        Architecture (list: ``geoseg models``). [default: that of ``init``, else unet]
    encoder
        Encoder (list: ``geoseg models --encoders``). [default: that of the architecture]
    weights
        Initial encoder weights: none (random), imagenet, or a file of torchvision, timm
        or smp; auto: imagenet for efficientnet_lite, none for others. [default: auto]
    epochs
        Number of passes over the train split. [default: 20]
    batch_size
        Chips per batch and process; auto: as many as fit into memory. [default: 8]
    accumulate
        Gradient accumulation: batches per optimizer step. [default: 1]
    lr
        Peak learning rate; auto: found by a range test. [default: 0.001]
    optimizer
        Optimizer. One of adamw, sgd. [default: adamw]
    momentum
        Momentum of sgd, 0 to 1. [default: 0.9]
    nesterov
        Nesterov momentum for sgd. [default: plain momentum]
    weight_decay
        Weight decay. [default: 0.0001]
    schedule
        Learning-rate schedule. One of onecycle, cosine, poly, constant. [default:
        onecycle]
    warmup
        Warm-up: number of steps, or fraction of all steps if below 1. [default: 0.3 with
        onecycle, else 0]
    clip
        Gradient clipping (maximum norm); 0 turns it off. [default: 1.0]
    ema
        Decay of averaged weights (EMA), e.g. 0.999; 0 turns it off. [default: 0.0]
    loss
        Loss: auto (by the classes), bce, ce, boundary, dice, focal, lovasz, tversky, or a
        sum such as bce+0.5*dice. [default: auto]
    class_weights
        Class weights for bce, ce and boundary loss: none, auto (inverse frequency) or one
        number per class: 1,4. [default: none]
    augment
        Augmentation preset; images without a CRS are not rotated. One of none, light,
        standard, strong. [default: standard]
    crop
        Size of the training crops in pixels. [default: 256]
    gsd
        Metres per pixel to train at. [default: that of ``init``, else of the chips]
    scale
        Random scale range of crops, MIN,MAX, e.g. 0.8,1.25. [default: 1.0,1.0]
    samples
        Crops per epoch. [default: one per chip]
    data_weights
        Relative sampling weight of each DATA: 1,2. [default: by their number of chips]
    foreground
        Fraction of crops centred near a foreground pixel, 0 to 1. [default: 0.0]
    hard
        Fraction of crops drawn from chips with a high loss (hard-example mining), 0 to 1.
        [default: 0.0]
    on_error
        When a chip cannot be read: stop, or skip it. [default: stop]
    precision
        Numeric precision of training; auto is bf16 where the device computes in it. One
        of auto, fp32, bf16, fp16. [default: auto]
    compile
        Compile the network with torch.compile. [default: do not]
    devices
        Number of GPUs (or CPU processes). [default: 1]
    workers
        Processes that read chips. [default: up to 12 with a GPU, else 0]
    seed
        Random seed. [default: 0]
    early_stop
        Stop after this many epochs without improvement. [default: never]
    log
        Loggers, comma-separated: csv (always), tensorboard, mlflow. [default: csv]
    option
        Options of the architecture, e.g. ``{"hidden": 512}``.
    labels
        Footprints or masks of the scenes: a file, several, or a folder, of which the file
        named like the scene is taken, else all of them. [default: none]
    labels_layer
        Layer of the labels to read. [default: footprints, or the only one]
    labels_where
        Condition of the labels to read, e.g. "height > 3". [default: all]
    split
        Fractions of each scene for train, val and test. [default: 0.8,0.1,0.1]
    bands
        Bands to read, counted from 1: 3,2,1 or 1-3. [default: all but alpha]
    init
        Continue from a geoseg model (file or ``bundled``). [default: bundled where the data have
        its 3 bands and no ``arch``, ``encoder``, ``weights`` or ``option`` is given]
    run_dir
        Folder of checkpoints and metrics. [default: OUTPUT.run]
    resume
        Continue the interrupted run in ``run_dir``. [default: start over]
    overwrite
        Replace an existing output. [default: refuse]
    threads
        Threads that compute, read and write. [default: all cores]
    progress
        Called with the name and size of each stage; see :mod:`geoseg.report`.

    Returns
    -------
    TrainReport
        Epochs, the best scores, images per second.

    Raises
    ------
    GeosegError
        One of :mod:`geoseg.errors`, with its hint and exit code.

    Examples
    --------
    >>> geoseg.train("chips", "model.safetensors", init="bundled", epochs=20)
    """
    given = locals()
    from geoseg.tools import train as tool

    loggers = None if log is None else tuple(map(str, several(log)))
    given |= {"log": loggers, "options": option}
    return tool.run(
        [str(each) for each in some(data)],
        TrainTarget(Path(output), path_or_none(run_dir), resume, overwrite),
        spec_from(TrainSpec, given),
        labels=vector_files(labels, labels_layer, labels_where),
        split=fractions(split) or SPLIT,
        bands=numbers(bands),
        init=model_file(init),
        progress=progress,
    )


def export(
    model: str | Path,
    output: str | Path,
    *,
    tile_size: int | None = None,
    merge_boundary: bool = False,
    stac: bool = False,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> ExportReport:
    """Write a trained model for other programs: ONNX, torch.export or OpenVINO.

    Parameters
    ----------
    model
        Model file, or ``bundled``.
    output
        File to write: ``.onnx``, ``.pt2`` or ``.xml``.
    tile_size
        Size of the input in pixels per side, a multiple of 32. [default: 512; the crop size for
        networks that look at the whole window]
    merge_boundary
        Count the boundary class as building: two classes, for QGIS Deepness and GeoDeep.
    stac
        Write a STAC item (MLM) beside it: OUTPUT.json.
    overwrite
        Replace an existing output. [default: refuse]
    progress
        Called with the name and size of each stage; see :mod:`geoseg.report`.

    Returns
    -------
    ExportReport
        The files and their size.

    Raises
    ------
    GeosegError
        One of :mod:`geoseg.errors`, with its hint and exit code.

    Examples
    --------
    >>> geoseg.export("model.safetensors", "model.onnx")
    """
    from geoseg.tools import export as tool

    source = model_file(model)
    assert source is not None
    return tool.run(
        source,
        output,
        tile_size=tile_size,
        merge_boundary=merge_boundary,
        stac=stac,
        overwrite=overwrite,
        progress=progress,
    )
