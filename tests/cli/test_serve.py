"""`geoseg serve`: it says where the page is, ends by Ctrl-C, and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from geoseg.cli.main import run
from geoseg.errors import UsageError
from geoseg.specs.serve import byte_count, byte_text


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder with a name short enough for sockets, which those of tests are not."""
    with TemporaryDirectory(prefix="serve-", dir="/tmp") as folder:
        yield Path(folder)


def test_it_serves_until_it_is_interrupted(temporary: Path) -> None:
    httpx = pytest.importorskip("httpx")
    from tests.web.visitor import Visitor

    command = [sys.executable, "-m", "geoseg", "serve", "--port", "0", "--json"]
    environment = os.environ | {"TMPDIR": str(temporary)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    ) as server:
        assert server.stdout and server.stderr
        try:
            report = json.loads(server.stdout.readline())
            assert report["command"] == "serve" and len(report["models"]) == 2
            assert httpx.get(report["url"], trust_env=False).status_code == 200
            assert len(list(temporary.glob("geoseg-serve-*"))) == 1
            # a step, for which there is a process that other steps are forked from
            seen = Visitor(report["url"]).act("choose_sample", "Village: photo without coordinates")
            assert "village.jpg ·" in seen["status"]
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 130
            assert server.stderr.read().strip() == "Error: interrupted"
        finally:
            server.kill()  # else a failure would wait for it for ever
    assert list(temporary.iterdir()) == []


def test_a_folder_for_temporary_files_needs_a_short_name(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    command = [sys.executable, "-m", "geoseg", "serve", "--port", "0"]
    environment = os.environ | {"TMPDIR": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 7
    assert "longlong: has too long a name" in done.stderr and "set TMPDIR" in done.stderr
    assert list(folder.iterdir()) == []


def test_a_port_that_is_taken_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(["serve", "--port", str(port)]) == 7
    assert f"127.0.0.1:{port}: cannot be served" in capsys.readouterr().err


def test_what_is_no_model_is_refused_at_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"text")
    assert run(["serve", "--port", "0", "-m", str(tmp_path / "model.onnx")]) == 5
    assert "model.onnx: is not a model" in capsys.readouterr().err
    assert run(["serve", "--port", "0", "-m", str(tmp_path / "none.onnx")]) == 3


def test_without_gradio_it_names_the_command_that_installs_it() -> None:
    code = (
        "import sys; sys.modules['gradio'] = None;"
        "from geoseg.cli.main import run; sys.exit(run(['serve', '--port', '0']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 7
    assert "gradio, which is not installed (pip install 'geoseg[web]')" in done.stderr


def test_sizes_have_units() -> None:
    assert [byte_count(t) for t in ("200MB", "4g", "1.5 kB", "17")] == [200 * 10**6, 4 * 10**9, 1500, 17]  # fmt: skip
    assert [byte_text(n) for n in (200 * 10**6, 4 * 10**9, 1500, 17)] == ["200 MB", "4 GB", "1.5 kB", "17 bytes"]  # fmt: skip
    for text in ("", "MB", "-1MB", "1TB", "1e9"):
        with pytest.raises(UsageError, match="is no size"):
            byte_count(text)
