"""The yardstick: tests skip and say why where the wheel of solaris cannot be had."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.parity.solaris_wheel import Unavailable, fetch, load


@pytest.fixture(scope="session")
def solaris(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    kept = getattr(pytestconfig, "cache", None)
    try:
        return load(fetch(kept.mkdir("solaris") if kept else tmp_path_factory.mktemp("solaris")))
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def solaris_data(solaris: ModuleType) -> Path:
    """Folder of the imagery, labels and results that come with solaris."""
    return Path(solaris.__file__).parent / "data"
