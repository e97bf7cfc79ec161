"""Train a network on chip indexes and write its model file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from geoseg.errors import InputError, OutputError, ResourceError, UnsuitableError
from geoseg.io.chips import ChipIndex, read_index
from geoseg.io.output import check_output
from geoseg.io.runs import read_epochs, write_settings
from geoseg.specs import ARCHITECTURES, ModelSpec, TrainSpec
from geoseg.tools.report import Progress, Report, no_progress
from geoseg.training.launch import rank


@dataclass(frozen=True, kw_only=True)
class TrainReport(Report):
    """Scores of every epoch and of the best one, the model file, the run folder, images trained on a second.

    ``batch_size``, ``accumulate`` and ``lr`` are those that were found or given; ``pretrained``
    says what of a file of weights could be used.
    """

    model: str
    run_dir: str
    parameters: int
    pretrained: str | None
    batch_size: int
    accumulate: int
    lr: float
    epochs: list[dict[str, Any]]
    best: dict[str, Any]
    images_per_second: float
    weights: str | None = None


def run(
    data: Sequence[str],
    output: Path | str,
    spec: TrainSpec,
    *,
    init: Path | None = None,
    run_dir: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> TrainReport:
    """Train on the ``train`` split of the chip index folders ``data``, choose the best epoch on their ``val`` split.

    The run folder (``OUTPUT.run`` by default) keeps a checkpoint of each epoch, so that ``resume`` goes on where a killed run
    stopped, and ``run.toml``, with which ``geoseg train --config`` repeats the run. Raises ResourceError without torch,
    UnsuitableError for indexes that do not go together, have no masks, or masks of a single class.
    """
    start = time.perf_counter()
    output = check_output(output, overwrite) if leads() else Path(output)
    indexes = [read_index(folder) for folder in data]
    model = _model_spec(indexes, spec, init)
    try:
        from geoseg.models import modelfile
        from geoseg.training.callbacks import BEST, best_of
        from geoseg.training.finders import tuned
        from geoseg.training.fit import LAST, Job, check_devices, network, train
    except ImportError as error:
        raise ResourceError(f"training needs {error.name}", "pip install 'geoseg[train]'") from error
    check_devices(spec)
    chips = _chips(indexes)
    folder = _run_folder(run_dir or output.with_name(output.name + ".run"), (LAST, BEST), resume, overwrite)
    job = Job(model, spec, chips["train"], chips["val"], _zoom(indexes, model), folder, init)
    made, matched = network(job)
    begun = tuned(job, resume)
    _note(folder, data, begun.spec, init)
    done = train(begun, resume=resume, progress=progress)
    epochs = read_epochs(folder)
    if leads():
        _note(folder, data, done.spec, init)
        modelfile.save(output, model, modelfile.load(folder / BEST)[1], overwrite)
    return TrainReport(
        command="train",
        inputs=tuple(str(folder) for folder in data),
        outputs=(str(output),),
        seconds=time.perf_counter() - start,
        warnings=tuple(_warnings(begun.spec, done.spec, bool(chips["val"]))),
        model=str(output),
        run_dir=str(folder),
        parameters=sum(p.numel() for p in made.parameters()),
        pretrained=matched,
        batch_size=done.spec.batch_size,
        accumulate=done.spec.accumulate,
        lr=done.spec.lr,
        epochs=[{name: value for name, value in epoch.items() if not isinstance(value, dict | list)} for epoch in epochs],
        best=best_of(epochs),
        images_per_second=round(median(epoch["images_per_second"] for epoch in epochs), 2),
    )


def leads() -> bool:
    """Whether this process is the one that writes and reports, of those that torchrun started."""
    return rank() == 0


def _chips(indexes: list[ChipIndex]) -> dict[str, list[tuple[Path, Path]]]:
    """Image and mask of each chip of the train and the val split."""
    from geoseg.training.balance import several_classes
    from geoseg.training.data import chips_of

    chips = {split: [pair for index in indexes for pair in chips_of(index, split)] for split in ("train", "val")}
    folder = indexes[0].folder
    if not chips["train"]:
        raise UnsuitableError(f"{folder}: its train split is empty", "see --split of `geoseg tile`")
    if not several_classes((mask for _, mask in chips["train"]), len(indexes[0].info.classes)):
        raise UnsuitableError(f"{folder}: the masks of its train split are of a single class", "is --labels the right file?")
    return chips


def _note(folder: Path, data: Sequence[str], spec: TrainSpec, init: Path | None) -> None:
    """Write the settings as ``run.toml``: with it alone the run can be repeated, from wherever."""
    settings: dict[str, Any] = {"data": [str(Path(name).absolute()) for name in data]}
    settings |= {name.replace("_", "-"): value for name, value in vars(spec).items() if name != "options"}
    if Path(spec.weights).is_file():
        settings["weights"] = str(Path(spec.weights).absolute())
    if spec.options:
        settings["option"] = spec.options
    if init:
        settings["init"] = str(init.absolute())
    if leads():
        write_settings(folder, "train", settings)


def _warnings(begun: TrainSpec, done: TrainSpec, val: bool) -> Iterator[str]:
    if not val:
        yield "the val split is empty: the last epoch is kept, not the best"
    if done.batch_size < begun.batch_size:
        yield (
            f"the device ran out of memory with {begun.batch_size} chips at a time: went on with {done.batch_size}, "
            f"and {done.accumulate} times as many to a step"
        )


def _model_spec(indexes: list[ChipIndex], spec: TrainSpec, init: Path | None) -> ModelSpec:
    first = indexes[0].info
    if len(first.classes) < 2:
        raise UnsuitableError(f"{indexes[0].folder}: names a single class, {', '.join(first.classes)}")
    for index in indexes[1:]:
        info = index.info
        if replace(info, gsd=first.gsd) != first:
            raise UnsuitableError(f"{index.folder}: its bands, dtype, stretch or classes differ from {indexes[0].folder}'s")
        if first.gsd and info.gsd and abs(info.gsd / first.gsd - 1) > 0.02:
            raise UnsuitableError(f"{index.folder}: its chips have {info.gsd:.3f} m, {indexes[0].folder}'s {first.gsd:.3f} m")
    common: dict[str, Any] = {name: getattr(first, name) for name in ("classes", "dtype", "stretch", "percentiles")}
    common |= {"gsd": spec.gsd or first.gsd, "size": spec.crop or 256}
    if init:
        from geoseg.models.modelfile import read_spec

        base = read_spec(init)
        if (base.bands, len(base.classes)) != (first.bands, len(first.classes)):
            raise UnsuitableError(f"{init}: has {base.bands} bands and {len(base.classes)} classes, the chips have others")
        return replace(base, **common)
    encoder = spec.encoder or ARCHITECTURES.get(spec.arch)
    # ImageNet's means repeat over bands beyond three: a start as good as any for a network that learns its own first layer
    mean, std = ModelSpec.mean, ModelSpec.std
    return ModelSpec(
        architecture=spec.arch,
        encoder=encoder,
        bands=first.bands,
        mean=tuple(mean[i % 3] for i in range(first.bands)),
        std=tuple(std[i % 3] for i in range(first.bands)),
        options=spec.options,
        **common,
    )


def _zoom(indexes: list[ChipIndex], model: ModelSpec) -> float:
    gsd = indexes[0].info.gsd
    return gsd / model.gsd if gsd and model.gsd else 1.0


def _run_folder(folder: Path, made: tuple[str, ...], resume: bool, overwrite: bool) -> Path:
    """The folder, fit for the run; of a run that is not gone on with, ``made`` are deleted."""
    last = folder / made[0]
    if resume and not last.is_file():
        raise InputError(f"{folder}: holds no {last.name} to resume from")
    if not leads() or resume:
        return folder
    if last.exists() and not overwrite:
        raise OutputError(f"{folder}: holds another run", "use --resume to go on with it, or --overwrite")
    folder.mkdir(parents=True, exist_ok=True)
    for name in made:
        (folder / name).unlink(missing_ok=True)
    return folder
