"""What docstrings of the library say of a setting is what ``--help`` says of its option.

The texts stand twice, so that editors, which read the source, show them too; this keeps them one.
"""

from __future__ import annotations

import inspect
import re

import click
import pytest

import geoseg
from geoseg.cli.main import cli
from tests.api.test_api import RENAMED, SHELL, VERBS

# Texts of the library alone: what is returned without an output, and where a command would exit
OWN = {"output", "fail_under", "on_error", "creation_options", "option", "labels", "kind"}


def in_python(text: str) -> str:
    """Help as Python's words: options by their names, code between two backquotes."""
    return re.sub(
        r"`([^`]+)`|--([a-z][a-z-]*)",
        lambda match: f"``{match[1] or match[2].replace('-', '_')}``",
        text,
    )


def helps(verb: str) -> dict[str, str]:
    """The help of each option of a command, with its default, by its name in Python."""
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    context = click.Context(command)
    found = {}
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if not isinstance(parameter, click.Option) or parameter.name in SHELL or record is None:
            continue
        flags = [flag[2:].replace("-", "_") for flag in parameter.opts if flag.startswith("--")]
        default = re.search(r"default: ([^;\]]*)", record[1])
        text = " ".join((parameter.help or "").split())
        if isinstance(parameter.type, click.Choice):
            words, mark, rest = text.partition(" [default:")
            text = f"{words} One of {', '.join(map(str, parameter.type.choices))}.{mark}{rest}"
        if default and "[default:" not in text:
            text += f" [default: {default[1].strip('()')}]"
        found[RENAMED.get(flags[0], flags[0])] = in_python(text)
    return found


def described(verb: str) -> dict[str, str]:
    """What the docstring says of each parameter."""
    text = inspect.cleandoc(getattr(geoseg, verb).__doc__ or "")
    section = text.partition("Parameters\n----------\n")[2].partition("\n\nReturns\n")[0]
    entries = re.findall(r"^(\w+)\n((?: {4}.*\n?)+)", section, re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in entries}


@pytest.mark.parametrize("verb", VERBS)
def test_docstrings_say_what_help_says(verb: str) -> None:
    wanted = {name: text for name, text in helps(verb).items() if name not in OWN}
    docs = described(verb)
    assert {name: docs[name] for name in wanted} == wanted


def test_help_in_pythons_words() -> None:
    assert in_python("CRS of --bounds-crs, see `geoseg info --layer`; as --where") == (
        "CRS of ``bounds_crs``, see ``geoseg info --layer``; as ``where``"
    )
