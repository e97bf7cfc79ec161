"""What every geoseg command has: its common options, and the sources of a value in their order.

Flag > ``GEOSEG_COMMAND_OPTION`` and ``GEOSEG_OPTION`` in the environment > ``--config FILE.toml`` >
the model > default.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from geoseg.cli.groups import long_name, write_options
from geoseg.errors import UsageError
from geoseg.io.config import read_toml
from geoseg.specs.toml import to_toml

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
# what --help shows as the default of a setting that the model file carries
FROM_MODEL = "from the model"
COMPLETE = "_GEOSEG_COMPLETE"  # the variable by which a shell asks for completions
interrupted = threading.Event()  # by Ctrl-C
# a command runs that may be ended at any moment; others save what they have first
hurried = threading.Event()
OUTPUTS = ("output", "save_prob", "report", "layers")  # options whose files are written
SOURCES = {
    ParameterSource.COMMANDLINE: "command line",
    ParameterSource.ENVIRONMENT: "environment",
    ParameterSource.DEFAULT_MAP: "config",
    ParameterSource.DEFAULT: "default",
}


@dataclass
class Session:
    """State of the run, the same for all commands."""

    debug: bool = False
    verbosity: int = 0
    command: click.Command | None = None  # the subcommand, once its arguments are parsed
    emitted: bool = False  # a report has been printed
    texts: list[Path] = field(default_factory=list)  # lists of scenes and the configuration read


def session() -> Session:
    """State of the running command."""
    return click.get_current_context().find_root().ensure_object(Session)


class Command(click.Command):
    """A command whose options may also come from the environment and from a configuration file."""

    def __init__(self, name: str | None, params: list[click.Parameter], **attributes: Any) -> None:
        super().__init__(name, context_settings=CONTEXT, params=[*params, *_common()], **attributes)
        for option in self.params:
            name = long_name(option).replace("-", "_").upper()
            if isinstance(option, click.Option) and name != "PRINT_CONFIG":
                option.envvar = [f"GEOSEG_{(self.name or '').upper()}_{name}", f"GEOSEG_{name}"]

    def settings(self) -> Iterator[click.Parameter]:
        """Parameters that a configuration may set."""
        return (
            parameter
            for parameter in self.params
            if long_name(parameter) not in ("config", "print-config")
        )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_options(self, ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        session().command = self
        # click refuses missing arguments while it parses, long before --print-config is looked at
        required = [p for p in self.params if p.required] if "--print-config" in args else []
        for parameter in required:  # a configuration may be looked at before there is a scene
            parameter.required = False
        try:
            return super().parse_args(ctx, args)
        finally:
            for parameter in required:
                parameter.required = True

    def invoke(self, ctx: click.Context) -> Any:
        if ctx.params.pop("print_config"):
            click.echo("\n".join(self.configuration(ctx)))
            return None
        _check_texts(ctx)
        return super().invoke(ctx)

    def configuration(self, ctx: click.Context) -> Iterator[str]:
        """The settings of a run as TOML, each with its source behind it."""
        yield f"[{self.name}]"
        model = _model(ctx)
        for parameter in self.settings():
            name = parameter.name or ""
            value = ctx.params.get(name)
            source = SOURCES[ctx.get_parameter_source(name) or ParameterSource.DEFAULT]
            if value is None and getattr(parameter, "show_default", None) == FROM_MODEL:
                value = getattr(model, name, None)
                source = "model file"
            if hasattr(parameter.type, "shown"):
                value = parameter.type.shown(value)
            if value not in (None, (), {}):
                yield f"{long_name(parameter)} = {to_toml(value)}  # {source}"


def _model(ctx: click.Context) -> Any:
    """ModelSpec of the model that a command would use, None where it uses none."""
    if "model" not in ctx.params or not any(
        getattr(p, "show_default", None) == FROM_MODEL for p in ctx.command.params
    ):
        return None
    from geoseg.models.store import bundled, read_spec

    return read_spec(ctx.params["model"] or bundled())


def command(function: Callable[..., Any]) -> Command:
    """Make a geoseg command of ``function``."""
    made: Command = click.command(cls=Command)(function)
    return made


def _common() -> list[click.Parameter]:
    hidden: dict[str, Any] = {"is_eager": True, "expose_value": False}
    texts = {
        "config": "TOML file of settings.  [default: none]",
        "verbose": "Log model, GSD, device and windows to stderr (-vv: debug log).",
        "quiet": "Print errors only.",
        "debug": "Show the traceback of an error.",
    }
    path = click.Path(path_type=Path)
    return [
        click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object."),
        click.Option(["--config"], type=path, callback=_apply, help=texts["config"], **hidden),
        click.Option(["--print-config"], is_flag=True, help="Print each setting with its source."),
        click.Option(
            ["-v", "--verbose"], count=True, callback=_verbose, help=texts["verbose"], **hidden
        ),
        click.Option(
            ["-q", "--quiet"], is_flag=True, callback=_quiet, help=texts["quiet"], **hidden
        ),
        click.Option(["--debug"], is_flag=True, callback=_debug, help=texts["debug"], **hidden),
    ]


def _verbose(_: click.Context, __: click.Parameter, count: int) -> None:
    if count:
        session().verbosity = count
        logging.basicConfig(
            level=logging.WARNING if count == 1 else logging.DEBUG, format="%(name)s: %(message)s"
        )
        logging.getLogger("geoseg").setLevel(logging.INFO if count == 1 else logging.DEBUG)
    else:
        # warnings of libraries are not for users
        logging.getLogger().addHandler(logging.NullHandler())


def _quiet(_: click.Context, __: click.Parameter, value: bool) -> None:
    if value:
        session().verbosity = -1


def _debug(_: click.Context, __: click.Parameter, value: bool) -> None:
    session().debug = value


def _apply(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Take the values of a TOML file as defaults: those at its top and those of the command's own
    table.

    A key that no command knows is an error, so that a typo does not go unnoticed.
    """
    if path is None:
        return
    content = read_toml(path)
    session().texts.append(path)
    command = ctx.command
    assert isinstance(command, Command)
    own = {long_name(p): p for p in command.settings()}
    # One file for several commands: what stands at its top is for each that knows it, a table is
    # for one command and goes before.
    #
    #     overwrite = true
    #     [extract]
    #     threshold = 0.4
    shared = {k: v for k, v in content.items() if not isinstance(v, dict)}
    table = content.get(command.name or "", {})
    for name in table if isinstance(table, dict) else ():
        _known(name, own, path)
    for name in shared:
        _known(name, own.keys() | _every_setting(ctx), path)
    for name in content.keys() - shared.keys():
        _known(name, _group(ctx).list_commands(ctx), path)
    values = {name.replace("_", "-"): value for name, value in (shared | table).items()}
    ctx.default_map = {
        p.name or "": _text(values[name], p) for name, p in own.items() if name in values
    }


