"""``geoseg``: the group of commands, and the one place where errors become exit codes."""

from __future__ import annotations

import importlib
import json
import os
import re
import select
import sys
import traceback
import warnings
from contextlib import suppress
from typing import IO

import click
from click.shell_completion import shell_complete

from geoseg import __version__
from geoseg.cli.command import COMPLETE, CONTEXT, Session, interrupted, suggestion
from geoseg.cli.failure import INTERRUPTED, TERMINATED, Failure, describe
from geoseg.cli.interrupts import say, settled, watch
from geoseg.errors import UsageError
from geoseg.io.provenance import command_text, recorded_as

# Each is geoseg/cli/NAME.py with a click command NAME; in the order of --help
COMMANDS = (
    "extract",
    "tile",
    "rasterize",
    "prepare",
    "train",
    "predict",
    "stitch",
    "polygonize",
    "evaluate",
    "tune",
    "export",
    "qgis",
    "preview",
    "serve",
    "info",
    "models",
    "doctor",
    "completion",
)

# Settings of GDAL and PROJ that another program left in the environment: they name plugins to load,
# files to read in place of ours, drivers to leave out. What a network needs stays.
_FOREIGN = re.compile("(GDAL|OGR|PROJ|CPL|GML|GTIFF|VRT|SPATIALITE|SQLITE)_")
_KEPT = re.compile(
    "GDAL_HTTP_.*|GDAL_PROXY_AUTH|GDAL_CURL_CA_BUNDLE|GDAL_NUM_THREADS|"
    "CPL_(AWS|CURL|VSIL_CURL|VSIS3|AZURE|GCE|GS)_.*|PROJ_CURL_CA_BUNDLE|OGR_CURRENT_DATE"
)

# Drivers of GDAL that run commands, or read other files and hosts than the one that they are given:
# files are looked at before GDAL opens them, and no file finds these here
_REACHING = (
    "GDALG", "OGR_VRT", "HTTP", "WFS", "OAPIF", "OGCAPI", "CSW", "NGW", "EEDA", "Carto",
    "AmigoCloud", "Elasticsearch", "PLSCENES", "ADBC", "GMLAS", "GPSBabel", "PostgreSQL", "MySQL",
    "MSSQLSpatial", "ODBC", "PDS4",
)  # fmt: skip


class Commands(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"geoseg.cli.{name}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in COMMANDS or args[0].startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        hint = suggestion(args[0], COMMANDS) or "see geoseg --help"
        raise UsageError(f"unknown command {args[0]!r}", hint)


@click.command(cls=Commands, context_settings=CONTEXT, invoke_without_command=True)
@click.version_option(__version__, prog_name="geoseg", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Extract building footprints from georeferenced imagery.

    \b
    Example:
        geoseg extract scene.tif -o buildings.gpkg
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)


def main() -> None:
    """Entry point of the ``geoseg`` command."""
    for name in ("stdout", "stderr"):  # closed by the caller: what is written goes nowhere
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    try:
        watch()
        _set_environment()
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before or after the run, which handles its own
        code = INTERRUPTED
    except SystemExit as ended:  # by SIGTERM
        code = ended.code if isinstance(ended.code, int) else 1
    if code in (INTERRUPTED, TERMINATED):
        # partial outputs are removed; the interpreter would still wait for threads at work, and
        # those of OpenVINO abort a process that ends beside them
        os._exit(code)
    settled(code)
    sys.exit(code)


def _set_environment() -> None:
    """What libraries read from the environment when they are loaded."""
    # numpy multiplies no large matrices here, and a sixth of a short command's time would go into
    # starting threads for it
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for name in os.environ.copy():
        if _FOREIGN.match(name) and not _KEPT.fullmatch(name):
            del os.environ[name]
    os.environ["OGR_SKIP"] = ",".join(_REACHING)
    os.environ["CPL_LOG"] = os.devnull  # else GDAL names those that it was built without


def run(args: list[str]) -> int:
    """Run ``geoseg ARGS``; the exit code."""
    session = Session()
    try:
        with warnings.catch_warnings(), recorded_as(command_text(args)):
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            if how := os.environ.get(COMPLETE):
                return shell_complete(cli, {"obj": session}, "geoseg", COMPLETE, how)
            with cli.make_context("geoseg", list(args), obj=session) as ctx:
                cli.invoke(ctx)
            return 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except SystemExit:
        raise
    except BaseException as raised:  # the one place: everything ends here, as one line
        if session.debug:
            traceback.print_exc()
        # what else broke on the way out is no news
        failure: BaseException = KeyboardInterrupt() if interrupted.is_set() else raised
        # `geoseg info scene.tif | head -1`: that nobody reads on is no error
        if isinstance(failure, BrokenPipeError) and _reader_is_gone():
            return 0
        return _report(describe(failure, session.command), session, "--json" in args)


def _report(failure: Failure, session: Session, as_json: bool) -> int:
    """One line on stderr and, with --json, an object on stdout unless a report stands there."""
    if as_json and not session.emitted:
        with suppress(OSError):  # stdout itself may be what failed
            click.echo(json.dumps(failure.to_dict(session.command)))
    if failure.exit != INTERRUPTED or not interrupted.is_set():
        say(str(failure))
    return failure.exit


def _reader_is_gone() -> bool:
    """Whether stdout or stderr broke (`geoseg ... | head`); what is left to write goes nowhere."""
    broken = [stream for stream in (sys.stdout, sys.stderr) if _is_broken(stream)]
    for stream in broken:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return bool(broken)


def _is_broken(stream: IO[str]) -> bool:
    poll = select.poll()
    poll.register(stream, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
