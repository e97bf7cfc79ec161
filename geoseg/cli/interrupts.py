"""SIGINT and SIGTERM: answered at once; then the stack unwinds, which removes partial outputs."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from types import FrameType

import click

from geoseg.cli.command import hurried, interrupted
from geoseg.cli.failure import INTERRUPTED

# Seconds that a job has to end by itself after Ctrl-C
PATIENCE = 0.6
# Seconds until a signal is looked at again that came while a module was loaded
LATER = 0.01
_ANSWERING = threading.Lock()
_IMPORTING = "<frozen importlib._bootstrap>"


def watch() -> None:
    """Handle both signals from now on."""
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, _interrupt)
    _watch_interrupts()


def say(message: str) -> None:
    """One line on stderr, over a progress bar that stands there; nothing where no one reads it."""
    start = "\r\x1b[K" if sys.stderr.isatty() else ""
    with contextlib.suppress(OSError):
        click.echo(f"{start}Error: {message}", err=True)


def _terminate(number: int, frame: FrameType | None) -> None:
    """SIGTERM unwinds the stack, so that partial outputs are removed."""
    if not _later(signal.SIGTERM, frame):
        raise SystemExit(128 + signal.SIGTERM)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Ctrl-C is answered at once; then the stack unwinds, so that partial outputs are removed."""
    _answer()
    if not _later(signal.SIGINT, frame):
        raise KeyboardInterrupt


# What is raised while a compiled module loads numpy does not come out as it is: numpy's C code
# prints its traceback and raises an ImportError in its place, and a SystemExit ends the process
# there and then. So the handler waits until nothing is being imported:
#
#     main -> extract -> importlib -> shapely (C) -> importlib -> numpy     here Ctrl-C comes
#     main -> extract -> rasterio.open                                      here it is raised
def _later(number: int, frame: FrameType | None) -> bool:
    """Whether a module is being loaded below ``frame``; the handler of the signal ``number`` then
    comes again in a moment.
    """
    if not hasattr(signal, "setitimer"):
        return False
    while frame is not None and frame.f_code.co_filename != _IMPORTING:
        frame = frame.f_back
    if frame is None:
        return False
    signal.signal(signal.SIGALRM, _terminate if number == signal.SIGTERM else _interrupt)
    signal.setitimer(signal.ITIMER_REAL, LATER)
    return True


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
