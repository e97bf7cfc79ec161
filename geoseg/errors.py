"""Everything geoseg may raise on purpose; each error carries its exit code.

    GeosegError
    +-- UsageError        2  bad option or combination
    |   +-- SettingError     a setting has a value that it cannot have
    +-- InputError        3  missing, unreadable, corrupt
    +-- UnsuitableError   4  readable, but not what the job needs
    +-- ModelError        5  a model is unreadable, or does not fit the scene
    +-- OutputError       6  exists, folder missing, not writable, disk full
    +-- ResourceError     7  memory, device, optional package
    |   +-- OutOfMemoryError  there is no more of it
    +-- SafetyError       8  refused for safety
    +-- PartialError      9  some of the scenes failed

An error is one line: what is wrong, and in ``hint`` what to do about it. Anything else that reaches
the command line is a bug and exits with 1. A message, a hint or a warning mentions a setting by its
field in backquotes, as in "use `overwrite` to replace it"; the command line shows its option.
"""

from __future__ import annotations

import re

# Characters of a line that is shown, at most: names in it may be of any length
MESSAGE = 400
HINT = 150
_LEFT_OUT = " [...] "
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]+"
)


class GeosegError(Exception):
    """Base of all errors a user can cause; ``str(error)`` is the one line that is shown."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(GeosegError):
    """A bad option or a combination of options that makes no sense."""

    exit_code = 2


class SettingError(UsageError):
    """A setting has a value that it cannot have, alone or beside the others.

    ``field`` is the name of the setting in its spec; ``reason`` says what is wrong with it. The
    command line shows the field as its option.
    """

    def __init__(self, field: str, reason: str, hint: str | None = None) -> None:
        super().__init__(f"{field}: {reason}", hint)
        self.field = field
        self.reason = reason

    def __reduce__(self) -> tuple[type[SettingError], tuple[str, str, str | None]]:
        return SettingError, (self.field, self.reason, self.hint)


class InputError(GeosegError):
    """An input is missing, unreadable or corrupt."""

    exit_code = 3


class UnsuitableError(GeosegError):
    """Readable, but not what the job needs: no CRS, no overlap, the wrong bands."""

    exit_code = 4


class ModelError(GeosegError):
    """A model is unreadable, malformed, or does not fit the scene."""

    exit_code = 5


class OutputError(GeosegError):
    """The output exists, its folder is missing, it is not writable, or the disk is full."""

    exit_code = 6


class ResourceError(GeosegError):
    """Memory limit, a device that is not there, an optional package that is not installed."""

    exit_code = 7


class OutOfMemoryError(ResourceError):
    """There is no more memory, by a library that reads or writes; Python's own is MemoryError."""


class SafetyError(GeosegError):
    """Refused for safety."""

    exit_code = 8


class PartialError(GeosegError):
    """Some of the scenes failed, the others are done."""

    exit_code = 9


def clean(text: str, longest: int = MESSAGE) -> str:
    """``text`` without the control characters that names may hold, those that turn the direction of
    writing among them; the middle of a long one is left out.
    """
    text = _CONTROL.sub(" ", text)
    if len(text) <= longest:
        return text
    half = (longest - len(_LEFT_OUT)) // 2
    return text[:half] + _LEFT_OUT + text[-half:]
