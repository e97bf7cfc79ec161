"""Everything geoseg may raise on purpose; each error carries its exit code.

An error is one line: what is wrong, and in ``hint`` what to do about it. Anything else that reaches
the command line is a bug and exits with 1.
"""

from __future__ import annotations


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


class SafetyError(GeosegError):
    """Refused for safety."""

    exit_code = 8


class PartialError(GeosegError):
    """Some of the scenes failed, the others are done."""

    exit_code = 9
