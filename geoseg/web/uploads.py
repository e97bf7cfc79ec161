"""Uploads on their way to Gradio: how large, how slow, how many, and what stays of them.

Each upload has a folder of its own, with a random name, in which Gradio writes it::

    uploads/3f9c.../tmpk2x                   while it comes
    uploads/3f9c.../<SHA-256>/town.tif       once it is whole, which is what the client hears

By itself Gradio would name the folder by the content alone: of two visitors who send the same file
the second would lose it when the first one's is taken. And what broke off would lie there until
there is room for nobody's upload: here the folder goes with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from geoseg.specs.serve import ServeSpec, byte_text
from geoseg.web.answers import (
    Application,
    Message,
    Receive,
    RefusedError,
    Scope,
    Send,
    answer,
    headers_of,
    next_message,
)
from geoseg.web.workspace import HANDED_OUT, Storage

# Parts of a multipart body that are no file: its borders and headers
_ENVELOPE = 100_000
# Uploads at a time, of all visitors; all files together may have this many times the largest one
_UPLOADS = 4
_STORED = 10
# Seconds that the rest of a refused upload is read, and dropped
_PATIENCE = 1.0
# Uploaded files that no visitor took are deleted after so many seconds
_UNCLAIMED = 3600
_folder: ContextVar[str] = ContextVar("folder of the upload that is received", default="")


@dataclass(frozen=True)
class UploadFolder(os.PathLike[str]):
    """Where Gradio writes what it receives: for each request another folder in ``uploads``."""

    uploads: Path

    def __fspath__(self) -> str:
        return str(self.uploads / _folder.get())

    __str__ = __fspath__


def forget_upload() -> None:
    """At the start of a request: on a connection that is kept, it begins with what the one before
    it had set, and Gradio would look for all files in the folder of that upload.
    """
    _folder.set("")


@dataclass
class Uploads:
    """Passes uploads on to ``application``; ``idle_seconds`` is how long one may pause."""

    application: Application
    spec: ServeSpec
    storage: Storage
    idle_seconds: float = 20.0
    uploading: int = 0

    async def take(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an upload on as it comes, and stop one that is too large, too slow or too many.

        Raises RefusedError where nothing was passed on.
        """
        most = self.spec.max_upload + _ENVELOPE
        length = headers_of(scope).get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            await self.drop(receive)
            raise RefusedError(413, f"a file may have {byte_text(self.spec.max_upload)}")
        if self.uploading >= _UPLOADS:
            raise RefusedError(503, "others are uploading; try it again in a moment")
        # counted before anything is awaited: others would be let in meanwhile
        self.uploading += 1
        try:
            await asyncio.to_thread(self._sweep)
            if await asyncio.to_thread(self.storage.used) > _STORED * self.spec.max_upload:
                raise RefusedError(507, "there are too many files here; try it again later")
            deadline = time.monotonic() + self.spec.max_seconds
            await self._pass_on(scope, _Upload(self, receive, send, most, deadline))
        finally:
            self.uploading -= 1

    async def _pass_on(self, scope: Scope, upload: _Upload) -> None:
        """Let the application receive ``upload`` in a folder that only whole files stay in."""
        folder = self.storage.uploads / secrets.token_hex(16)
        folder.mkdir(mode=0o700)
        _folder.set(folder.name)
        try:
            await self.application(scope, upload.receive, upload.send)
        except Exception as error:
            # Gradio stumbles over the end of what was refused, and over bodies that no browser
            # sends; that the disk fails is for the log
            if not upload.refused or (upload.is_misunderstood and isinstance(error, OSError)):
                raise
        finally:
            if upload.is_whole:
                _only_folders(folder)
            else:
                shutil.rmtree(folder, ignore_errors=True)

    async def drop(self, receive: Receive) -> None:
        """Read on for a moment: a client that still sends does not hear an answer."""

        async def rest() -> None:
            while (await next_message(receive, _PATIENCE)).get("more_body"):
                pass

        with contextlib.suppress(RefusedError, TimeoutError):
            await asyncio.wait_for(rest(), _PATIENCE)

    def _sweep(self) -> None:
        """Delete what was uploaded long ago and no visitor took; others may do so meanwhile."""
        before = time.time() - _UNCLAIMED
        for path in self.storage.uploads.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime > before or path.name.startswith(HANDED_OUT):
                    continue
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()


@dataclass
class _Upload:
    """The body of an upload. Once ``refused`` the application's answer is dropped, by us or because
    it ``is_misunderstood``; ``is_whole`` where that answer names the files.
    """

    uploads: Uploads
    from_client: Receive
    to_client: Send
    most: int
    deadline: float
    received: int = 0
    refused: bool = False
    is_misunderstood: bool = False
    is_whole: bool = False

    async def receive(self) -> Message:
        try:
            if time.monotonic() > self.deadline:
                raise RefusedError(408, "the upload takes too long")
            message = await next_message(self.from_client, self.uploads.idle_seconds)
            self.received += len(message.get("body", b""))
            if self.received > self.most:
                largest = byte_text(self.uploads.spec.max_upload)
                raise RefusedError(413, f"a file may have {largest}")
        except RefusedError as refused:
            if not self.refused:
                await self.uploads.drop(self.from_client)
                await self._refuse(refused)
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if self.refused:
            return
        if message["type"] == "http.response.start":
            if message["status"] >= 500:
                self.is_misunderstood = True
                await self._refuse(RefusedError(400, "the upload was not understood; try it again"))
                return
            self.is_whole = message["status"] == 200
        await self.to_client(message)

    async def _refuse(self, refused: RefusedError) -> None:
        self.refused = True
        await answer(self.to_client, refused)


def _only_folders(folder: Path) -> None:
    """Delete files that lie in ``folder`` itself: parts of an upload that are no whole file. What
    is empty then goes too.
    """
    for path in folder.iterdir():
        if not path.is_dir():
            path.unlink()
    with contextlib.suppress(OSError):  # there are files below it
        folder.rmdir()
