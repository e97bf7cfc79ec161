"""A step of the page in a process of its own, with limits of time and memory.

What is uploaded is opened nowhere else: a file that crashes a decoder, or makes it ask for all the
memory there is, ends that process and leaves the page. The process is forked from a server that has
imported GDAL and the runtime already, so that it starts in milliseconds. Between the two only JSON
travels: the page unpickles nothing that such a process wrote.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.util import get_temp_dir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from geoseg.errors import GeosegError, ResourceError
from geoseg.parallel.memory import ran_out
from geoseg.parallel.processes import end_with_parent
from geoseg.report import Advance, Label
from geoseg.specs.serve import ServeSpec, byte_text

# Seconds between two messages of progress
_OFTEN = 0.15
# Files of a step that are open at a time, and their largest size in bytes
_FILES = 256
_FILE_SIZE = 8 * 10**9
# The path of a socket has so many bytes at most, and that of the fork server so many of them after
# the folder for temporary files: /pymp-xxxxxxxx/listener-xxxxxxxx
_SOCKET_PATH = 107
_SOCKET_NAME = 32
_INSTEAD = "take a smaller scene, or `geoseg extract` on the command line"
_BUG = "this is a bug in geoseg"
_REPORT = "please report it, with what the server printed"
OnProgress = Callable[[str, float], None]


@dataclass(frozen=True)
class _Step:
    """The name of a function, the folders that it works in, and its arguments."""

    name: str
    folder: str
    temporary: str
    arguments: dict[str, Any]


class Jobs:
    """Runs steps within the limits of ``spec``; ``started`` counts them by name, ``running`` holds
    their processes.

    Raises ResourceError where the name of the folder for temporary files is too long for sockets.
    """

    def __init__(self, spec: ServeSpec) -> None:
        folder = tempfile.gettempdir()
        if len(os.fsencode(folder)) + _SOCKET_NAME > _SOCKET_PATH:
            raise ResourceError(
                f"{folder}: has too long a name for temporary files of the page",
                "set TMPDIR to another folder, such as /tmp",
            )
        self.spec = spec
        self.started: Counter[str] = Counter()
        self.running: set[BaseProcess] = set()
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["geoseg.web.preloaded"])

    def run(
        self, step: str, folder: Path, arguments: dict[str, Any], on_progress: OnProgress
    ) -> dict[str, Any]:
        """The result of the function ``step`` of :mod:`geoseg.web.steps`, run in ``folder``, where
        its temporary files lie too, which go with its process; ``on_progress`` takes the name of a
        stage and the part of it that is done.

        Raises the GeosegError that the step raises, ResourceError where it reaches a limit.
        """
        self.started[step] += 1
        with TemporaryDirectory(
            prefix=".step-", dir=folder, ignore_cleanup_errors=True
        ) as temporary:
            return self._run(_Step(step, str(folder), temporary, arguments), on_progress)

    def _run(self, step: _Step, on_progress: OnProgress) -> dict[str, Any]:
        here, there = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(there, step, self.spec), daemon=True)
        process.start()
        self.running.add(process)
        there.close()
        try:
            return self._listen(here, on_progress)
        except EOFError:
            process.join()
            raise _broken_off(process.exitcode, self.spec) from None
        finally:
            self.running.discard(process)
            process.kill()
            process.join()
            here.close()

    def close(self) -> None:
        """End all steps that are running; who waits for one gets a ResourceError."""
        for process in tuple(self.running):
            process.kill()

    def _listen(self, connection: Connection, on_progress: OnProgress) -> dict[str, Any]:
        deadline = time.monotonic() + self.spec.max_seconds
        while True:
            if not connection.poll(max(0.0, deadline - time.monotonic())):
                raise _too_long(self.spec)
            message = json.loads(connection.recv_bytes())
            if "result" in message:
                return dict(message["result"])
            if "error" in message:
                raise _raised(message, self.spec)
            on_progress(message["stage"], message["part"])


def forget_fork_server() -> None:
    """Delete the folder of the fork server's socket: a process that a signal ends does not. No step
    can be run after it.
    """
    shutil.rmtree(get_temp_dir(), ignore_errors=True)


def _too_long(spec: ServeSpec) -> ResourceError:
    return ResourceError(
        f"this took longer than the {spec.max_seconds} s that the page allows", _INSTEAD
    )


def _out_of_memory(spec: ServeSpec) -> ResourceError:
    return ResourceError(
        f"this needs more than the {byte_text(spec.max_memory)} of memory that the page allows",
        _INSTEAD,
    )


def _broken_off(code: int | None, spec: ServeSpec) -> GeosegError:
    """Why a process ended without a message: by a signal if ``code`` is negative."""
    if code == -signal.SIGXCPU:
        return _too_long(spec)
    if code is not None and code < 0:
        return ResourceError(
            f"this broke off: it needs more than {byte_text(spec.max_memory)} of memory, or the "
            "file is damaged",
            _INSTEAD,
        )
    return GeosegError(_BUG, _REPORT)


def _raised(message: dict[str, Any], spec: ServeSpec) -> GeosegError:
    if message["error"] == "memory":
        return _out_of_memory(spec)
    error = GeosegError(message["message"], message["hint"])
    error.exit_code = message["exit"]
    return error


def _work(connection: Connection, step: _Step, spec: ServeSpec) -> None:
    """What the process does: one message at the end, others of progress before it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this
    end_with_parent()
    if not sys.warnoptions:  # of libraries, as on the command line
        warnings.simplefilter("ignore")
    _limit(spec)
    os.chdir(step.folder)
    # of Python, which may have looked for its own before the fork, and of SQLite and GDAL
    tempfile.tempdir = step.temporary
    os.environ |= dict.fromkeys(("TMPDIR", "SQLITE_TMPDIR", "CPL_TMPDIR"), step.temporary)
    from geoseg.web.steps import STEPS

    messages = _Messages(connection)
    try:
        messages.send({"result": STEPS[step.name](progress=messages.progress, **step.arguments)})
    except GeosegError as error:
        content = {"message": error.message, "hint": error.hint, "exit": error.exit_code}
        messages.send({"error": "input", **content})
    except Exception as error:
        if not ran_out(error):
            raise  # a bug: Python prints where, and the process ends without a message
        messages.send({"error": "memory"})


class _Messages:
    """JSON to the page; progress no more often than people see."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last = 0.0

    def send(self, message: dict[str, Any]) -> None:
        self._connection.send_bytes(json.dumps(message, allow_nan=False).encode())

    def progress(self, stage: Label, total: int) -> Advance:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if time.monotonic() - self._last > _OFTEN:
                self._last = time.monotonic()
                label = stage() if callable(stage) else stage
                self.send({"stage": label, "part": min(1.0, done / max(1, total))})

        return advance


def _limit(spec: ServeSpec) -> None:
    """Memory, processor time, files and their size; no core dumps, no grids of PROJ's network.

    The limit is on data, which is what a process asks for; libraries that it maps do not count.
    """
    processors = os.cpu_count() or 1
    limits = {
        resource.RLIMIT_DATA: spec.max_memory,
        resource.RLIMIT_CPU: spec.max_seconds * processors,
        resource.RLIMIT_FSIZE: _FILE_SIZE,
        resource.RLIMIT_NOFILE: _FILES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(kind, (most, most))
    os.environ["PROJ_NETWORK"] = "OFF"
