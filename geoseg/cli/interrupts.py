"""SIGINT and SIGTERM: answered at once; then the stack unwinds, which removes partial outputs."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

import click

from geoseg.cli.command import hurried, interrupted
from geoseg.cli.failure import INTERRUPTED, TERMINATED

# Seconds that a job has to end by itself after Ctrl-C
PATIENCE = 0.6
# Seconds until a signal is looked at again that came while a module was loaded
LATER = 0.01
_ANSWERING = threading.Lock()
_CALLED_BACK = ("<frozen importlib._bootstrap>", logging.__file__)


def watch() -> None:
    """Handle both signals from now on."""
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, _interrupt)
    if hasattr(signal, "setitimer"):
        _raise_what_is_dropped()
    _watch_interrupts()


def settled(code: int) -> None:
    """What ran has ended with ``code``: a signal that comes while Python ends changes that no more,
    and there is nothing left to unwind.
    """
    if hasattr(signal, "setitimer"):  # nor does one that was put off
        signal.setitimer(signal.ITIMER_REAL, 0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(code))


def say(message: str) -> None:
    """One line on stderr, over a progress bar that stands there; nothing where no one reads it."""
    start = "\r\x1b[K" if sys.stderr.isatty() else ""
    with contextlib.suppress(OSError):
        click.echo(f"{start}Error: {message}", err=True)


def _terminate(number: int, frame: FrameType | None) -> None:
    """SIGTERM unwinds the stack, so that partial outputs are removed."""
    if not _later(signal.SIGTERM, frame):
        raise SystemExit(TERMINATED)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Ctrl-C is answered at once; then the stack unwinds, so that partial outputs are removed."""
    _answer()
    if not _later(signal.SIGINT, frame):
        raise KeyboardInterrupt


# What is raised while a compiled module calls back into Python does not come out as it is: numpy's
# C code prints a traceback and raises an ImportError in its place, rasterio's drops it with a
# traceback, and a SystemExit ends the process there and then. So the handler waits until nothing
# is being imported or logged; what is dropped nevertheless is raised again:
#
#     main -> extract -> importlib -> shapely (C) -> importlib -> numpy     here Ctrl-C comes
#     main -> tile -> GDAL (C) -> logging                                   or here
#     main -> tile -> rasterio.open                                         here it is raised
def _later(number: int, frame: FrameType | None) -> bool:
    """Whether something below ``frame`` would not let an exception out; the handler of the signal
    ``number`` then comes again in a moment.
    """
    if not hasattr(signal, "setitimer"):
        return False
    while frame is not None and frame.f_code.co_filename not in _CALLED_BACK:
        frame = frame.f_back
    if frame is not None:
        _again(number)
    return frame is not None


def _again(number: int) -> None:
    if not threading.main_thread().is_alive():  # Python is ending
        return
    signal.signal(signal.SIGALRM, _terminate if number == signal.SIGTERM else _interrupt)
    signal.setitimer(signal.ITIMER_REAL, LATER)


def _raise_what_is_dropped() -> None:
    """Ctrl-C that a callback or a destructor has dropped comes again, in place of a traceback."""
    printed, dropped = sys.excepthook, sys.unraisablehook

    def on_print(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            _again(signal.SIGINT)
        else:
            printed(kind, error, trace)

    def on_drop(found: sys.UnraisableHookArgs) -> None:
        if issubclass(found.exc_type, KeyboardInterrupt):
            _again(signal.SIGINT)
        else:
            dropped(found)

    sys.excepthook, sys.unraisablehook = on_print, on_drop


def _answer() -> None:
    """A word, once."""
    with _ANSWERING:
        if not interrupted.is_set():
            interrupted.set()
            say("interrupted")


def _watch_interrupts() -> None:
    """Answer Ctrl-C from a thread too: Python runs its handlers between steps of the main thread,
    which may be minutes into one call of GDAL.
    """
    if os.name != "posix":
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_end_soon, args=(reader,), daemon=True).start()


def _end_soon(reader: int) -> None:
    """End the process a moment after Ctrl-C, if it has not ended by itself."""
    while os.read(reader, 1) != bytes([signal.SIGINT]):
        pass
    _answer()
    if not hurried.is_set():
        return
    time.sleep(PATIENCE)
    from geoseg.io.atomic import discard_drafts

    discard_drafts()
    os._exit(INTERRUPTED)
