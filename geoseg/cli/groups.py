"""The groups of options in --help."""

from __future__ import annotations

from typing import Any

import click

# In the order of --help; "Options" are those of one command
GROUPS = {
    "Input": "bands nodata gsd crs pixel-coords window bounds bounds-crs aoi where labels "
    "labels-layer labels-where like truth image data split",
    "Options": "",
    "Model": "model scheduler",
    "Footprints": "",
    "Output": "output layer format dst-crs co dtype classes save-prob layers report title append "
    "resume on-error dry-run overwrite force",
    "Common": "jobs threads json config print-config verbose quiet debug help",
}
_BY_NAME = {name: group for group, names in GROUPS.items() for name in names.split()}


class GroupedOption(click.Option):
    """An option that stands under the heading ``group``."""

    def __init__(self, *arguments: Any, group: str, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.group = group


def group_of(option: click.Option, name: str) -> str:
    """Heading of an option in --help, by its own word or by its long ``name``."""
    own = getattr(option, "group", "Options")
    return _BY_NAME.get(name, own) if own == "Options" else own


def write_options(
    command: click.Command, ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    """The options of ``command``, group by group."""
    rows: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
    for option in command.get_params(ctx):
        if isinstance(option, click.Option) and (row := option.get_help_record(ctx)):
            rows[group_of(option, long_name(option))].append(row)
    for group, records in rows.items():
        if records:
            with formatter.section(group):
                formatter.write_dl(records)


def long_name(parameter: click.Parameter) -> str:
    """The long option without dashes, or the name of an argument: its name in a configuration."""
    return next(
        (name[2:] for name in parameter.opts if name.startswith("--")), parameter.name or ""
    )
