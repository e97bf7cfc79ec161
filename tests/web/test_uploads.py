"""Uploads that no browser would send, or that many send at once, to a running page: each is
answered in a line, none leaves a file, and the next visitor is served.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("gradio")
import httpx

from geoseg.web.server import Page
from tests.scenes import buildings, red_model, write_scene
from tests.web.visitor import Visitor, file, serving

TYPE = "multipart/form-data; boundary=b"
TEXT = b'Content-Disposition: form-data; name="files"'


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    model = red_model(tmp_path_factory.mktemp("model") / "red.onnx")
    with serving((model,), max_upload=1_000_000) as running:
        yield running


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("scene")
    return write_scene(folder / "town.tif", buildings(60, 90)).read_bytes()


@pytest.fixture(autouse=True)
def quiet_and_tidy(page: Page, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """No traceback in the server's log, no process at work, no file that nobody will take."""
    yield
    for _ in range(50):  # the server notices the end of a connection a moment later
        if not left(page) and not page.application.uploads.uploading:
            break
        time.sleep(0.1)
    assert left(page) == [] and page.application.uploads.uploading == 0
    assert not page.jobs.running
    err = capfd.readouterr().err
    assert "Traceback" not in err and "ERROR" not in err, err


def left(page: Page) -> list[Path]:
    return [path for path in page.storage.uploads.rglob("*") if path.is_file()]


def part(content: bytes, filename: bytes, field: bytes = b"files") -> tuple[bytes, bytes]:
    head = b'Content-Disposition: form-data; name="%s"; filename="%s"' % (field, filename)
    return head, content


def body(*parts: tuple[bytes, bytes], end: bytes = b"--b--\r\n") -> bytes:
    return b"".join(b"--b\r\n%s\r\n\r\n%s\r\n" % each for each in parts) + end


def post(page: Page, content: bytes, type: str = TYPE, query: str = "") -> tuple[int, bytes]:
    """Status and body of the answer to an upload, bytes as they are."""
    head = (
        f"POST /gradio_api/upload{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {type}\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(page.socket.getsockname(), timeout=20) as connection:
        connection.sendall(head.encode("latin-1") + content)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(answer.split(b" ")[1]), answer.partition(b"\r\n\r\n")[2]


def test_files_are_handed_out_on_the_connection_of_an_upload(page: Page, scene: bytes) -> None:
    """As a browser does, which keeps it for what comes next; a body so large pauses the reading."""
    content = scene * 30
    one_connection = httpx.Limits(max_connections=1)
    with httpx.Client(base_url=page.url, limits=one_connection, trust_env=False) as client:
        first, second = (
            client.post("/gradio_api/upload", files={"files": (name, content)}).json()[0]
            for name in ("first.tif", "second.tif")
        )
        for path in (first, second):
            answer = client.get(f"/gradio_api/file={path}")
            assert (answer.status_code, answer.content) == (200, content)
    for path in (first, second):  # which nobody takes
        Path(path).unlink()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"../../../etc/x.tif", "x.tif"),
        (b"C:\\maps\\x.tif", "x.tif"),
        (b"x.tif/", "x.tif"),
        (b"a" * 251 + b".tif", "a" * 60 + ".tif"),
        ("日本語".encode() * 40 + b".tif", "scene.tif"),
        (b"\xe9\xff.tif", "ey.tif"),
        (b"a\0b\nc.tif", "abc.tif"),
        (b"a\x1b[31m\xe2\x80\xaefit.tif", "a_31mfit.tif"),
        (b"con", "con.tif"),
        (b"-rf", "rf.tif"),
        (b".tif", "tif.tif"),
        (b"", ".tif"),
        (b".", ".tif"),
        (b"town.html", "town.tif"),
        (b"vsizip.exe", "vsizip.tif"),
    ],
)
def test_a_scene_of_any_name_is_a_scene(page: Page, scene: bytes, name: bytes, shown: str) -> None:
    status, answer = post(page, body(part(scene, name)))
    assert status == 200, answer
    (stored,) = json.loads(answer)
    seen = Visitor(page.url).act("upload_scene", file(stored, "x"))["status"]
    assert f"{shown} · GTiff · 90 x 60 pixels" in seen, seen


@pytest.mark.parametrize("name", ["a.tif", "a.html", "a.svg", "a.zip", "a"])
@pytest.mark.parametrize("content", [b"", b"<svg onload='alert(1)'/>", b"PK\3\4", b"<VRTDataset>"])
def test_what_is_no_scene_is_refused_by_its_bytes(page: Page, name: str, content: bytes) -> None:
    visitor = Visitor(page.url)
    (stored,) = visitor.upload(name, content).json()
    handed = visitor.client.get(f"/gradio_api/file={stored}").headers
    assert handed["content-disposition"].startswith("attachment")  # not shown as HTML
    seen = visitor.act("upload_scene", file(stored, name))["status"]
    assert 'role="alert"' in seen and str(page.storage.root) not in seen and len(seen) < 600, seen


