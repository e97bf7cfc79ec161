"""Train a network on chip indexes and write its model file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from geoseg.chips.scene_windows import ExampleSet, SplitOutlines, example_sets
from geoseg.errors import (
    GeosegError,
    InputError,
    OutputError,
    ResourceError,
    SettingError,
    UnsuitableError,
)
from geoseg.io.atomic import check_apart, check_output, claimed, make_folder
from geoseg.io.provenance import command_now, moment
from geoseg.io.run_folder import (
    BEST,
    CHECKPOINT,
    EPOCHS,
    PAGE,
    START,
    read_epochs,
    read_settings,
    read_start,
    write_settings,
)
from geoseg.models.store import load, model_name
from geoseg.report import Progress, Report, Run, Stage, no_progress
from geoseg.specs import SPLIT, ChipSpec, ModelSpec, TrainSpec, TrainTarget
from geoseg.specs.vectors import VectorFiles
from geoseg.training.launch import rank
from geoseg.training.model_spec import model_spec_for, starting_point

if TYPE_CHECKING:
    from geoseg.chips.examples import Example
    from geoseg.training.fit import TrainingRun


CHIPS_SHOWN = 3  # of the best and of the worst


@dataclass(frozen=True, kw_only=True)
class TrainReport(Report):
    """The validation scores before the first epoch (``start``), of every epoch and of the best one,
    those of the test split, the model file, the run folder and its page, images a second.

    ``init`` is the model that it started from: ``bundled``, a file, or None.
    ``batch_size``, ``accumulate`` and ``lr`` are those that were found or given; ``pretrained``
    says what of a file of weights could be used.
    """

    model: str
    run_dir: str
    page: str
    parameters: int
    init: str | None
    pretrained: str | None
    batch_size: int
    accumulate: int
    lr: float
    epochs: list[dict[str, Any]]
    start: dict[str, Any]
    best: dict[str, Any]
    test: dict[str, Any]
    images_per_second: float


def run(
    data: Sequence[str],
    target: TrainTarget | Path | str,
    spec: TrainSpec,
    *,
    labels: Path | VectorFiles | None = None,
    split: tuple[float, ...] = SPLIT,
    bands: tuple[int, ...] | None = None,
    init: Path | None = None,
    progress: Progress = no_progress,
) -> TrainReport:
    """Train on the ``train`` split of ``data``, choose the best epoch on their ``val`` split.

    ``data`` are chip index folders, and with ``labels`` scenes too, whose ``bands`` are read window
    by window while training; their blocks are split as `geoseg tile` does by the parts that
    ``split`` names. The run's folder keeps a checkpoint of each epoch, so that a killed run can be
    resumed, ``run.toml``, with which ``geoseg train --config`` repeats the run, and
    ``report.html``. Raises ResourceError without torch, UnsuitableError for indexes that do not go
    together, have no masks, or masks of a single class.
    """
    accompany = Run(progress)
    target = _checked(TrainTarget.of(target), init)
    windows = ChipSpec(_window(spec), bands=bands, split=split, seed=spec.seed, gsd=spec.gsd)
    sets = example_sets(data, labels, windows, spec.data_weights, accompany.remarks)
    named, init = init, starting_point(sets, spec, init)
    model = model_spec_for(sets, spec, init, accompany.remarks)
    # A single set keeps its pixels and the network learns its GSD; several must be brought to one
    if len(sets) > 1 and model.gsd:
        sets = [each.resampled(model.gsd) for each in sets]
    _check_start(init)
    from geoseg.models.registry import has_global_context
    from geoseg.training import fit

    # before the chips are looked at, which takes minutes where there are many
    fit.check_devices(spec)
    chips = _chips(sets, spec, accompany)
    folder = _run_folder(target)
    zoom, classes = _zoom(sets, model), sets[0].info.classes
    job = fit.TrainingRun(model, spec, chips["train"], chips["val"], zoom, folder, init, classes)
    if target.resume:
        fit.check_resumable(job)
    made, matched = fit.network(job)
    model = replace(model, global_context=has_global_context(made, model))
    # now that nothing is left to be refused
    with _claimed(folder, target):
        job = replace(job, model=model, start=_start(named, init, matched, model))
        of_scenes = {"split": split, "bands": bands}
        own = VectorFiles.of(labels).settings("labels") | of_scenes if labels else {}
        done = _trained(job, partial(_note, folder, data, init, own), target, accompany)
        test: dict[str, Any] = {}
        if is_main_process():
            test_chips = [chip for each in sets for chip in each.splits["test"]]
            places = sets[0].outlines
            test = _finish(done, test_chips, places, target, accompany)
        return _report(
            done,
            accompany,
            inputs=tuple(str(folder) for folder in data),
            outputs=(str(target.output),),
            model=str(target.output),
            parameters=sum(p.numel() for p in made.parameters()),
            init=model_name(init) if init else None,
            pretrained=matched,
            test=_numbers(test),
        )


def _start(named: Path | None, init: Path | None, matched: str | None, model: ModelSpec) -> str:
    """From which weights the run starts, for the log."""
    network = f"{model.architecture} {model.encoder or ''}".strip()
    if init and not named:
        return "starts from the bundled model (for others: `init`, `arch`, or `weights` imagenet)"
    if init:
        return f"starts from {model_name(init)}"
    return f"starts {network} from {'random weights' if matched is None else matched}"


def _checked(target: TrainTarget, init: Path | None) -> TrainTarget:
    """``target`` if its model file can be written, and is not the one that the run starts from."""
    if init:
        check_apart(target.output, init)
    if is_main_process():
        check_output(target.output, target.overwrite)
    if target.output.suffix != ".safetensors":
        raise SettingError("output", "must end in .safetensors", "`geoseg export` writes ONNX")
    return target


def _check_start(init: Path | None) -> None:
    """Raise ModelError for an ``init`` that cannot be read, ResourceError without torch."""
    try:
        if init:  # first, for Lightning takes seconds to load
            import torch  # noqa: F401

            load(init)
        import geoseg.training.fit  # noqa: F401
    except ImportError as error:
        raise ResourceError(
            f"training needs {error.name}", "pip install 'geoseg[train]'"
        ) from error


def _trained(
    job: TrainingRun, note: Callable[[TrainSpec], None], target: TrainTarget, accompany: Run
) -> TrainingRun:
    """The run as it was done; ``note`` writes its settings down, at its start and at its end."""
    from geoseg.training import fit
    from geoseg.training.finders import resolve_auto

    begun = resolve_auto(job, target.resume)
    note(begun.spec)
    done = fit.train(begun, resume=target.resume, progress=accompany.progress)
    note(done.spec)
    if not job.val:
        accompany.remarks.append("the val split is empty: the last epoch is kept, not the best")
    if done.spec.batch_size < begun.spec.batch_size:
        accompany.remarks.append(
            f"the device ran out of memory with {begun.spec.batch_size} chips at a time: went on "
            f"with {done.spec.batch_size}, and {done.spec.accumulate} times as many to a step"
        )
    return done


def _report(done: TrainingRun, accompany: Run, **known: Any) -> TrainReport:
    """The report of a run, with what its folder holds."""
    from geoseg.training.callbacks import best_of

    epochs = read_epochs(done.run_dir)
    return TrainReport(
        command="train",
        seconds=accompany.seconds,
        warnings=accompany.remarks.unique(),
        run_dir=str(done.run_dir),
        page=str(done.run_dir / PAGE),
        batch_size=done.spec.batch_size,
        accumulate=done.spec.accumulate,
        lr=done.spec.lr,
        epochs=[_numbers(epoch) for epoch in epochs],
        start=_numbers(read_start(done.run_dir)),
        best=best_of(epochs),
        images_per_second=round(median(epoch["images_per_second"] for epoch in epochs), 2),
        **known,
    )


def finished_epochs(target: TrainTarget) -> int:
    """How many epochs of a run are behind its last checkpoint."""
    folder = target.folder
    return len(read_epochs(folder)) if (folder / CHECKPOINT).is_file() else 0


def _numbers(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Scores without those of single classes and thresholds."""
    return {name: value for name, value in scores.items() if not isinstance(value, dict | list)}


