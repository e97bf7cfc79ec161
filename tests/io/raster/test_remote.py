"""Why a remote scene cannot be read is in the message: a server with a certificate of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.io.raster.pictures import picture, save
from tests.io.raster.served import served, trust

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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Its address and its certificate."""
    folder = tmp_path_factory.mktemp("server")
    scene = save(folder / "s.tif", picture()).read_bytes()
    with served(folder, {"/s.tif": scene, "/private.tif": 403, "/broken.tif": 503}) as server:
        yield server


def opened(address: str, certificate: Path | None) -> str:
    """What opening says, in a process of its own: GDAL remembers what it did not get."""
    trusted = trust(certificate) if certificate else {}
    path = {"PYTHONPATH": ":".join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", OPEN, address], capture_output=True, text=True, env=trusted | path
    ).stdout.strip()


def test_a_remote_scene_is_read(server: tuple[str, Path]) -> None:
    address, certificate = server
    printed = opened(f"{address}/s.tif", certificate)
    assert printed == f"read {picture().sum(dtype=int)}"


@pytest.mark.parametrize(
    ("name", "cause"), [("private", "403"), ("gone", "404"), ("broken", "503")]
)
def test_the_status_is_said(server: tuple[str, Path], name: str, cause: str) -> None:
    scene = f"{server[0]}/{name}.tif"
    printed = opened(scene, server[1])
    assert printed == f"3 {scene}: cannot be read: HTTP response code: {cause}"


def test_a_certificate_that_is_not_trusted(server: tuple[str, Path]) -> None:
    printed = opened(f"{server[0]}/s.tif", None)
    assert printed.startswith("3 https://127.0.0.1:") and "certificate" in printed


def test_a_refused_connection(server: tuple[str, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    printed = opened(f"https://127.0.0.1:{port}/x.tif", server[1])
    assert printed.startswith(
        f"3 https://127.0.0.1:{port}/x.tif: cannot be read: Failed to connect"
    )


def test_an_unknown_host() -> None:
    printed = opened("https://geoseg.invalid/x.tif", None)
    assert printed == (
        "3 https://geoseg.invalid/x.tif: cannot be read: Could not resolve host: geoseg.invalid"
    )
