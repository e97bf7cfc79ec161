"""Options that commands share, the specs they build, and how a report is shown."""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import click

from geoseg.cli.bar import Bar
from geoseg.cli.command import FROM_MODEL, session
from geoseg.core.text import format_value
from geoseg.errors import GeosegError
from geoseg.io.scene_names import expand
from geoseg.report import Progress, Report, no_progress
from geoseg.specs import PixelReference, PolygonSpec, PredictSpec, Quantity, VectorTarget
from geoseg.specs.toml import to_cli_text

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
COMMON = ("command", "inputs", "outputs", "seconds", "warnings", "version")


# Values


class Text(click.ParamType):
    """A value that ``parse`` makes of what was typed; a GeosegError or ValueError in it is a usage
    error.
    """

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name, self.parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str | int | float):
            return value
        try:
            return self.parse(str(value))
        except (GeosegError, ValueError) as error:
            self.fail(str(error), param, ctx)


def numbers(text: str) -> tuple[int, ...]:
    """``"3,2,1"`` or ``"1-3"`` -> band numbers from 1."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([1-9]\d*)(?:\s*-\s*([1-9]\d*))?\s*", part)
        if not match or (match[2] and int(match[2]) < int(match[1])):
            raise ValueError(f"{text!r} is no list of band numbers such as 3,2,1 or 1-4")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(found)


def fractions(text: str) -> tuple[float, ...]:
    """``"0.8,0.1,0.1"`` -> floats."""
    return tuple(float(part) for part in text.split(","))


def _pairs(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    for value in values:
        if not re.match(r"[^=]+=", value):
            raise click.BadParameter(f"{value!r} is not NAME=VALUE", param=parameter)
    return dict(value.split("=", 1) for value in values)


def network(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, Any], ...]:
    """``decoder_channels=128,64,32`` -> name and value: a number, a list of numbers, or text."""
    pairs = _pairs(context, parameter, values).items()
    return tuple(
        (name, [_number(v) for v in text.split(",")] if "," in text else _number(text))
        for name, text in pairs
    )


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def commas(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Values given one by one or in lists with commas."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def batch(text: str) -> int:
    """``auto`` or a number of windows."""
    return PredictSpec().batch_size if text == "auto" else int(text)


def limits(
    _: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, float]:
    """``f1=0.7`` -> lowest value of a metric."""
    try:
        return {name: float(value) for name, value in _pairs(_, parameter, values).items()}
    except ValueError as error:
        raise click.BadParameter("is METRIC=NUMBER", param=parameter) from error


def _model(name: str) -> Path:
    from geoseg.models.store import model_path

    return model_path(name)


QUANTITY = Text("quantity", Quantity.parse)
BANDS = Text("bands", numbers)
FRACTIONS = Text("fractions", fractions)
FILE = click.Path(path_type=Path)
MODEL = Text("model", _model)
OPEN_UNIT = click.FloatRange(0, 1, min_open=True, max_open=True)


# Single options


def _scenes(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    return expand(names)


scenes = click.argument("scenes", nargs=-1, required=True, metavar="SCENE...", callback=_scenes)
chips = click.argument("chips", nargs=-1, required=True, metavar="CHIPS...", callback=_scenes)
output = click.option("-o", "--output", type=FILE, required=True, help="What to write.")
overwrite = click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
creation_options = click.option(
    "--co",
    "creation_options",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_pairs,
    help="Raster creation option.",
)
bands = click.option(
    "-b",
    "--bands",
    type=BANDS,
    metavar="LIST",
    help="Bands from 1: 3,2,1 or 1-3.  [default: all but alpha]",
)
jobs = click.option(
    "-j", "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes."
)
model = click.option("-m", "--model", type=MODEL, help="Model file.  [default: the bundled one]")
aoi = click.option("--aoi", type=FILE, help="Polygons of the area of interest.")
layer = click.option("--layer", help="Name of the vector layer.")
vector_format = click.option(
    "-f", "--format", metavar="EXT", help="Vector format.  [default: from the extension]"
)
dst_crs = click.option(
    "--dst-crs", metavar="CRS", help="CRS of the footprints.  [default: the raster's]"
)
crs = click.option("--crs", metavar="CRS", help="CRS to assign to a picture that has none.")
pixel_coords = click.option(
    "--pixel-coords", is_flag=True, help="Take a picture without a CRS in pixel coordinates."
)
on_error = click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What to do when a scene fails.",
)


# Specs


def setting(spec: type, name: str, help: str, *flags: str, **attributes: Any) -> Decorator:
    """Option ``--name`` for field ``name`` of ``spec``, which also gives its default."""
    field: Field[Any] = next(f for f in fields(spec) if f.name == name)
    default = None if field.default is MISSING else field.default
    if not attributes.get("is_flag"):
        attributes.setdefault("type", QUANTITY if isinstance(default, Quantity) else type(default))
        attributes.setdefault("show_default", default is not None)
    return click.option(
        *flags,
        f"--{name.replace('_', '-')}",
        name,
        default=to_cli_text(default),
        help=help,
        **attributes,
    )


def spec_options(name: str, spec: type, *options: Decorator) -> Decorator:
    """The command takes ``options`` and hands its function one ``spec`` under ``name`` instead of
    them.
    """
    names = {field.name for field in fields(spec)}

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def gathered(*args: Any, **values: Any) -> Any:
            own = {key: values.pop(key) for key in names & values.keys()}
            return function(*args, **{name: spec(**own)}, **values)

        made: Callable[..., Any] = gathered
        for option in reversed(options):
            made = option(made)
        return made

    return decorate


MODELS = {"show_default": FROM_MODEL}
reference = spec_options("reference", PixelReference, crs, pixel_coords)
vector_target = spec_options(
    "target", VectorTarget, output, layer, vector_format, dst_crs, overwrite
)
inference = (
    setting(
        PredictSpec,
        "tile_size",
        "Pixels a side of the windows.  [default: the runtime's]",
        type=int,
    ),
    setting(
        PredictSpec,
        "overlap",
        "Pixels shared by neighbouring windows.  [default: an eighth]",
        type=int,
    ),
    setting(
        PredictSpec,
        "tta",
        "Average over flipped and turned windows.",
        type=click.Choice(["none", "flips", "d4"]),
    ),
    setting(PredictSpec, "batch_size", "Windows at a time.", type=Text("auto|n", batch)),
    setting(PredictSpec, "device", "auto, cpu or cuda[:N]."),
    setting(
        PredictSpec,
        "runtime",
        "What runs the model.",
        type=click.Choice(["auto", "torch", "openvino", "onnx"]),
    ),
    setting(
        PredictSpec,
        "precision",
        "Precision of the arithmetic.",
        type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
    ),
)
polygons = (
    setting(
        PolygonSpec,
        "threshold",
        "Probability from which a pixel is building.",
        type=float,
        **MODELS,
    ),
    setting(PolygonSpec, "open", "Remove what is narrower than twice this radius."),
    setting(PolygonSpec, "close", "Fill gaps narrower than twice this radius."),
    setting(PolygonSpec, "min_area", "Leave out smaller footprints.", type=QUANTITY, **MODELS),
    setting(PolygonSpec, "min_hole", "Fill smaller holes."),
    setting(PolygonSpec, "simplify", "Move no edge by more than this."),
    setting(
        PolygonSpec,
        "outline",
        "Along pixels, or finer, where the probability crosses the threshold.",
        type=click.Choice(["pixel", "subpixel"]),
    ),
    setting(
        PolygonSpec,
        "regularize",
        "Give buildings right angles.",
        type=click.Choice(["none", "orthogonal"]),
    ),
    setting(
        PolygonSpec,
        "separate",
        "Part buildings that touch; auto does where a class boundary or contact tells how.",
        type=click.Choice(["auto", "none", "watershed"]),
    ),
    setting(PolygonSpec, "connectivity", "Neighbours of a pixel.", type=Text("4|8", int)),
)


# What is shown


def progress() -> Progress:
    """A bar a stage on a terminal's stderr, nothing elsewhere or with --quiet."""
    return Bar if sys.stderr.isatty() and session().verbosity >= 0 else no_progress