def _check_texts(ctx: click.Context) -> None:
    """Raise UsageError where an output is the list of scenes, or the configuration, that was read
    here: below nobody knows of these.
    """
    if not session().texts:
        return
    from geoseg.io.atomic import check_apart

    for name in OUTPUTS:
        if output := ctx.params.get(name):
            check_apart(str(output), *session().texts)


def _known(name: str, names: Collection[str], path: Path) -> None:
    if name.replace("_", "-") not in names:
        raise UsageError(f"{path}: unknown setting {name!r}", suggestion(name, names))


def suggestion(name: str, names: Collection[str]) -> str | None:
    """``did you mean 'NAME'?`` with the nearest of ``names``; None if none is near."""
    import difflib  # slow to import

    near = difflib.get_close_matches(name.replace("_", "-"), names, n=1)
    return f"did you mean {near[0]!r}?" if near else None


def _group(ctx: click.Context) -> click.Group:
    group = ctx.find_root().command
    return group if isinstance(group, click.Group) else click.Group()


def _every_setting(ctx: click.Context) -> set[str]:
    group = _group(ctx)
    commands = [group.get_command(ctx, name) for name in group.list_commands(ctx)]
    return {
        long_name(p)
        for command in commands
        if isinstance(command, Command)
        for p in command.settings()
    }


def _text(value: Any, parameter: click.Parameter) -> Any:
    """A list for a parameter that takes one value is what one would type: joined by commas. One
    value may stand for several.
    """
    if getattr(parameter, "multiple", False):
        each = value if isinstance(value, list) else [value]
        return [_typed(one, parameter) for one in each]
    if isinstance(value, list) and parameter.nargs == 1:
        return ",".join(map(str, value))
    return _typed(value, parameter)


def _typed(value: Any, parameter: click.Parameter) -> Any:
    """A value as click takes it: dates, and floats, which may be infinite, as they are typed; so
    are numbers for a flag, and true and false for anything else, which would count as 1 and 0.
    """
    is_flag = getattr(parameter, "is_flag", False)
    if isinstance(value, bool):
        counted = getattr(parameter, "count", False)  # verbose = true is as good as 1
        return value if is_flag or counted else str(value).lower()
    return value if isinstance(value, int | str | list) and not is_flag else str(value)
