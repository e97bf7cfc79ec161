"""``geoseg``: the group of commands, and the one place where errors become exit codes."""

from __future__ import annotations

import importlib
import os
import re
import select
import signal
import sys
import traceback
import warnings
from types import FrameType

import click
from click.shell_completion import shell_complete

from geoseg import __version__
from geoseg.cli.command import CONTEXT, Session
from geoseg.errors import GeosegError

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
    "preview",
    "info",
    "models",
    "doctor",
)
# What `pip install geoseg[...]` brings each of these packages
EXTRAS = {
    "torch": "train",
    "torchvision": "train",
    "segmentation_models_pytorch": "train",
    "lightning": "train",
    "torchmetrics": "train",
    "safetensors": "train",
    "onnx": "train",
    "onnxscript": "export",
    "onnxruntime": "dev",
    "gradio": "web",
    "dask": "dask",
    "distributed": "dask",
}
COMPLETE = "_GEOSEG_COMPLETE"
ISSUES = "run it again with --debug and report what it prints"


class Commands(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"geoseg.cli.{name}"), name)
        return command


@click.command(cls=Commands, context_settings=CONTEXT, invoke_without_command=True)
@click.version_option(__version__, prog_name="geoseg", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Buildings out of georeferenced imagery.

    \b
    Example:
        geoseg extract scene.tif -o buildings.gpkg
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)


def main() -> None:
    """Entry point of the ``geoseg`` command."""
    signal.signal(signal.SIGTERM, _terminate)
    # numpy multiplies no large matrices here, and a sixth of a short command's time would go into
    # starting threads for it
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(run(sys.argv[1:]))


def run(args: list[str]) -> int:
    """Run ``geoseg ARGS``; the exit code."""
    session = Session()
    try:
        with warnings.catch_warnings():
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
    except BaseException as error:  # the one place: everything ends here, as one line
        if session.debug:
            traceback.print_exc()
        return _report(error)


def _report(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return _say("interrupted", 130)
    if isinstance(error, GeosegError):
        return _say(str(error), error.exit_code)
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "geoseg"
        return _say(f"{error.format_message().rstrip('.')} (see {command} --help)", 2)
    if (
        isinstance(error, ModuleNotFoundError)
        and (package := (error.name or "").split(".")[0]) in EXTRAS
    ):
        return _say(
            f"this needs {package}, which is not installed (pip install "
            f"'geoseg[{EXTRAS[package]}]')",
            7,
        )
    if isinstance(error, MemoryError):
        return _say("out of memory (a smaller --tile-size or --jobs needs less)", 7)
    if isinstance(error, BrokenPipeError) and _reader_is_gone():
        return 0
    return _say(f"{type(error).__name__}: {error}: this is a bug in geoseg ({ISSUES})", 1)


def _say(message: str, code: int) -> int:
    """One line on stderr, free of control characters that a file name may hold, over a progress bar
    that stands there.
    """
    start = "\r\x1b[K" if sys.stderr.isatty() else ""
    click.echo(
        start + "Error: " + re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+", " ", message), err=True
    )
    return code


def _reader_is_gone() -> bool:
    """Whether it is stdout that broke (`geoseg ... | head`); what is left to write then goes
    nowhere.
    """
    poll = select.poll()
    poll.register(sys.stdout, 0)
    if gone := any(event & select.POLLERR for _, event in poll.poll(0)):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return gone


def _terminate(number: int, frame: FrameType | None) -> None:
    """SIGTERM unwinds the stack, so that partial outputs are removed."""
    raise SystemExit(128 + number)
