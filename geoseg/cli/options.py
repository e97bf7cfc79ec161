"""Options that commands share, the specs they build, and how a report is shown."""

from __future__ import annotations

import functools
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import click

from geoseg.cli.bar import Bar
from geoseg.cli.command import Command, Session, apply_config
from geoseg.errors import GeosegError
from geoseg.io.scenes import expand
from geoseg.specs import Quantity
from geoseg.tools.report import Progress, Report, no_progress

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
COMMON = ("command", "inputs", "outputs", "seconds", "warnings", "version")


# Values


class Text(click.ParamType):
    """A value that ``parse`` makes of what was typed; a GeosegError or ValueError in it is a usage error."""

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


QUANTITY = Text("quantity", Quantity.parse)
BANDS = Text("bands", numbers)
FRACTIONS = Text("fractions", fractions)
FILE = click.Path(path_type=Path)


# What every command takes


def command(function: Callable[..., Any]) -> Command:
    """Make a click command of ``function``, with the options that all commands have."""
    for decorate in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text."),
        click.option("--config", type=FILE, is_eager=True, expose_value=False, callback=apply_config, help="TOML file."),
        click.option("--print-config", is_flag=True, help="Show each setting and its source, and stop."),
        click.option("-v", "--verbose", count=True, expose_value=False, is_eager=True, callback=_verbose, help="Say more."),
        click.option("-q", "--quiet", is_flag=True, expose_value=False, is_eager=True, callback=_quiet, help="Errors alone."),
        click.option("--debug", is_flag=True, expose_value=False, is_eager=True, callback=_debug, help="Show tracebacks."),
    )[::-1]:
        function = decorate(function)
    made: Command = click.command(cls=Command)(function)
    return made


def session() -> Session:
    """The run's settings, from whichever command is running."""
    return click.get_current_context().find_root().ensure_object(Session)


def _verbose(_: click.Context, __: click.Parameter, count: int) -> None:
    if count:
        session().verbosity = count
        logging.basicConfig(level=logging.INFO if count == 1 else logging.DEBUG, format="%(name)s: %(message)s")
    else:
        logging.getLogger().addHandler(logging.NullHandler())  # libraries' own remarks are not results


def _quiet(_: click.Context, __: click.Parameter, value: bool) -> None:
    if value:
        session().verbosity = -1


def _debug(_: click.Context, __: click.Parameter, value: bool) -> None:
    session().debug = value


# Single options


def _scenes(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    return expand(names)


scenes = click.argument("scenes", nargs=-1, required=True, metavar="SCENE...", callback=_scenes)
output = click.option("-o", "--output", type=FILE, required=True, help="What to write.")
overwrite = click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
creation_options = click.option(
    "--co", "creation_options", multiple=True, metavar="NAME=VALUE", callback=_pairs, help="Raster creation option."
)
bands = click.option("-b", "--bands", type=BANDS, metavar="LIST", help="Bands from 1: 3,2,1 or 1-3.  [default: all but alpha]")
jobs = click.option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
model = click.option("-m", "--model", type=FILE, help="Model file.  [default: the bundled one]")
layer = click.option("--layer", help="Name of the vector layer.")
vector_format = click.option("-f", "--format", metavar="EXT", help="Vector format.  [default: from the extension]")
dst_crs = click.option("--dst-crs", metavar="CRS", help="CRS of the footprints.  [default: the raster's]")
crs = click.option("--crs", metavar="CRS", help="CRS to assign to a picture that has none.")
pixel_coords = click.option("--pixel-coords", is_flag=True, help="Take a picture without a CRS in pixel coordinates.")


# Specs


def setting(spec: type, name: str, help: str, *flags: str, **attributes: Any) -> Decorator:
    """Option ``--name`` for field ``name`` of ``spec``, which also gives its default."""
    field: Field[Any] = next(f for f in fields(spec) if f.name == name)
    default = None if field.default is MISSING else field.default
    if "type" not in attributes and not attributes.get("is_flag"):
        attributes["type"] = QUANTITY if isinstance(default, Quantity) else type(default)
    shown = f"{default.value:g}" if isinstance(default, Quantity) else None
    attributes.setdefault("show_default", shown or default is not None)
    return click.option(*flags, f"--{name.replace('_', '-')}", name, default=default, help=help, **attributes)


def gather(name: str, spec: type, *options: Decorator) -> Decorator:
    """The command takes ``options`` and hands its function one ``spec`` under ``name`` instead of them."""
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


# What is shown


def progress() -> Progress:
    """A bar a stage on a terminal's stderr, nothing elsewhere or with --quiet."""
    return Bar if sys.stderr.isatty() and session().verbosity >= 0 else no_progress


def emit(report: Report, as_json: bool) -> None:
    """Warnings to stderr; the report to stdout, as text or as one JSON object."""
    quiet = session().verbosity < 0
    for warning in () if quiet else report.warnings:
        click.echo(f"Warning: {warning}", err=True)
    content = report.to_dict()
    if as_json:
        click.echo(json.dumps(content, allow_nan=False))
    elif not quiet:
        own = {name: value for name, value in content.items() if name not in COMMON}
        text = "\n".join([*report.outputs, *lines(own), f"{report.seconds:.1f} s"])
        click.echo(text.encode("utf-8", "replace").decode("utf-8"))


def lines(content: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """``name  value`` for each value that is there, nested mappings indented."""
    shown = {name.replace("_", " "): value for name, value in content.items() if value not in (None, [], {}, "")}
    width = max((len(name) for name, value in shown.items() if not isinstance(value, dict)), default=0)
    for name, value in shown.items():
        if isinstance(value, dict):
            yield f"{indent}{name}"
            yield from lines(value, indent + "  ")
        elif isinstance(value, list) and isinstance(value[0], dict):
            yield f"{indent}{name}"
            yield from (indent + "  " + row for row in table(value))
        else:
            yield f"{indent}{name:<{width}}  {_shown(value)}"


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Rows under their column names; numbers to the right."""
    cells = [[*rows[0]], *([_shown(value) for value in row.values()] for row in rows)]
    numeric = [isinstance(value, int | float) for value in rows[0].values()]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    for row in cells:
        padded = (c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric, strict=True))
        yield "  ".join(padded).rstrip()


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".") if abs(value) >= 0.01 or value == 0 else f"{value:.3g}"
    return ", ".join(_shown(item) for item in value) if isinstance(value, list) else "" if value is None else str(value)
