"""What may be asked of the page at all: an ASGI application around Gradio's.

Gradio answers more than this page needs: any Host, an API, files and addresses that a client names.
Here a request passes only if all of this holds::

    Host        an IP address, localhost, or a name that `allow_host` lists: a web site that points
                its own name at this machine (DNS rebinding) is refused
    Origin      none, or the page's own: no other site's script or form
    path        one that the page itself uses, with its method
    file=       a file in the upload folder; never an address
    body        JSON up to 1 MB, in which each file is an uploaded one and no string is an address,
                and which the page's script could have sent (calls.py); an upload up to the limit,
                which keeps coming (uploads.py)
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geoseg.specs.serve import ServeSpec
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
    with_headers,
)
from geoseg.web.uploads import Uploads, forget_upload
from geoseg.web.workspace import Storage

API = "/gradio_api/"
UPLOAD = f"{API}upload"
_FILE = f"{API}file="
_READ = re.compile(
    r"/|/(config|theme\.css|robots\.txt|favicon\.ico)|/(static|assets|svelte)/.*"
    rf"|{API}(startup-events|theme\.css|queue/data|upload_progress|heartbeat/\w+|file=.+)"
)
_WRITE = re.compile(rf"{API}(upload|queue/join|cancel|reset)/?")
_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.-]*:)?//|\s*/?vsi|\s*(file|data|javascript):", re.I)
_RANGE = re.compile(rb"bytes=[0-9]{1,18}-[0-9]{0,18}")
_JSON = 2**20
_LARGEST = 2**53  # of whole numbers in a browser
_NAME_LENGTH = 255  # of a file, in bytes


@dataclass
class Guard:
    """``application`` behind the checks above; ``accepts`` is whether JSON for a path is a call of
    the page.
    """

    application: Application
    spec: ServeSpec
    storage: Storage
    accepts: Callable[[str, Any], bool] = lambda path, content: True
    uploads: Uploads = field(init=False)

    def __post_init__(self) -> None:
        self.uploads = Uploads(self.application, self.spec, self.storage)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.application(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # the page opens no web socket; the server answers 500
        forget_upload()
        try:
            self._check(scope)
            if scope["method"] == "POST" and scope["path"].rstrip("/") == UPLOAD:
                await self.uploads.take(scope, receive, send)
                return
            if scope["method"] == "POST":
                receive = _replayed(await self._json(scope, receive))
            await self.application(_plain(scope), receive, with_headers(send))
        except RefusedError as refused:
            await answer(send, refused)
        except RuntimeError as error:
            # a stream of events for a session that is not there ends by a 404 that comes too late
            if "response already started" not in str(error):
                raise
            await send({"type": "http.response.body", "body": b""})

    def _check(self, scope: Scope) -> None:
        """Raise RefusedError unless host, origin, path and method are the page's own."""
        headers = headers_of(scope)
        host = headers.get("host", "")
        if not self._is_own(host):
            raise RefusedError(403, "this host name is not served here")
        origin = headers.get("origin")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            raise RefusedError(403, "another site may not use this page")
        path = scope["path"]
        reads = scope["method"] in ("GET", "HEAD") and _READ.fullmatch(path)
        writes = scope["method"] == "POST" and _WRITE.fullmatch(path)
        if not (reads or writes):
            raise RefusedError(404, "there is nothing here")
        if any(len(part.encode("utf-8", "replace")) > _NAME_LENGTH for part in path.split("/")):
            raise RefusedError(404, "there is nothing here")
        if path.startswith(_FILE) and not self.is_upload(path.removeprefix(_FILE)):
            raise RefusedError(403, "this file is not served")

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

    async def _json(self, scope: Scope, receive: Receive) -> bytes:
        """The body of a request, checked. Raises RefusedError."""
        body = b""
        while True:
            message = await next_message(receive, self.uploads.idle_seconds)
            body += message.get("body", b"")
            if len(body) > _JSON:
                raise RefusedError(413, "this request is too large")
            if not message.get("more_body"):
                break
        try:
            content = _parsed(body)
        except (ValueError, RecursionError) as error:
            raise RefusedError(400, "this request is not JSON") from error
        # a proxy in front may speak https
        own = tuple(
            f"{scheme}://{headers_of(scope)['host']}{_FILE}" for scheme in ("http", "https")
        )
        for key, value in _walk(content):
            if key == "path" and not self.is_upload(value):
                raise RefusedError(403, "this file was not uploaded here")
            safe = key == "url" and isinstance(value, str) and value.startswith((*own, _FILE))
            if isinstance(value, str) and _ADDRESS.match(value) and not safe:
                raise RefusedError(403, "addresses are not followed")
        if not self.accepts(scope["path"].rstrip("/"), content):
            raise RefusedError(400, "this is nothing that the page asks for")
        return body


def _parsed(body: bytes) -> Any:
    """JSON of a client, None for an empty body.

    Raises ValueError for what is none although Python reads it: NaN, numbers beyond float64, whole
    ones that a browser does not have, and halves of characters.
    """
    if not body:
        return None
    content = json.loads(body.decode())
    json.dumps(content, allow_nan=False, ensure_ascii=False).encode()
    if any(isinstance(value, int) and abs(value) > _LARGEST for _, value in _walk(content)):
        raise ValueError("a whole number that is too large")
    return content


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


def _plain(scope: Scope) -> Scope:
    """``scope`` without a Range that Gradio does not understand: the file is sent whole then."""
    headers = [
        (name, value)
        for name, value in scope["headers"]
        if name.lower() != b"range" or _RANGE.fullmatch(value)
    ]
    return {**scope, "headers": headers}
