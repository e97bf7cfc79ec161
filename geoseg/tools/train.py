"""Train a network on chip indexes and write its model file."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from geoseg.errors import InputError, OutputError, ResourceError, UnsuitableError
from geoseg.io.chips import ChipIndex, read_index
from geoseg.io.output import check_output
from geoseg.specs import ModelSpec, TrainSpec
from geoseg.tools.report import Progress, Report, no_progress

DEFAULT_ENCODERS = {"cnn": None, "fcn8s": "vgg16"}


@dataclass(frozen=True, kw_only=True)
class TrainReport(Report):
    """Scores of every epoch and of the best one, the model file, the run folder, images trained on a second."""

    model: str
    run_dir: str
    parameters: int
    epochs: list[dict[str, Any]]
    best: dict[str, Any]
    images_per_second: float


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
    stopped. Raises ResourceError without torch, UnsuitableError for indexes that do not go together or have no masks.
    """
    start = time.perf_counter()
    output = check_output(output, overwrite)
    indexes = [read_index(folder) for folder in data]
    model = _model_spec(indexes, spec, init)
    try:
        import lightning as L

        from geoseg.models import modelfile, registry
        from geoseg.training.data import chips_of, loaders
        from geoseg.training.fit import LAST, fit
    except ImportError as error:
        raise ResourceError(f"training needs {error.name}", "pip install 'geoseg[train]'") from error
    chips = {split: [pair for index in indexes for pair in chips_of(index, split)] for split in ("train", "val")}
    if not chips["train"]:
        raise UnsuitableError(f"{data[0]}: its train split is empty", "see --split of `geoseg tile`")
    warnings = () if chips["val"] else ("the val split is empty: the last epoch is kept, not the best",)
    folder = _run_folder(run_dir or output.with_name(output.name + ".run"), LAST, resume, overwrite)
    L.seed_everything(spec.seed, workers=True, verbose=False)
    network = registry.build(model, None if spec.weights == "none" else spec.weights)
    if init:
        registry.load_weights(network, modelfile.load(init)[1], str(init))
    (folder / "config.json").write_text(json.dumps({"train": asdict(spec), "model": asdict(model)}, indent=1))
    train, val = loaders(chips["train"], chips["val"], spec, model.size, _zoom(indexes, model))
    fitted, state = fit(network, model, spec, train, val if chips["val"] else None, folder, resume=resume, progress=progress)
    modelfile.save(output, model, state, overwrite)
    return TrainReport(
        command="train",
        inputs=tuple(str(folder) for folder in data),
        outputs=(str(output),),
        seconds=time.perf_counter() - start,
        warnings=warnings,
        model=str(output),
        run_dir=str(folder),
        parameters=sum(p.numel() for p in network.parameters()),
        epochs=fitted.epochs,
        best=fitted.best,
        images_per_second=round(fitted.images_per_second, 2),
    )


def _model_spec(indexes: list[ChipIndex], spec: TrainSpec, init: Path | None) -> ModelSpec:
    first = indexes[0].info
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
    encoder = spec.encoder or DEFAULT_ENCODERS.get(spec.arch, "resnet18")
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


def _run_folder(folder: Path, last: str, resume: bool, overwrite: bool) -> Path:
    if resume and not (folder / last).is_file():
        raise InputError(f"{folder}: holds no {last} to resume from")
    if not resume and (folder / last).exists() and not overwrite:
        raise OutputError(f"{folder}: holds another run", "use --resume to go on with it, or --overwrite")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
