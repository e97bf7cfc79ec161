"""What may be asked of the page at all: an ASGI application around Gradio's.

Gradio answers more than this page needs: any Host, an API, files and addresses that a client names.
Here a request passes only if all of this holds::

    Host        an IP address, localhost, or a name that `allow_host` lists: a web site that points
                its own name at this machine (DNS rebinding) is refused
    Origin      none, or the page's own: no other site's script or form
    path        one that the page itself uses, with its method
    file=       a file in the upload folder; never an address
    body        JSON up to 1 MB, in which each file is an uploaded one and no string is an address;
                an upload up to the limit, which keeps coming
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import re
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoseg.specs.serve import ServeSpec, byte_text
from geoseg.web.workspace import HANDED_OUT, Storage

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

API = "/gradio_api/"
UPLOAD = f"{API}upload"
_FILE = f"{API}file="
_READ = re.compile(
    r"/|/(config|theme\.css|robots\.txt|favicon\.ico)|/(static|assets|svelte)/.*"
    rf"|{API}(startup-events|theme\.css|queue/data|upload_progress|heartbeat/\w+|file=.+)"
)
_WRITE = re.compile(rf"{API}(upload|queue/join|cancel|reset)/?")
_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.-]*:)?//|\s*/?vsi|\s*(file|data|javascript):", re.I)
# Parts of a multipart body that are no file: its borders and headers
_ENVELOPE = 100_000
_JSON = 2**20
# Uploads at a time, of all visitors; all files together may have this many times the largest one
_UPLOADS = 4
_STORED = 10
# Seconds that the rest of a refused upload is read, and dropped
_PATIENCE = 1.0
# Uploaded files that no visitor took are deleted after so many seconds
_UNCLAIMED = 3600
_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
        b"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        b"connect-src 'self' data: blob:; worker-src 'self' blob:; frame-ancestors 'none'; "
        b"form-action 'self'; base-uri 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)


class _RefusedError(Exception):
    """A request that is not answered; ``status`` and a line for who asked."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status
        self.line = line


