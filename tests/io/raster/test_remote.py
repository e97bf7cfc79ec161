"""Why a remote scene cannot be read is in the message: a server with a certificate of its own."""

from __future__ import annotations

import http.server
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.io.raster.pictures import picture, save

OPEN = """
import sys
from geoseg.errors import GeosegError
from geoseg.io.raster.scene import open_scene
try:
    with open_scene(sys.argv[1]) as scene:
        print("read", int(scene.read().image.sum()))
except GeosegError as error:
    print(error.exit_code, error)
"""


class Answers(http.server.BaseHTTPRequestHandler):
    scene: bytes

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path != "/s.tif":
            self.send_error({"/private.tif": 403, "/broken.tif": 503}.get(self.path, 404))
            return
        data = self.scene
        part = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        self.send_response(206 if part else 200)
        if part:
            first, last = int(part[1]), min(int(part[2] or len(data)), len(data) - 1)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
            data = data[first : last + 1]
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Its port on 127.0.0.1 and its certificate."""
    folder = tmp_path_factory.mktemp("server")
    key, certificate = folder / "k.pem", folder / "c.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
    files = ["subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run([*make.split(), *files], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl")
    Answers.scene = save(folder / "s.tif", picture()).read_bytes()
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    served.socket = context.wrap_socket(served.socket, server_side=True)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield served.server_address[1], certificate
    served.shutdown()


def opened(address: str, certificate: Path | None) -> str:
    """What opening says, in a process of its own: GDAL remembers what it did not get."""
    trust = {"GDAL_CURL_CA_BUNDLE": str(certificate)} if certificate else {}
    path = {"PYTHONPATH": ":".join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", OPEN, address], capture_output=True, text=True, env=trust | path
    ).stdout.strip()


def test_a_remote_scene_is_read(server: tuple[int, Path]) -> None:
    port, certificate = server
    said = opened(f"https://127.0.0.1:{port}/s.tif", certificate)
    assert said == f"read {picture().sum(dtype=int)}"


@pytest.mark.parametrize(
    ("name", "cause"), [("private", "403"), ("gone", "404"), ("broken", "503")]
)
def test_the_status_is_said(server: tuple[int, Path], name: str, cause: str) -> None:
    port, certificate = server
    said = opened(f"https://127.0.0.1:{port}/{name}.tif", certificate)
    address = f"https://127.0.0.1:{port}/{name}.tif"
    assert said == f"3 {address}: cannot be read: HTTP response code: {cause}"


def test_a_certificate_that_is_not_trusted(server: tuple[int, Path]) -> None:
    said = opened(f"https://127.0.0.1:{server[0]}/s.tif", None)
    assert said.startswith("3 https://127.0.0.1:") and "certificate" in said


def test_a_refused_connection(server: tuple[int, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    said = opened(f"https://127.0.0.1:{port}/x.tif", server[1])
    assert said.startswith(f"3 https://127.0.0.1:{port}/x.tif: cannot be read: Failed to connect")


def test_an_unknown_host() -> None:
    said = opened("https://geoseg.invalid/x.tif", None)
    assert said == (
        "3 https://geoseg.invalid/x.tif: cannot be read: Could not resolve host: geoseg.invalid"
    )