def _finish(
    job: TrainingRun,
    test_chips: Sequence[Example],
    places: SplitOutlines,
    target: TrainTarget,
    accompany: Run,
) -> dict[str, Any]:
    """Write the model file of the best epoch and the page of the run; returns the test scores."""
    from geoseg.models import modelfile
    from geoseg.reports.training_page import FinishedRun, write
    from geoseg.training.callbacks import best_of
    from geoseg.training.fit import device_name
    from geoseg.training.gallery import best_and_worst, split_scores

    epochs = read_epochs(job.run_dir)
    state = modelfile.load(job.run_dir / BEST)[1]
    modelfile.save(target.output, job.model, state, target.overwrite)
    test: dict[str, Any] = {}
    try:
        if test_chips:
            test = split_scores(job.model, state, test_chips, job.zoom, job.labelled)
    except GeosegError as error:  # hours of training are not lost to a chip
        accompany.remarks.append(f"the test split was not scored: {error}")
    finished = FinishedRun(
        model=job.labelled,
        epochs=epochs,
        start=read_start(job.run_dir),
        best=best_of(epochs),
        test=test,
        settings=read_settings(job.run_dir, "train"),
        chips=best_and_worst(job.model, state, job.val, job.zoom, CHIPS_SHOWN, job.labelled),
        device=device_name(),
        finished=moment().astimezone(),
        output=target.output,
        command=command_now(),
        places=places,
    )
    write(job.run_dir, finished)
    return test


