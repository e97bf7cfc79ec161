"""What is stored with an output: the version and command that made it, and its source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from geoseg import __version__
from geoseg.io.scene_names import redact_url

_COMMAND: ContextVar[str] = ContextVar("command", default="geoseg (Python)")


@contextmanager
def recorded_as(command: str) -> Iterator[None]:
    """Outputs made within are recorded as made by ``command``, such as ``geoseg.extract(...)``."""
    token = _COMMAND.set(command)
    try:
        yield
    finally:
        _COMMAND.reset(token)


def command_text(arguments: Sequence[str]) -> str:
    """The command line ``geoseg ARGUMENTS``, without the secrets of an address."""
    return " ".join(["geoseg", *map(redact_url, arguments)])


def provenance(source: Path | str) -> dict[str, str]:
    """Tags of an output: the version, the command that made it, and its source.

    No user, password or signature of an address is among them.
    """
    return {
        "GEOSEG_VERSION": __version__,
        "GEOSEG_COMMAND": _COMMAND.get(),
        "GEOSEG_SOURCE": redact_url(str(source)),
    }