def emit(
    report: Report, as_json: bool, brief: Callable[[dict[str, Any]], dict[str, Any]] = dict
) -> None:
    """Warnings to stderr; the report to stdout, as one JSON object or as text: what ``brief``
    leaves of it.
    """
    quiet = session().verbosity < 0
    for warning in () if quiet else report.warnings:
        click.echo(f"Warning: {warning}", err=True)
    content = report.to_dict()
    if as_json:
        click.echo(json.dumps(content, allow_nan=False))
    elif not quiet:
        own = {name: value for name, value in brief(content).items() if name not in COMMON}
        text = "\n".join(
            [*(f"wrote {path}" for path in report.outputs), *lines(own), f"{report.seconds:.1f} s"]
        )
        click.echo(text.encode("utf-8", "replace").decode("utf-8"))


def lines(content: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """``name  value`` for each value that is there, nested mappings indented."""
    there = {
        name.replace("_", " "): value
        for name, value in content.items()
        if value not in (None, [], {}, "")
    }
    width = max(
        (len(name) for name, value in there.items() if not isinstance(value, dict)), default=0
    )
    for name, value in there.items():
        if isinstance(value, dict) and all(isinstance(row, dict) for row in value.values()):
            value = [{"": str(row), **cells} for row, cells in value.items()]
        if isinstance(value, dict):
            yield f"{indent}{name}"
            yield from lines(value, indent + "  ")
        elif isinstance(value, list) and isinstance(value[0], dict):
            yield f"{indent}{name}"
            yield from (indent + "  " + row for row in table(value))
        else:
            yield f"{indent}{name:<{width}}  {format_value(value)}"


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Rows under their column names, numbers to the right; what a row lacks stays blank."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    for_columns = [[row.get(name) for row in rows] for name in columns]
    cells = [
        [name.replace("_", " "), *map(format_value, values)]
        for name, values in zip(columns, for_columns, strict=True)
    ]
    numeric = [any(isinstance(value, int | float) for value in values) for values in for_columns]
    widths = [max(map(len, column)) for column in cells]
    for row in zip(*cells, strict=True):
        padded = (
            c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric, strict=True)
        )
        yield "  ".join(padded).rstrip()
