"""Bring the `--help` blocks of docs/cli.md up to date: python docs/generate_cli.py"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from geoseg.cli.command import CONTEXT
from geoseg.cli.main import COMMANDS, cli

SETTINGS: dict[str, Any] = CONTEXT | {"terminal_width": 78}
PAGE = Path(__file__).with_name("cli.md")
BLOCK = re.compile(r"```console\n\$ geoseg (?:(\w+) )?--help\n.*?```", re.DOTALL)


def help_of(name: str | None) -> str:
    """What `geoseg NAME --help` prints where there is no terminal, without spaces at line ends."""
    root = click.Context(cli, info_name="geoseg", **SETTINGS)
    command = cli.get_command(root, name) if name else cli
    assert command is not None, name
    context = click.Context(command, parent=root, info_name=name, **SETTINGS) if name else root
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


def block(name: str | None) -> str:
    call = f"$ geoseg {name} --help" if name else "$ geoseg --help"
    return f"```console\n{call}\n{help_of(name)}\n```"


def refreshed(text: str) -> str:
    """``text`` with every block current and a section for each command that had none."""
    shown = {match[1] for match in BLOCK.finditer(text)}
    known = BLOCK.sub(lambda match: block(match[1]) if match[1] in (None, *COMMANDS) else "", text)
    return (
        known.rstrip()
        + "".join(f"\n\n## {name}\n\n{block(name)}" for name in COMMANDS if name not in shown)
        + "\n"
    )


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text("utf-8")), "utf-8")
