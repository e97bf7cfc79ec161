"""What all tests share: ``--slow``, the public sample data, the scene in ``sample_data/``."""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import _pytest.faulthandler
import pytest
from hypothesis import settings

# Before torch is loaded, for this process and those it starts. Its threads spin while they wait for
# each other; where another process has their processor they spin for as long as that computes, and
# what takes a minute takes four.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))

# no test may fail for being slow: machines are shared
settings.register_profile("geoseg", deadline=None)
settings.load_profile("geoseg")

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "sample_data"
SHARED = ROOT.parent / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the heavy tests too")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two processes for all tests; one for a part of them, which would wait longer for another to
    start, and for heavy ones, some of which take most of a machine.
    """
    part = config.known_args_namespace.file_or_dir
    return 0 if part or config.getoption("--slow") else 2


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        skip = pytest.mark.skip(reason="heavy; runs with --slow")
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(skip)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let a crash show its traceback after a training too: at its end Lightning sets all signals to
    the handlers that Python knows, and faulthandler's it does not.
    """
    key = getattr(_pytest.faulthandler, "fault_handler_stderr_fd_key", None)
    stderr = item.config.stash.get(key, None) if key else None
    if stderr is not None and "lightning" in sys.modules:
        faulthandler.disable()
        faulthandler.enable(stderr)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of public imagery beside the checkout; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no public imagery at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def sample_scene() -> Path:
    """The scene that the README's commands run on."""
    return SAMPLE / "scene.tif"


@pytest.fixture(scope="session")
def sample_footprints() -> Path:
    """The true footprints of ``sample_scene``."""
    return SAMPLE / "footprints.gpkg"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX model that finds the red roofs of ``tests.scenes``, pixel by pixel."""
    from tests.scenes import red_model

    return red_model(tmp_path_factory.mktemp("model") / "red.onnx")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GeoPackage that another program has locked is waited for a moment, not for seconds."""
    monkeypatch.setattr("geoseg.io.vector.sqlite.PATIENCE", 0.1)


@pytest.fixture(scope="session")
def scheduler() -> Iterator[str]:
    """The address of a Dask scheduler with two workers in this process."""
    distributed = pytest.importorskip("distributed")
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(processes=False, protocol="tcp", **settings) as cluster:
        yield cluster.scheduler_address
