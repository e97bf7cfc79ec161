"""How a report and progress are shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click

from geoseg.cli.bar import Bar
from geoseg.cli.command import interrupted, session
from geoseg.cli.failure import describe, with_flags
from geoseg.core.text import format_value
from geoseg.errors import GeosegError, clean
from geoseg.report import Advance, Label, Progress, Report, no_progress

COMMON = ("command", "inputs", "outputs", "seconds", "warnings", "version")


def progress() -> Progress:
    """A bar for each stage on a terminal's stderr, nothing elsewhere or with --quiet."""
    return Stages(Bar if sys.stderr.isatty() and session().verbosity >= 0 else no_progress)


@dataclass(frozen=True)
class Stages:
    """Progress that ends the work after Ctrl-C: Python interrupts the main thread alone, and that
    one waits for the others.
    """

    shown: Progress

    def __call__(self, stage: Label, total: int) -> Advance:
        advance = self.shown(stage, total)

        def step(count: int) -> None:
            if interrupted.is_set():
                raise KeyboardInterrupt
            advance(count)

        return step


def emit(
    report: Report,
    as_json: bool,
    brief: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    error: GeosegError | None = None,
) -> None:
    """Warnings to stderr; the report to stdout, as one JSON object or as the text that ``brief``
    leaves of it.

    An ``error`` is raised afterwards; the object has it too.
    """
    command = click.get_current_context().command
    quiet = session().verbosity < 0
    content = report.to_dict()
    content["warnings"] = [clean(with_flags(warning, command)) for warning in report.warnings]
    for warning in () if quiet else content["warnings"]:
        click.echo(f"Warning: {warning}", err=True)
    if as_json:
        details = describe(error, command).to_dict(command) if error else {}
        click.echo(json.dumps(content | details, allow_nan=False))
        session().emitted = True
    elif not quiet:
        own = {name: value for name, value in brief(content).items() if name not in COMMON}
        text = "\n".join(
            [*(f"wrote {path}" for path in report.outputs), *lines(own), f"{report.seconds:.1f} s"]
        )
        click.echo(text.encode("utf-8", "replace").decode("utf-8"))
    if error:
        raise error


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