def is_main_process() -> bool:
    """Whether this process is the one that writes and reports, of those that torchrun started."""
    return rank() == 0


def _window(spec: TrainSpec) -> int:
    """Pixels a side of the windows of scenes: twice the crops, so that crops lie freely in them."""
    return 2 * (spec.crop or 256)


def _chips(sets: list[ExampleSet], spec: TrainSpec, accompany: Run) -> dict[str, list[Example]]:
    """The chips of the train and the val split; those that cannot be read are left out where the
    user wants it so.
    """
    from geoseg.training.balance import several_classes
    from geoseg.training.data import readable

    chips = {
        split: [chip for examples in sets for chip in examples.splits[split]]
        for split in ("train", "val")
    }
    gone = next(
        (path for split in chips.values() for chip in split if (path := chip.missing())), None
    )
    if gone and spec.on_error == "stop":
        raise InputError(f"{gone}: does not exist", "skip it with `on_error` skip")
    if spec.on_error == "skip":
        advance = accompany.progress(Stage("check", "chips"), sum(map(len, chips.values())))
        for split, listed in chips.items():
            chips[split], problems = readable(listed, advance)
            accompany.remarks += [f"left out: {problem}" for problem in problems]
    if not chips["train"]:
        raise UnsuitableError(
            f"{sets[0].name}: its train split is empty", "see the split of `geoseg tile`"
        )
    if not several_classes(chips["train"], len(sets[0].info.classes)):
        why = "the masks of its train split are of a single class"
        raise UnsuitableError(f"{sets[0].name}: {why}", "is `labels` the right file?")
    return chips


def _note(
    folder: Path, data: Sequence[str], init: Path | None, how: dict[str, Any], spec: TrainSpec
) -> None:
    """Write the settings as ``run.toml``: with it alone the run can be repeated, from wherever."""
    settings: dict[str, Any] = {
        "data": [str(name) if "://" in str(name) else str(Path(name).absolute()) for name in data]
    }
    settings |= {
        name.replace("_", "-"): value for name, value in vars(spec).items() if name != "options"
    }
    # absolute, as the run may be repeated from another folder
    if spec.weights not in ("none", "auto") and Path(spec.weights).is_file():
        settings["weights"] = str(Path(spec.weights).absolute())
    if spec.options:
        settings["option"] = spec.options
    settings |= {
        name: str(value.absolute()) if isinstance(value, Path) else value
        for name, value in how.items()
        if value
    }
    if init:
        settings["init"] = model_name(init)
    if is_main_process():
        write_settings(folder, "train", settings)


def _zoom(sets: list[ExampleSet], model: ModelSpec) -> float:
    gsd = sets[0].info.gsd
    return gsd / model.gsd if gsd and model.gsd else 1.0


def _run_folder(target: TrainTarget) -> Path:
    """The folder, which need not exist; raises where another run is in it, or none to resume."""
    folder = target.folder
    last = folder / CHECKPOINT
    if is_main_process() and folder.is_dir():
        check_output(last, overwrite=True)  # no other run writes it
    if target.resume and not last.is_file():
        raise InputError(f"{folder}: holds no {last.name} to resume from")
    if is_main_process() and last.exists() and not (target.resume or target.overwrite):
        raise OutputError(
            f"{folder}: holds another run", "use `resume` to continue it, or `overwrite`"
        )
    return folder


@contextmanager
def _claimed(folder: Path, target: TrainTarget) -> Iterator[None]:
    """Make the folder, and keep other runs out of it; what another one left in it is deleted where
    that is not resumed. Raises OutputError where another run is at work in it.
    """
    # of the processes that torchrun starts one clears the folder; the others would race it
    if not is_main_process():
        yield
        return
    make_folder(folder)
    # a run of hours takes what lies here for its own: two would write one model of both
    with claimed(check_output(folder / CHECKPOINT, overwrite=True)):
        # what another run left would be taken for this one's
        for name in () if target.resume else (CHECKPOINT, BEST, START, EPOCHS):
            (folder / name).unlink(missing_ok=True)
        yield
