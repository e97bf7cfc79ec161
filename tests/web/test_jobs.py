"""Steps run in processes that have limits, and what is wrong comes back as one line."""

from __future__ import annotations

import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from geoseg.errors import GeosegError, ResourceError
from geoseg.specs import ServeSpec
from geoseg.web.jobs import Jobs
from tests.scenes import buildings, write_scene

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    write_scene(tmp_path / "scene.tif", buildings(300, 420))
    (tmp_path / "probability").mkdir()

    def of(step: str, limits: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        jobs = Jobs(ServeSpec(**limits))
        return jobs.run(step, tmp_path, arguments, lambda stage, part: None)

    return of


def png(height: int, width: int) -> bytes:
    """A black PNG that claims ``height`` x ``width`` pixels and holds a few rows of them."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + check

    shape = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    rows = zlib.compress(bytes(10 * (3 * width + 1)))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", shape + b"\x08\x02\0\0\0")
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


def test_a_step_gives_its_result(run: Run) -> None:
    seen = run("look", {}, scene="scene.tif", max_pixels=1)
    assert seen["about"]["width"] == 420 and seen["map"]["scene"].startswith("data:image/webp")


def test_a_scene_is_measured_before_it_is_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png(40_000, 60_000))
    with pytest.raises(
        GeosegError, match=r"bomb.png: has 2,400.0 megapixels, this page takes up to 100"
    ):
        run("look", {}, scene="bomb.png", max_pixels=100)
    with pytest.raises(GeosegError, match=r"has 0.1 megapixels, this page takes up to 0.01"):
        run("look", {}, scene="scene.tif", max_pixels=0.01)


BUNDLED = {"scene": "scene.tif", "probability": "probability/scene.tif", "model": "bundled", "gsd": None}  # fmt: skip


@pytest.mark.parametrize("most", [150_000_000, 250_000_000])
def test_memory_has_a_limit(run: Run, most: int) -> None:
    with pytest.raises(ResourceError, match=f"more than the {most // 10**6} MB of memory"):
        run("find", {"max_memory": most}, **BUNDLED)


def test_time_has_a_limit(run: Run, tmp_path: Path) -> None:
    (tmp_path / "scene.tif").unlink()
    write_scene(tmp_path / "scene.tif", buildings(2400, 3600))  # seconds of work
    start = time.monotonic()
    with pytest.raises(ResourceError, match="longer than the 1 s that the page allows"):
        run("find", {"max_seconds": 1}, **BUNDLED)
    assert time.monotonic() - start < 30
    # nor does it leave temporary files
    assert {path.name for path in tmp_path.iterdir()} == {"scene.tif", "probability"}


def test_steps_end_with_the_server(run: Run, tmp_path: Path) -> None:
    jobs = Jobs(ServeSpec())
    with ThreadPoolExecutor(1) as pool:
        step = pool.submit(jobs.run, "find", tmp_path, BUNDLED, lambda stage, part: None)
        while not jobs.running and not step.done():
            time.sleep(0.01)
        jobs.close()
        with pytest.raises(ResourceError, match="this broke off"):
            step.result(60)


def test_what_is_wrong_with_a_file_is_one_line(run: Run, tmp_path: Path) -> None:
    whole = (tmp_path / "scene.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(GeosegError, match=r"^cut.tif: .*") as caught:
        run("look", {}, scene="cut.tif", max_pixels=100)
    assert str(tmp_path) not in str(caught.value) and caught.value.exit_code == 3


def test_nothing_is_sent_when_openvino_is_imported() -> None:
    code = "import sys, geoseg.web.preloaded; print(sys.modules.get('openvino_telemetry'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"


def test_a_bug_is_called_one(run: Run) -> None:
    with pytest.raises(GeosegError, match="this is a bug in geoseg"):
        run("look", {}, scene="scene.tif", max_pixels="many")