@dataclass
class Guard:
    """``application`` behind the checks above; ``idle_seconds`` is how long an upload may pause."""

    application: Application
    spec: ServeSpec
    storage: Storage
    idle_seconds: float = 20.0
    uploading: int = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.application(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # the page opens no web socket; the server answers 500
        try:
            self._check(scope)
            if scope["method"] == "POST" and scope["path"].rstrip("/") == UPLOAD:
                await self._upload(scope, receive, send)
                return
            if scope["method"] == "POST":
                receive = _replayed(await self._json(scope, receive))
            await self.application(scope, receive, _with_headers(send))
        except _RefusedError as refused:
            await _answer(send, refused)

    def _check(self, scope: MutableMapping[str, Any]) -> None:
        """Raise _RefusedError unless host, origin, path and method are the page's own."""
        headers = _headers(scope)
        host = headers.get("host", "")
        if not self._is_own(host):
            raise _RefusedError(403, "this host name is not served here")
        origin = headers.get("origin")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            raise _RefusedError(403, "another site may not use this page")
        path = scope["path"]
        reads = scope["method"] in ("GET", "HEAD") and _READ.fullmatch(path)
        writes = scope["method"] == "POST" and _WRITE.fullmatch(path)
        if not (reads or writes):
            raise _RefusedError(404, "there is nothing here")
        if path.startswith(_FILE) and not self.is_upload(path.removeprefix(_FILE)):
            raise _RefusedError(403, "this file is not served")

    def _is_own(self, host: str) -> bool:
        match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:\d+)?", host)
        name = match[1].lower().strip("[]") if match else ""
        if name in ("localhost", self.spec.host.lower(), *map(str.lower, self.spec.allow_host)):
            return bool(name)
        try:
            return bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    def is_upload(self, name: Any) -> bool:
        """Whether ``name`` is a file in the upload folder, links followed."""
        try:
            path = Path(name)
            return path.is_absolute() and path.resolve().is_relative_to(self.storage.uploads)
        except (OSError, ValueError, TypeError, RuntimeError):
            return False

    async def _json(self, scope: MutableMapping[str, Any], receive: Receive) -> bytes:
        """The body of a request, checked. Raises _RefusedError."""
        body = b""
        while True:
            message = await self._next(receive)
            body += message.get("body", b"")
            if len(body) > _JSON:
                raise _RefusedError(413, "this request is too large")
            if not message.get("more_body"):
                break
        try:
            content = json.loads(body) if body else None
        except (ValueError, RecursionError) as error:
            raise _RefusedError(400, "this request is not JSON") from error
        # a proxy in front may speak https
        own = tuple(f"{scheme}://{_headers(scope)['host']}{_FILE}" for scheme in ("http", "https"))
        for key, value in _walk(content):
            if key == "path" and not self.is_upload(value):
                raise _RefusedError(403, "this file was not uploaded here")
            safe = key == "url" and isinstance(value, str) and value.startswith((*own, _FILE))
            if isinstance(value, str) and _ADDRESS.match(value) and not safe:
                raise _RefusedError(403, "addresses are not followed")
        return body

    async def _next(self, receive: Receive) -> Message:
        try:
            message = await asyncio.wait_for(receive(), self.idle_seconds)
        except TimeoutError as error:
            raise _RefusedError(408, "the upload stopped; try it again") from error
        if message["type"] == "http.disconnect":
            raise _RefusedError(400, "the connection was closed")
        return message

    async def _upload(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Pass an upload on as it comes, and stop one that is too large, too slow or too many."""
        most = self.spec.max_upload + _ENVELOPE
        length = _headers(scope).get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            await self._drop(receive)
            raise _RefusedError(413, f"a file may have {byte_text(self.spec.max_upload)}")
        if self.uploading >= _UPLOADS:
            raise _RefusedError(503, "others are uploading; try it again in a moment")
        # counted before anything is awaited: others would be let in meanwhile
        self.uploading += 1
        stream = _Upload(self, receive, send, most, time.monotonic() + self.spec.max_seconds)
        try:
            await asyncio.to_thread(self._sweep)
            if await asyncio.to_thread(self.storage.used) > _STORED * self.spec.max_upload:
                raise _RefusedError(507, "there are too many files here; try it again later")
            await self.application(scope, stream.receive, stream.send)
        except Exception:
            # Gradio stumbles over the end of what was refused
            if not stream.refused:
                raise
        finally:
            self.uploading -= 1

    async def _drop(self, receive: Receive) -> None:
        """Read on for a moment: a client that still sends does not hear an answer."""
        deadline = time.monotonic() + _PATIENCE
        with contextlib.suppress(_RefusedError):
            while time.monotonic() < deadline and (await self._next(receive)).get("more_body"):
                pass

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
    """The body of an upload on its way to Gradio; once ``refused`` Gradio's answer is dropped."""

    guard: Guard
    from_client: Receive
    to_client: Send
    most: int
    deadline: float
    received: int = 0
    refused: bool = False

    async def receive(self) -> Message:
        try:
            if time.monotonic() > self.deadline:
                raise _RefusedError(408, "the upload takes too long")
            message = await self.guard._next(self.from_client)
            self.received += len(message.get("body", b""))
            if self.received > self.most:
                largest = byte_text(self.guard.spec.max_upload)
                raise _RefusedError(413, f"a file may have {largest}")
        except _RefusedError as refused:
            if not self.refused:
                self.refused = True
                await self.guard._drop(self.from_client)
                await _answer(self.to_client, refused)
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if not self.refused:
            await self.to_client(message)


def _headers(scope: MutableMapping[str, Any]) -> dict[str, str]:
    """Names and values; of a name that comes twice the first, so that Host cannot come twice."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        if key == "host" and key in found:
            return {}
        found.setdefault(key, value.decode("latin-1"))
    return found


def _walk(content: Any) -> Iterator[tuple[str | None, Any]]:
    """Every value in JSON with its key, None in lists."""
    waiting: list[tuple[str | None, Any]] = [(None, content)]
    while waiting:
        key, value = waiting.pop()
        yield key, value
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(None, item) for item in value]


def _replayed(body: bytes) -> Receive:
    """A receiver of a body that was read already."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        for message in messages:
            return message
        await asyncio.Event().wait()  # the client is still there
        return {"type": "http.disconnect"}

    return receive


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *_HEADERS]
        await send(message)

    return sending


async def _answer(send: Send, refused: _RefusedError) -> None:
    body = f"{refused.line}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *_HEADERS,
    ]
    start = {"type": "http.response.start", "status": refused.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
