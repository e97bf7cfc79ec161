"""``geoseg completion``."""

from __future__ import annotations

from dataclasses import dataclass

import click
from click.shell_completion import get_completion_class

from geoseg.cli import options
from geoseg.cli.command import COMPLETE, command
from geoseg.report import Report


@dataclass(frozen=True, kw_only=True)
class CompletionReport(Report):
    """``script`` is to be evaluated by the shell."""

    script: str


@command
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str, as_json: bool) -> None:
    """Print the script that completes commands in a shell.

    \b
    Example:
        geoseg completion bash >> ~/.bashrc
    """
    kind = get_completion_class(shell)
    assert kind is not None
    root = click.get_current_context().find_root().command
    script = kind(root, {}, "geoseg", COMPLETE).source()
    if as_json:
        options.emit(CompletionReport(command="completion", script=script), as_json)
    else:
        click.echo(script)
