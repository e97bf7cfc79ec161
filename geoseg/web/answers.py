"""Requests and answers of the server, and how a request is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADERS = (
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


class RefusedError(Exception):
    """A request that is not answered; ``status`` and a line for who asked."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status
        self.line = line


def headers_of(scope: Scope) -> dict[str, str]:
    """Names and values; of a name that comes twice the first, so that Host cannot come twice."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        if key == "host" and key in found:
            return {}
        found.setdefault(key, value.decode("latin-1"))
    return found


async def next_message(receive: Receive, seconds: float) -> Message:
    """The next part of a request, which comes within ``seconds``. Raises RefusedError."""
    try:
        message = await asyncio.wait_for(receive(), seconds)
    except TimeoutError as error:
        raise RefusedError(408, "the upload stopped; try it again") from error
    if message["type"] == "http.disconnect":
        raise RefusedError(400, "the connection was closed")
    return message


async def answer(send: Send, refused: RefusedError) -> None:
    """The answer to a request that is refused."""
    body = f"{refused.line}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *HEADERS,
    ]
    start = {"type": "http.response.start", "status": refused.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})


def with_headers(send: Send) -> Send:
    """``send`` with the headers by which a browser asks no other host."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *HEADERS]
        await send(message)

    return sending
