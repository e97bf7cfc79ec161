"""What may be asked of the page: hosts, origins, paths, files, sizes, pauses."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.specs import ServeSpec
from geoseg.web.guard import Guard
from geoseg.web.workspace import Storage

LARGEST = 1_000_000
JOIN = "/gradio_api/queue/join"
UPLOAD = "/gradio_api/upload"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Reads a request to its end and answers with how many bytes it had."""
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError  # as Gradio
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    storage = Storage(tmp_path.resolve())
    storage.uploads.mkdir()
    storage.work.mkdir()
    spec = ServeSpec(max_upload=LARGEST, allow_host=("maps.example.org",))
    made = Guard(echo, spec, storage)
    made.uploads.idle_seconds = 0.2
    return made


def ask(guard: Guard, method: str, path: str, **keywords: Any) -> httpx.Response:
    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, **keywords)

    return asyncio.run(request())


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:7860",
        "localhost:7860",
        "LOCALHOST",
        "[::1]:7860",
        "192.168.1.7",
        "maps.example.org",
    ],
)
def test_own_hosts_are_served(guard: Guard, host: str) -> None:
    assert ask(guard, "GET", "/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:7860", "", "evil.example@127.0.0.1",
     "127.0.0.1 evil.example", "example.org"],
)  # fmt: skip
def test_foreign_hosts_are_refused(guard: Guard, host: str) -> None:
    assert ask(guard, "GET", "/", headers={"host": host}).status_code == 403


def test_two_hosts_are_refused(guard: Guard) -> None:
    headers = [("host", "127.0.0.1"), ("host", "evil.example")]
    assert ask(guard, "GET", "/", headers=headers).status_code == 403


def test_other_origins_are_refused(guard: Guard) -> None:
    for origin, status in {
        "http://127.0.0.1": 200,
        "https://evil.example": 403,
        "http://127.0.0.1:9": 403,
        "null": 403,
    }.items():
        answer = ask(guard, "POST", JOIN, headers={"origin": origin}, json={})
        assert answer.status_code == status, origin


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/openapi.json"),
        ("GET", "/gradio_api/proxy=https://evil.example"),
        ("GET", "/gradio_api/deep_link"),
        ("GET", "/monitoring"),
        ("POST", "/gradio_api/run/find"),
        ("POST", "/gradio_api/call/find"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/mcp"),
        ("DELETE", "/"),
        ("OPTIONS", "/"),
        ("POST", "/"),
    ],
)
def test_what_the_page_does_not_use_is_not_there(guard: Guard, method: str, path: str) -> None:
    assert ask(guard, method, path).status_code == 404


def test_only_uploaded_files_are_served(guard: Guard) -> None:
    store = guard.storage
    (store.uploads / "scene.tif").write_bytes(b"1")
    (store.work / "private.tif").write_bytes(b"1")
    (store.uploads / "link").symlink_to(store.work / "private.tif")
    served = ask(guard, "GET", f"/gradio_api/file={store.uploads}/scene.tif")
    assert served.status_code == 200
    for name in (
        "/etc/passwd",
        "etc/passwd",
        f"{store.work}/private.tif",
        f"{store.uploads}/../work/private.tif",
        f"{store.uploads}/%2e%2e/work/private.tif",
        f"{store.uploads}/link",
        "http://169.254.169.254/latest",
        "https://evil.example/a.tif",
        "//evil.example/a.tif",
        f"{store.uploads}/a\0b",
    ):
        assert ask(guard, "GET", f"/gradio_api/file={name.replace(chr(0), '%00')}").is_error, name


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_no_path_leads_out_of_the_uploads(name: str) -> None:
    storage = Storage(Path("/nowhere"))
    guard = Guard(echo, ServeSpec(), storage)
    for path in (name, f"/nowhere/uploads/{name}", f"/nowhere/uploads/../{name}"):
        allowed = guard.is_upload(path)
        try:
            inside = Path(path).resolve().is_relative_to("/nowhere/uploads")
        except ValueError:  # a NUL
            inside = False
        assert not allowed or (inside and Path(path).is_absolute())


def file_data(**values: Any) -> dict[str, Any]:
    return {"data": [None, {"path": "", "meta": {"_type": "gradio.FileData"}} | values]}


