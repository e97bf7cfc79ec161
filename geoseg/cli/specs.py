"""Options made of the fields of specs, and the specs that commands get of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import click

from geoseg.cli.command import FROM_MODEL
from geoseg.cli.groups import GroupedOption
from geoseg.cli.options import (
    AREA,
    BANDS,
    FRACTIONS,
    LENGTH,
    NAMES,
    Auto,
    Decorator,
    Text,
    dst_crs,
    layer,
    layers_output,
    overwrite,
    pixel_coords,
    vector_format,
)
from geoseg.specs import (
    Area,
    ExtractSpec,
    Length,
    Memory,
    PixelReference,
    PolygonSpec,
    PredictSpec,
    VectorTarget,
)
from geoseg.specs.settings import Setting, settings
from geoseg.specs.toml import to_cli_text

SPEC_GROUPS: dict[type, str] = {
    PredictSpec: "Model",
    PolygonSpec: "Footprints",
    ExtractSpec: "Footprints",
}


QUANTITIES = {Length: LENGTH, Area: AREA, Memory: Text("memory", Memory.parse)}


def value_type(setting: Setting) -> click.ParamType | type:
    """What click makes of a field's type: its choices, its range, its unit."""
    if setting.several:
        return FRACTIONS if setting.kind is float else BANDS if setting.kind is int else NAMES
    if setting.choices:
        return click.Choice(setting.choices)
    if setting.kind in QUANTITIES:
        return QUANTITIES[setting.kind]
    if limits := setting.range:
        kind: Any = click.IntRange if setting.kind is int else click.FloatRange
        low, high = (n if math.isfinite(n) else None for n in (limits.low, limits.high))
        return kind(low, high, limits.low_open, limits.high_open)
    return setting.kind


def setting(spec: type, name: str, help: str, *flags: str, **attributes: Any) -> Decorator:
    """Option ``--name`` for field ``name`` of ``spec``, which gives its default, and its values by
    its type.
    """
    default = next(field.default for field in fields(spec) if field.name == name)
    kind = settings(spec)[name]
    if kind.kind is bool:
        attributes["is_flag"] = True
    else:
        attributes.setdefault("type", value_type(kind))
        attributes.setdefault("show_default", default is not None)
    return click.option(
        *flags,
        f"--{name.replace('_', '-')}",
        name,
        cls=GroupedOption,
        group=SPEC_GROUPS.get(spec, "Options"),
        default=to_cli_text(default),
        help=help,
        **attributes,
    )


def spec_options(name: str, spec: type, *options: Decorator) -> Decorator:
    """The command takes ``options`` and hands its function one ``spec`` under ``name`` instead of
    them.
    """
    # which of the spec's fields these options fill: click knows their names once they are made
    probe = click.command()(functools.reduce(lambda made, option: option(made), options, _nothing))
    own_names = {field.name for field in fields(spec)} & {str(each.name) for each in probe.params}

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def gathered(*args: Any, **values: Any) -> Any:
            own = {key: values.pop(key) for key in own_names & values.keys()}
            return function(*args, **{name: spec(**own)}, **values)

        made: Callable[..., Any] = gathered
        # decorators are applied from the last to the first, and --help shows them in that order
        for option in reversed(options):
            made = option(made)
        return made

    return decorate


def _nothing() -> None:
    pass


MODELS = {"show_default": FROM_MODEL}


reference = spec_options("reference", PixelReference, pixel_coords)


vector_target = spec_options(
    "target", VectorTarget, layers_output, layer, vector_format, dst_crs, overwrite
)


inference = (
    setting(
        PredictSpec,
        "tile_size",
        "Window size in pixels, of the scene's shorter side at most.  [default: 1024, on a CPU "
        "with torch 768; the crop size for networks that look at the whole window]",
    ),
    setting(
        PredictSpec,
        "overlap",
        "Overlap of neighbouring windows in pixels.  [default: 128, at most 1/4 of the window]",
    ),
    setting(
        PredictSpec,
        "tta",
        "Test-time augmentation: average over flips (3x slower) or flips and rotations (d4, 7x). "
        "Steadier pixels, some more buildings.",
    ),
    setting(
        PredictSpec,
        "batch_size",
        "Windows per batch; auto: as many as keep a GPU busy and fit, 1 on a CPU.  [default: auto]",
        type=Auto(int),
        show_default=False,
    ),
    setting(PredictSpec, "device", "Device: auto (a GPU if there is one), cpu or cuda[:N]."),
    setting(
        PredictSpec,
        "runtime",
        "Library that runs the model; auto chooses by the model file and the device.",
    ),
    setting(
        PredictSpec,
        "precision",
        "Numeric precision of inference; auto is bf16 where the processor computes in it.",
    ),
)


max_memory = setting(
    PredictSpec,
    "max_memory",
    "Most memory to use, such as 2GB: windows and buffers shrink to it.  [default: no limit]",
)


def polygons(spec: type[PolygonSpec]) -> tuple[Decorator, ...]:
    """The options of how footprints are made, with the defaults of ``spec``."""
    return (
        setting(
            spec,
            "threshold",
            "Minimum probability of a building pixel, 0 to 1.",
            **MODELS,
        ),
        setting(
            spec,
            "min_area",
            "Drop footprints smaller than this: 20 or 20m2 (square metres), 40px (pixels).",
            **MODELS,
        ),
        setting(
            spec,
            "max_area",
            "Drop footprints larger than this, in the same units.  [default: none]",
        ),
        setting(
            spec,
            "min_confidence",
            "Drop footprints whose mean probability is lower, 0 to 1.  "
            "[default: from the model; 0 below its threshold]",
        ),
        *outlines(spec),
    )


def outlines(spec: type[PolygonSpec]) -> tuple[Decorator, ...]:
    """The options that shape footprints, with the defaults of ``spec``."""
    return (
        setting(
            spec,
            "open",
            "Morphological opening radius: removes parts narrower than twice this (metres, or px).",
        ),
        setting(
            spec,
            "close",
            "Morphological closing radius: fills gaps narrower than twice this (metres, or px).",
        ),
        setting(
            spec,
            "min_hole",
            "Fill holes smaller than this: 5 or 5m2 (square metres), 40px (pixels).",
        ),
        setting(
            spec,
            "simplify",
            "Simplification tolerance in metres (or px); 0 keeps all vertices.",
        ),
        setting(
            spec,
            "outline",
            "Outlines along pixel edges, or subpixel: where the probability crosses the threshold.",
        ),
        setting(
            spec,
            "regularize",
            "orthogonal: right angles where they fit the outline.",
        ),
        setting(
            spec,
            "separate",
            "Split touching buildings. auto: only if the model has a boundary or contact class; "
            "watershed: else by shape.",
        ),
        setting(
            spec,
            "connectivity",
            "Pixels that touch at corners belong together (8) or not (4).",
        ),
    )


raw = setting(
    ExtractSpec, "raw", "Traced pixels as they are: not parted, straightened or simplified."
)
# Those of `extract`, for what is scored as it makes footprints
shaping = (*outlines(ExtractSpec), raw)
