"""What is stored with an output: the version and command that made it, and its source."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from geoseg import __version__
from geoseg.io.scene_names import as_text, redact_url

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


def command_now() -> str:
    """The command that is recorded in outputs made now."""
    return _COMMAND.get()


def time_now() -> str:
    """The time that outputs are stamped with, as GeoPackages have it: now, or what the environment
    fixes by ``OGR_CURRENT_DATE`` or ``SOURCE_DATE_EPOCH``, so that the same work gives the same
    bytes.
    """
    if fixed := os.environ.get("OGR_CURRENT_DATE"):
        return fixed
    return moment().strftime("%Y-%m-%dT%H:%M:%S.000Z")


def moment() -> datetime:
    """Now, or the moment that ``SOURCE_DATE_EPOCH`` fixes; in UTC."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch.isdecimal() else datetime.now(UTC)


def provenance(*sources: Path | str) -> dict[str, str]:
    """Tags of an output: the version, the command that made it, and its source, or a JSON list of
    several.

    No user, password or signature of an address is among them.
    """
    names = [as_text(redact_url(str(source))) for source in sources]
    return {
        "GEOSEG_VERSION": __version__,
        "GEOSEG_COMMAND": as_text(_COMMAND.get()),
        "GEOSEG_SOURCE": names[0] if len(names) == 1 else json.dumps(names),
    }


def sources_of(tags: Mapping[str, str]) -> tuple[str, ...]:
    """The sources that tags of :func:`provenance` name; none where they are not ours."""
    text = next((text for name, text in tags.items() if name.upper() == "GEOSEG_SOURCE"), "")
    names: Any = [text]
    if text.startswith("["):
        with suppress(ValueError):  # a file may be called [x].tif
            names = json.loads(text)
    return tuple(str(name) for name in names if name)
