"""Files over https from a server of its own on this machine, with a certificate of its own."""

from __future__ import annotations

import http.server
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def served(folder: Path, files: Mapping[str, bytes | int | str]) -> Iterator[tuple[str, Path]]:
    """Its address ``https://127.0.0.1:PORT`` and its certificate, which is put into ``folder``.

    ``files`` maps paths to what is answered: content, a status, or the address of a redirect.
    """
    key, certificate = folder / "k.pem", folder / "c.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
    names = ["subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run([*make.split(), *names], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl")
    handler = type("Handler", (_Answers,), {"files": files})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_address[1]}", certificate
    server.shutdown()


def trust(certificate: Path) -> dict[str, str]:
    """Environment in which GDAL and Python take ``certificate``."""
    return {"GDAL_CURL_CA_BUNDLE": str(certificate), "SSL_CERT_FILE": str(certificate)}


class _Answers(http.server.BaseHTTPRequestHandler):
    files: Mapping[str, bytes | int | str]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        data = self.files.get(self.path.partition("?")[0], 404)
        if isinstance(data, int):
            self.send_error(data)
            return
        if isinstance(data, str):
            self.send_response(302)
            self.send_header("Location", data)
            self.end_headers()
            return
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