MALFORMED = {
    "no file": (body((TEXT, b"x")), TYPE, ""),
    "no file, with progress": (body((TEXT, b"x")), TYPE, "?upload_id=a"),
    "no field": (body((b"X: y", b"x")), TYPE, ""),
    "a folder": (body(part(b"x", b"..")), TYPE, ""),
    "a long header": (body(part(b"x", b"a" * 9000)), TYPE, ""),
    "a line in a name": (body(part(b"x", b"a\rb.tif")), TYPE, ""),
    "too many": (body(*(part(b"", b"%d.tif" % n) for n in range(1001))), TYPE, ""),
    "too large": (body(part(bytes(1_050_000), b"a.tif")), TYPE, ""),
    "a surrogate": (body(part(b"x", b"a\\ud800.tif")), f"{TYPE}; charset=unicode_escape", ""),
    "no encoding": (body(part(b"x", b"a.tif")), f"{TYPE}; charset=undefined", ""),
    "no border": (body(part(b"x", b"a.tif")), "multipart/form-data", ""),
    "another border": (body(part(b"x", b"a.tif")), "multipart/form-data; boundary=other", ""),
    "a long border": (body(part(b"x", b"a.tif")), TYPE + "z" * 5000, ""),
    "another type": (body(part(b"x", b"a.tif")), "application/json", ""),
}


@pytest.mark.parametrize(("content", "type", "query"), MALFORMED.values(), ids=MALFORMED)
def test_bodies_that_no_browser_sends_are_refused(
    page: Page, content: bytes, type: str, query: str
) -> None:
    status, answer = post(page, content, type, query)
    assert status in (400, 413) and len(answer) < 200, answer


@pytest.mark.parametrize(
    "content",
    [
        b"",
        body(),
        body(part(b"x", b"a.tif", b"other")),
        body(part(b"x", b"a.tif"), end=b""),
        b"--b\r\n" + part(b"", b"a.tif")[0] + b"\r\n\r\nhalf of",
    ],
    ids=["nothing", "no parts", "another field", "no end", "half of a file"],
)
def test_bodies_without_a_whole_file_keep_nothing(page: Page, content: bytes) -> None:
    assert post(page, content) == (200, b"[]")


def test_of_several_files_one_is_taken_and_none_is_left(page: Page, scene: bytes) -> None:
    _, answer = post(page, body(part(scene, b"a.tif"), part(scene, b"b.tif"), part(b"", b"c")))
    first, second, _ = json.loads(answer)
    assert "b.tif · GTiff" in Visitor(page.url).act("upload_scene", file(second, "b"))["status"]
    gone = Visitor(page.url).act("upload_scene", file(first, "a"))["status"]
    assert "no file that was uploaded here" in gone


@pytest.mark.parametrize("encoding", ["Content-Length: 400000", "Transfer-Encoding: chunked"])
def test_uploads_that_break_off_leave_nothing(page: Page, scene: bytes, encoding: str) -> None:
    head = f"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: {TYPE}\r\n"
    begun = body(part(scene, b"town.tif"), end=b"")
    chunk = b"%x\r\n%s" % (len(begun) + 9, begun)
    for _ in range(8):  # twice as many as may be under way
        with socket.create_connection(page.socket.getsockname()) as connection:
            content = chunk if "chunked" in encoding else begun
            connection.sendall(f"{head}{encoding}\r\n\r\n".encode() + content)
            time.sleep(0.1)
    for _ in range(50):
        status, answer = post(page, body(part(scene, b"town.tif")))
        if status == 200:
            break
        time.sleep(0.1)
    (stored,) = json.loads(answer)
    assert "town.tif ·" in Visitor(page.url).act("upload_scene", file(stored, "town.tif"))["status"]


def test_a_file_that_many_send_is_everyone_s(page: Page, scene: bytes, tmp_path: Path) -> None:
    path = tmp_path / "town.tif"
    path.write_bytes(scene)
    visitors = [Visitor(page.url) for _ in range(20)]
    sent = [visitor.uploaded(path) for visitor in visitors]
    assert len({each["path"] for each in sent}) == 20
    ready = threading.Barrier(20)

    def look(number: int) -> str:
        ready.wait()
        for _ in range(100):  # the queue holds as many, those before them included
            answer = visitors[number].join("upload_scene", sent[number])
            if answer.status_code == 200:
                break
            assert answer.status_code == 503
            time.sleep(0.1)
        return str(visitors[number]._results(answer.json()["event_id"])["status"])

    with ThreadPoolExecutor(20) as pool:
        for status in pool.map(look, range(20)):
            assert "town.tif · GTiff" in status