def test_json_names_uploaded_files_only(guard: Guard) -> None:
    store = guard.storage
    own = f"127.0.0.1/gradio_api/file={store.uploads}/a.tif"
    for scheme in ("http", "https"):
        sent = file_data(path=f"{store.uploads}/a.tif", url=f"{scheme}://{own}")
        assert ask(guard, "POST", JOIN, json=sent).is_success
    for values in (
        {"path": "/etc/passwd"},
        {"path": "/vsicurl/https://evil.example/a.tif"},
        {"path": "https://evil.example/a.tif"},
        {"path": f"{store.uploads}/../work/a.tif"},
        {"path": ["/etc/passwd"]},
        {"path": None},
        {"path": f"{store.uploads}/a.tif", "url": "https://evil.example/a.tif"},
        {"path": f"{store.uploads}/a.tif", "url": "//evil.example/a.tif"},
        {"path": f"{store.uploads}/a.tif", "url": "http://127.0.0.1.evil.example/a.tif"},
    ):
        assert ask(guard, "POST", JOIN, json=file_data(**values)).status_code == 403, values
    for text in (
        "https://evil.example",
        " HTTP://evil.example",
        "/vsizip/a.zip",
        "s3://bucket/a.tif",
    ):
        assert ask(guard, "POST", JOIN, json={"data": [[text]]}).status_code == 403, text
    assert ask(guard, "POST", JOIN, json={"data": [0.5, "Right angles", None, True]}).is_success


def test_json_is_small_and_json(guard: Guard) -> None:
    large = {"data": ["a" * 1_100_000]}
    assert ask(guard, "POST", JOIN, json=large).status_code == 413
    assert ask(guard, "POST", JOIN, content=b"{").status_code == 400
    assert ask(guard, "POST", JOIN, content=b"[" * 100_000).status_code == 400
    # two keys of one name: the one that Python takes is checked
    twice = '{"path": "/etc/passwd", "path": "/etc/passwd"}'
    assert ask(guard, "POST", JOIN, content=twice).status_code == 403
    body = json.dumps({"data": [1, 2]}).encode()
    assert ask(guard, "POST", JOIN, content=body).text == str(len(body))


async def chunks(count: int, size: int, pause: float = 0.0) -> AsyncIterator[bytes]:
    for _ in range(count):
        await asyncio.sleep(pause)
        yield b"x" * size


def test_uploads_are_limited_by_what_comes(guard: Guard) -> None:
    assert ask(guard, "POST", UPLOAD, content=chunks(10, LARGEST // 10)).text == str(LARGEST)
    # without a length, and with one
    assert ask(guard, "POST", UPLOAD, content=chunks(40, LARGEST // 10)).status_code == 413
    assert ask(guard, "POST", UPLOAD, content=b"x" * 4 * LARGEST).status_code == 413
    answer = ask(guard, "POST", UPLOAD, headers={"content-length": "-1"}, content=chunks(1, 1))
    assert answer.status_code == 413 and guard.uploads.uploading == 0


def test_an_upload_that_pauses_is_ended(guard: Guard) -> None:
    assert ask(guard, "POST", UPLOAD, content=chunks(3, 10, pause=0.01)).is_success
    assert ask(guard, "POST", UPLOAD, content=chunks(3, 10, pause=0.6)).status_code == 408
    assert guard.uploads.uploading == 0


def test_a_few_uploads_at_a_time(guard: Guard) -> None:
    async def request() -> list[int]:
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            sent = [client.post(UPLOAD, content=chunks(4, 10, pause=0.1)) for _ in range(12)]
            return [answer.status_code for answer in await asyncio.gather(*sent)]

    statuses = asyncio.run(request())
    assert statuses.count(200) == 4 and statuses.count(503) == 8 and guard.uploads.uploading == 0


def test_a_full_disk_is_left_room(guard: Guard) -> None:
    with (guard.storage.work / "large.tif").open("wb") as file:
        file.truncate(11 * LARGEST)
    assert ask(guard, "POST", UPLOAD, content=b"x").status_code == 507


def test_old_uploads_go_unless_they_are_results(guard: Guard) -> None:
    uploads = guard.storage.uploads
    for name in ("old", "out-0123", "new"):
        (uploads / name).mkdir()
        (uploads / name / "a.tif").write_bytes(b"1")
    for name in ("old", "out-0123"):
        os.utime(uploads / name, (0, 0))
    assert ask(guard, "POST", UPLOAD, content=b"x").is_success
    assert sorted(path.name for path in uploads.iterdir()) == ["new", "out-0123"]


def test_answers_forbid_other_hosts(guard: Guard) -> None:
    for path in ("/", "/nothing"):
        answer = ask(guard, "GET", path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "http" not in policy and answer.headers["x-content-type-options"] == "nosniff"
