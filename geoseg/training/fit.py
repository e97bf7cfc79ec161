"""The training run: what is to be done, one Lightning Trainer that does it, and what to do when
memory runs out.
"""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy

from geoseg.chips.examples import Example
from geoseg.errors import GeosegError, ModelError, ResourceError, UnsuitableError
from geoseg.io.run_folder import BEST, CHECKPOINT, read_settings
from geoseg.models import pretrained, registry, store
from geoseg.models.registry import Segmenter
from geoseg.specs import ModelSpec, TrainSpec
from geoseg.training.balance import class_weights
from geoseg.training.callbacks import (
    EarlyStop,
    EndReaders,
    EpochLog,
    Progress,
    SeedEachEpoch,
    SyncBatchNorm,
    log,
    seed_everything,
)
from geoseg.training.data import loaders
from geoseg.training.hard_examples import HardExampleSampler
from geoseg.training.launch import by_torchrun, launch, parse_child_error, processes, rank
from geoseg.training.module import SegmentationModule
from geoseg.training.sampling import SeededSampler

LAST = CHECKPOINT
PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


@dataclass(frozen=True)
class TrainingRun:
    """A training run: the model, how it is trained and on what, and the folder of its checkpoints.

    ``zoom`` is the chips' GSD over the model's; ``init`` is a model file
    to start from, ``start`` says so in the log.
    """

    model: ModelSpec
    spec: TrainSpec
    train: Sequence[Example]
    val: Sequence[Example]
    zoom: float
    run_dir: Path
    init: Path | None = None
    label_classes: tuple[str, ...] | None = None
    start: str = ""

    @property
    def labelled(self) -> ModelSpec:
        """The model as far as the labels show it (:meth:`ModelSpec.for_labels`)."""
        return self.model.for_labels(self.label_classes or self.model.classes)


