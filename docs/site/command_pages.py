"""A page a command, made from the command itself."""

from __future__ import annotations

import html
import inspect
import json
import re
from pathlib import Path
from typing import Any

import click

from geoseg.cli.command import CONTEXT
from geoseg.cli.groups import GROUPS, group_of, long_name
from geoseg.cli.main import cli

SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"
COMMON = ("command", "version", "inputs", "outputs", "seconds", "warnings")


def summary(name: str) -> str:
    """The first sentence of a command's help."""
    root = click.Context(cli, info_name="geoseg")
    command = cli.get_command(root, name)
    assert command is not None, name
    return _cell(command.get_short_help_str(200))


def page(name: str, in_library: bool) -> str:
    """Markdown of what ``geoseg NAME --help`` says, with the keys of its ``--json``."""
    settings: dict[str, Any] = CONTEXT
    root = click.Context(cli, info_name="geoseg", **settings)
    command = cli.get_command(root, name)
    assert command is not None, name
    context = click.Context(command, parent=root, info_name=name, **settings)
    usage = f"```text\n{_usage(context)}\n```"
    parts = [f"# {name}", usage, *_description(command.help or "")]
    for group, rows in _options(command, context).items():
        table = "".join(f"| {option} | {text} |\n" for option, text in rows)
        parts.append(f"## {group}\n\n| option | |\n| --- | --- |\n{table}")
    upper = name.upper()
    parts.append(
        f"Each option is also a setting of the environment (`GEOSEG_{upper}_OPTION`) and of "
        f"`--config` files (`[{name}]`): see [conventions](../cli.md#where-a-setting-comes-from)."
    )
    parts.append(_json(name))
    if in_library:
        parts.append(f"From Python: [`geoseg.{name}`](../reference/{name}.md).")
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _usage(context: click.Context) -> str:
    return f"{context.command_path} {' '.join(context.command.collect_usage_pieces(context))}"


def _description(text: str) -> list[str]:
    """Paragraphs of a help text; those that keep their lines (\\b) are examples."""
    parts = []
    for paragraph in re.split(r"\n[ \t]*\n", inspect.cleandoc(text)):
        if not paragraph.startswith("\b"):
            parts.append(_escape(" ".join(paragraph.split())))
            continue
        lines = [line.strip() for line in paragraph.splitlines()[1:]]
        commands = [line for line in lines if line.startswith("geoseg ")]
        parts += [_escape(line) for line in lines if line not in commands]
        parts += ["```bash\n" + "\n".join(commands) + "\n```"] if commands else []
    return parts


def _options(command: click.Command, context: click.Context) -> dict[str, list[tuple[str, str]]]:
    """Rows of option and description by the group they have in ``--help``."""
    groups: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
    for option in command.get_params(context):
        if isinstance(option, click.Option) and (row := option.get_help_record(context)):
            spelling = _escape(" ".join(row[0].split())).replace("|", "&#124;")
            cell = f"<code>{spelling}</code>"
            groups[group_of(option, long_name(option))].append((cell, _cell(row[1])))
    return {group: rows for group, rows in groups.items() if rows}


def _json(name: str) -> str:
    """The keys of the object that ``--json`` prints, beside those of all commands."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
    reports = schema.get("anyOf") or [schema]
    keys = {key: None for report in reports for key in report.get("properties", {})}
    own = ", ".join(f"`{key}`" for key in keys if key not in COMMON)
    return (
        f"## JSON\n\n`--json` prints the [common keys](../cli.md#what-holds-for-every-command) and "
        f"{own or 'no others'}: [schema](../schemas/{name}.json)."
    )


def _escape(text: str) -> str:
    return (
        html.escape(text, quote=False)
        .replace("*", "&#42;")
        .replace("_", "&#95;")
        .replace("[", "&#91;")
    )


def _cell(text: str) -> str:
    """Text within a row of a table; code stays code."""
    pieces = re.split(r"(`[^`]*`)", " ".join(text.split()))
    shown = (piece if piece.startswith("`") else _escape(piece) for piece in pieces)
    return "".join(shown).replace("|", "&#124;")
