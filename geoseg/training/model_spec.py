"""The description of the model that a run trains: by its data, settings and starting point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from geoseg.chips.scene_windows import SAME_GSD, ExampleSet
from geoseg.errors import ModelError, SettingError, UnsuitableError
from geoseg.models.store import bundled, read_network_spec, read_spec
from geoseg.report import Remarks
from geoseg.specs import ARCHITECTURES, ModelSpec, TrainSpec
from geoseg.specs.train import DEFAULT_ARCH


def starting_point(sets: Sequence[ExampleSet], spec: TrainSpec, init: Path | None) -> Path | None:
    """The model file to start from: ``init``; without it the bundled model, where nothing asks for
    another network and the data have its bands.
    """
    if init or not spec.any_network:
        return init
    try:
        model = bundled()
    except ModelError:  # geoseg was built without it
        return None
    return model if read_spec(model).bands == sets[0].info.bands else None


def model_spec_for(
    sets: Sequence[ExampleSet], spec: TrainSpec, init: Path | None, remarks: Remarks
) -> ModelSpec:
    """The ModelSpec that ``spec`` trains on ``sets``, from the model file ``init`` if there is one;
    layers that it cannot give are named in ``remarks``. Raises UnsuitableError where the sets do
    not go together.
    """
    first = sets[0].info
    if len(first.classes) < 2:
        raise UnsuitableError(f"{sets[0].name}: names a single class, {', '.join(first.classes)}")
    for other in sets[1:]:
        info = other.info
        if replace(info, gsd=first.gsd) != first:
            raise UnsuitableError(
                f"{other.name}: its bands, dtype, stretch or classes differ from {sets[0].name}'s"
            )
        if first.gsd and info.gsd and abs(info.gsd / first.gsd - 1) > SAME_GSD and not spec.gsd:
            raise UnsuitableError(
                f"{other.name}: its chips have {info.gsd:.3f} m, those of {sets[0].name} "
                f"{first.gsd:.3f} m",
                "set gsd to train on both at one resolution",
            )
    shared = ("classes", "multilabel", "dtype", "stretch", "percentiles", "source_bands")
    common: dict[str, Any] = {name: getattr(first, name) for name in shared}
    common |= {"gsd": spec.gsd or first.gsd, "size": spec.crop or 256}
    if init:
        base = read_network_spec(init)
        for name, wanted, there in (
            ("arch", spec.arch, base.architecture),
            ("encoder", spec.encoder, base.encoder),
        ):
            if wanted and wanted != there:
                raise SettingError(name, f"{init} is {there}, not {wanted}", "leave it out")
        if first.gsd:
            # what it knows it knows at its own resolution, and there `extract` would run it
            common["gsd"] = spec.gsd or base.gsd or first.gsd
        if base.for_labels(first.classes) != base:  # it goes on knowing boundaries
            common["classes"] = (*first.classes, *base.classes[2:])
        # the least confidence was chosen for its weights, which will be others
        common["min_confidence"] = ModelSpec.min_confidence
        model = replace(base, **_normalisation(base, first.bands), **common)
        remarks += _new_layers(base, model, str(init))
        return model
    architecture = spec.arch or DEFAULT_ARCH
    return ModelSpec(
        architecture=architecture,
        encoder=spec.encoder or ARCHITECTURES.get(architecture),
        options=spec.options,
        **_normalisation(ModelSpec, first.bands),
        **common,
    )


def _normalisation(base: ModelSpec | type[ModelSpec], bands: int) -> dict[str, Any]:
    """``bands`` with mean and standard deviation of each: those of ``base`` repeat over further
    bands, a start as good as any for a network that learns its own first layer.
    """
    return {
        "bands": bands,
        "mean": tuple(base.mean[i % len(base.mean)] for i in range(bands)),
        "std": tuple(base.std[i % len(base.std)] for i in range(bands)),
    }


def _new_layers(base: ModelSpec, model: ModelSpec, init: str) -> Iterator[str]:
    """Which layers of ``base`` cannot be used for the bands and classes of ``model``."""
    if base.bands != model.bands:
        how = "is adapted" if base.bands == 3 else "is initialised randomly"
        yield f"{init}: has {base.bands} bands, the data {model.bands}: its first layer {how}"
    if base.channels != model.channels:
        kinds = [
            f"{len(spec.classes)} {'multi-label ' if spec.multilabel else ''}classes"
            for spec in (base, model)
        ]
        yield f"{init}: has {kinds[0]}, the data {kinds[1]}: its last layer is initialised randomly"