def train(job: TrainingRun, *, resume: bool, progress: Progress) -> TrainingRun:
    """Do the ``job``; returns it as it was done in the end.

    When a GPU runs out of memory, the run goes on from its last checkpoint with half the batch, and
    twice as many batches to a step. The run folder receives ``last.ckpt``, ``best.safetensors``
    (the epoch of the highest validation IoU, or the last one without validation) and what
    :mod:`geoseg.io.run_folder` writes.
    """
    check_devices(job.spec)
    while True:
        try:
            launch(job.spec.devices, fit, job, resume, progress)
            return job
        except RuntimeError as error:
            if not registry.is_too_large(error):
                raise
            spec = job.spec
            if spec.batch_size == 1 or by_torchrun():
                raise ResourceError(
                    "the device ran out of memory", "lower `batch_size` or `crop`"
                ) from error
        job = replace(
            job, spec=replace(spec, batch_size=spec.batch_size // 2, accumulate=spec.accumulate * 2)
        )
        # the first epoch may not have been finished: then there is nothing to go on from
        resume = resume or (job.run_dir / LAST).is_file()
        # trainer and module refer to each other: what they hold on the device goes with them
        gc.collect()
        torch.cuda.empty_cache()


def fit(job: TrainingRun, resume: bool, progress: Progress) -> None:
    """Train in this process, one of as many as there are."""
    _quiet()
    spec = job.spec
    run_dir = job.run_dir
    module = build(job)
    if spec.compile:
        module.network.compile()
    train_batches, val_batches = loaders(job.train, job.val, spec, job.model, job.zoom)
    if job.start and not resume and rank() == 0:
        log.info(job.start)
    draws = train_batches.sampler
    assert isinstance(draws, SeededSampler)
    # callbacks run in this order, checkpoints last: they know all that the others have done
    callbacks: list[Callback] = [
        SeedEachEpoch(draws),
        SyncBatchNorm(),
        EndReaders(),
        EpochLog(run_dir, progress if rank() == 0 else _silent),
    ]
    if spec.hard:
        callbacks.append(HardExampleSampler(train_batches, spec.hard))
    if spec.early_stop and job.val:
        callbacks.append(EarlyStop(spec.early_stop))
    callbacks.append(ModelCheckpoint(run_dir, "last", save_top_k=1, enable_version_counter=False))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", processes()))
    trainer = L.Trainer(
        accelerator="auto",
        devices=here,
        num_nodes=processes() // here,
        # statistics of batch normalisation are shared once an epoch instead of at each step
        strategy=DDPStrategy(broadcast_buffers=False) if processes() > 1 else "auto",
        use_distributed_sampler=False,
        precision=precision(spec.precision),  # type: ignore[arg-type]
        max_epochs=spec.epochs,
        accumulate_grad_batches=spec.accumulate,
        gradient_clip_val=spec.clip or None,
        callbacks=callbacks,
        logger=_loggers(spec.log, run_dir),
        default_root_dir=run_dir,
        enable_progress_bar=False,
        enable_model_summary=False,
        # a new run begins with the scores of the weights that it starts from
        num_sanity_val_steps=-1 if job.val and not resume else 0,
        log_every_n_steps=1_000_000,
    )
    try:
        trainer.fit(
            module,
            train_batches,
            val_batches if job.val else None,
            ckpt_path=str(run_dir / LAST) if resume else None,
            weights_only=True,
        )
    except GeosegError as error:
        if inner := parse_child_error(str(error)):  # of a process that reads chips
            raise inner from error
        raise
    except SystemExit as error:  # Lightning's way to answer Ctrl-C
        raise KeyboardInterrupt if error.code == 1 else error from None
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        # while Python ends, a thread of gloo that still holds tensors would abort:
        # https://github.com/pytorch/pytorch/pull/179291
        torch.distributed.destroy_process_group()


def build(job: TrainingRun) -> SegmentationModule:
    """The network of the job with the weights that it starts from, and all that it takes to train
    it.
    """
    weights = class_weights(job.spec.class_weights, job.train, job.labelled.classes)
    return SegmentationModule(network(job)[0], job.model, job.spec, weights, job.labelled)


def network(job: TrainingRun) -> tuple[Segmenter, str | None]:
    """The network with the weights that it starts from, and what matched of those of a file."""
    seed_everything(job.spec.seed)
    weights = "none" if job.init and job.spec.weights == "auto" else job.spec.weights
    # first, for it names the file where that is no network of ours
    start = store.load(job.init) if job.init else None
    network, matched = pretrained.create_network(job.model, weights)
    if start:
        base, state = start
        if same_ends(base, job.model):
            registry.load_weights(network, state, str(job.init))
        else:
            matched = pretrained.load_matching(network, state, str(job.init))
    return network, matched


def same_ends(left: ModelSpec, right: ModelSpec) -> bool:
    """Whether two models of one architecture have the same first and last layer."""
    return (left.bands, left.channels) == (right.bands, right.channels)


def check_resumable(job: TrainingRun) -> None:
    """Raises ModelError for a last checkpoint that is damaged, UnsuitableError for one of another
    network or optimizer.
    """
    path = job.run_dir / LAST
    begun = store.read_spec(job.run_dir / BEST)
    if _ends(begun) != _ends(job.model):
        raise UnsuitableError(
            f"{job.run_dir}: trains {_ends(begun)}, the data have {_ends(job.model)}",
            "`overwrite` starts over",
        )
    names = [f"{spec.architecture} {spec.encoder or ''}".strip() for spec in (begun, job.model)]
    optimizer = read_settings(job.run_dir, "train").get("optimizer", job.spec.optimizer)
    if names[0] != names[1]:
        raise UnsuitableError(f"{job.run_dir}: trains {names[0]}, not {names[1]}")
    if optimizer != job.spec.optimizer:
        raise UnsuitableError(f"{job.run_dir}: trains with {optimizer}, not {job.spec.optimizer}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        shapes = {name: tensor.shape for name, tensor in state.items()}
    except (RuntimeError, UnpicklingError, EOFError, LookupError, ValueError, OSError) as error:
        raise ModelError(f"{path}: is damaged", "`overwrite` starts over") from error
    module = SegmentationModule(registry.build(job.model), job.model, job.spec)
    expected = {name: tensor.shape for name, tensor in module.state_dict().items()}
    if shapes != expected:
        name = min(name for name in shapes | expected if shapes.get(name) != expected.get(name))
        raise UnsuitableError(
            f"{path}: its {len(shapes)} tensors are not the {len(expected)} of this network "
            f"({name} differs)",
            "resume with the settings of run.toml",
        )


def _ends(model: ModelSpec) -> str:
    kind = "multi-label classes" if model.multilabel else "classes"
    names = ", ".join(model.classes)
    return f"{model.bands} bands and {len(model.classes)} {kind} ({names})"


def check_devices(spec: TrainSpec) -> None:
    """Raises ResourceError for GPUs that are not there, a precision only they have, a logger that
    is not installed.
    """
    gpus = torch.cuda.device_count()
    if gpus and spec.devices > gpus:
        raise ResourceError(f"`devices` {spec.devices}: there are {gpus} GPUs")
    if not gpus and spec.precision == "fp16":
        raise ResourceError("`precision` fp16 needs a GPU", "use bf16 or fp32")
    for package in spec.log:
        if package != "csv" and importlib.util.find_spec(package) is None:
            raise ResourceError(
                f"`log` {package} needs {package}, which is not installed", f"pip install {package}"
            )


def device_name() -> str:
    """The device that trains, for people."""
    if torch.cuda.is_available():
        return f"{processes()} x {torch.cuda.get_device_name()}"
    return f"CPU, {torch.get_num_threads()} threads"


def _silent(label: object, total: int) -> Callable[[int], None]:
    return lambda count: None


def _loggers(names: tuple[str, ...], run_dir: Path) -> list[Logger]:
    loggers: list[Logger] = []
    if "tensorboard" in names:
        loggers.append(TensorBoardLogger(run_dir, "tensorboard", version=""))
    if "mlflow" in names:
        address = (
            os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{run_dir.absolute() / 'mlflow.db'}"
        )
        loggers.append(MLFlowLogger("geoseg", run_name=run_dir.name, tracking_uri=address))
    return loggers


def precision(name: str) -> str:
    """Lightning's name; ``auto`` is bf16 where the processor or the GPU computes in it, else
    fp32.
    """
    if name == "auto":
        gpu = torch.cuda.is_available()
        native = (
            torch.cuda.is_bf16_supported()
            if gpu
            else getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
        )
        name = "bf16" if native else "fp32"
    return PRECISIONS[name]


def _quiet() -> None:
    """Lightning's notes on workers, logging intervals and the like are not the user's."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for category in (UserWarning, FutureWarning, DeprecationWarning):
        warnings.filterwarnings(
            "ignore", category=category, module=r"(lightning|torch|torchmetrics)\."
        )
