"""Any error as it is shown: one line on stderr, an object of its own with --json."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from geoseg import __version__
from geoseg.cli.groups import long_name
from geoseg.errors import (
    HINT,
    MESSAGE,
    GeosegError,
    OutOfMemoryError,
    PartialError,
    ResourceError,
    SettingError,
    clean,
)
from geoseg.io.packages import how_to_install

# A disk without room, for all or for this user
_FULL = (errno.ENOSPC, errno.EDQUOT)
INTERRUPTED = 130
TERMINATED = 143
BUG = "run it again with --debug and report what it prints"


@dataclass(frozen=True)
class Failure:
    """``file`` is the input or output that the error is about, None where it is about none."""

    exit: int
    file: str | None
    message: str
    hint: str | None

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def to_dict(self, command: click.Command | None) -> dict[str, Any]:
        """The JSON object of a command that failed."""
        name = command.name if command else None
        return {"command": name, "version": __version__, "error": self.__dict__}


def describe(error: BaseException, command: click.Command | None) -> Failure:
    """Exit code, message and hint of any error, with settings shown as options of ``command``."""
    code, message, hint = _describe(error, command)
    # Below the command line settings are known as fields, in backquotes; here they become options:
    #
    #     "a.gpkg: exists already (use `overwrite` to replace it)"     of a tool
    #     "a.gpkg: exists already (use --overwrite to replace it)"     of geoseg extract
    #
    # Words in backquotes that are no option of the command (`geoseg info`) stay as they are.
    message = clean(with_flags(message, command), MESSAGE)
    hint = clean(with_flags(hint or "", command), HINT)
    return Failure(code, _file(error), message, hint or None)


def _describe(error: BaseException, command: click.Command | None) -> tuple[int, str, str | None]:
    from geoseg.parallel.memory import ran_out

    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted", None
    own = isinstance(error, ResourceError) and not isinstance(error, OutOfMemoryError)
    if isinstance(error, OutOfMemoryError) or (ran_out(error) and not own):
        return 7, "out of memory", _what_needs_less(command)
    if isinstance(error, SettingError):
        return error.exit_code, f"{flag_of(error.field, command)}: {error.reason}", error.hint
    if isinstance(error, GeosegError):
        return error.exit_code, error.message, error.hint
    if isinstance(error, OSError) and error.errno in _FULL:
        # files that are written are named where they are; without a name it is stdout
        return 6, f"{error.filename or 'standard output'}: {error.strerror}", "free some space"
    if isinstance(error, click.UsageError):
        name = error.ctx.command_path if error.ctx else "geoseg"
        return 2, error.format_message().rstrip("."), f"see {name} --help"
    if isinstance(error, ModuleNotFoundError) and (install := how_to_install(error.name or "")):
        package = (error.name or "").split(".")[0]
        return 7, f"this needs {package}, which is not installed", install
    if isinstance(error, RuntimeError) and "operator torchvision::" in str(error):
        # the CPU build of one with the CUDA build of the other
        return (
            7,
            "torch and torchvision are of different builds",
            "install both in one command, from one index",
        )
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        # of an input, which every way of asking whether it is there raises; outputs are checked
        return 3, f"{error.filename}: its name is too long", None
    return 1, f"{type(error).__name__}: {error}: this is a bug in geoseg", BUG


def _what_needs_less(command: click.Command | None) -> str:
    """The options of ``command`` that memory depends on."""
    fields = ("max_memory", "tile_size", "batch_size", "strip_pixels", "jobs", "workers", "window")
    there = [f"`{field}`" for field in fields if field in _flags(command)]
    return (
        f"less is needed with a smaller {' or '.join(there)}" if there else "close other programs"
    )


def _file(error: BaseException) -> str | None:
    """The file at the start of a message such as ``a.tif: does not exist``."""
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return str(error.filename)
    if not isinstance(error, GeosegError) or isinstance(error, SettingError):
        return None
    name, colon, _ = error.message.partition(": ")
    try:
        there = bool(Path(name).suffix) or Path(name).exists()
    except OSError:  # a name that is too long
        there = True
    return name if colon and there else None


def flag_of(field: str, command: click.Command | None) -> str:
    """``--min-area`` for ``min_area``; the field itself where ``command`` has no such option."""
    return _flags(command).get(field, field)


def with_flags(text: str, command: click.Command | None) -> str:
    """``text`` with the settings that stand in it in backquotes as options of ``command``."""
    flags = _flags(command)
    return re.sub(r"`([a-z][a-z0-9_]*)`", lambda name: flags.get(name[1], name[0]), text)


def _flags(command: click.Command | None) -> dict[str, str]:
    options = [p for p in command.params if isinstance(p, click.Option)] if command else []
    return {
        name: f"--{long_name(option)}"
        for option in options
        for name in (long_name(option).replace("-", "_"), option.name or "")
    }


def some_failed(failed: Mapping[str, str], scenes: int) -> PartialError | None:
    """The error of a job over so many ``scenes`` of which some ``failed``, each for its reason;
    None where none did. Reasons that its line has no room for are written as warnings.
    """
    if not failed:
        return None
    # each by name, for one line has no room for twenty
    if len(failed) > 1:
        for reason in failed.values():
            click.echo(f"Warning: {clean(reason)}", err=True)
    first = next(iter(failed.values()))
    more = "; the others above" if len(failed) > 1 else ""
    return PartialError(
        f"{len(failed)} of {scenes} scenes failed: {first}{more}", "what is not named is done"
    )
