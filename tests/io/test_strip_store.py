"""Strips that outlive the process that computed them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from geoseg.core.strips import Strip
from geoseg.errors import InputError
from geoseg.io.strip_store import JOURNAL, StripStore

PLAN = {"scene": "a.tif"}
COLS = 7


def strip(row: int) -> Strip:
    probability = np.full((2, 3, COLS), row / 10, np.float32)
    return row * 3, probability, np.arange(3 * COLS).reshape(3, COLS) % (row + 2) == 0


def shared(row: int) -> np.ndarray:
    return np.full((2, 4, COLS), row, np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three rows that are done."""
    store = StripStore(tmp_path / "kept", PLAN)
    for row in range(3):
        store.put(strip(row))
        store.commit(row, shared(row))
    return tmp_path / "kept"


def test_what_was_done_is_there_again(folder: Path) -> None:
    store = StripStore(folder, PLAN)

    assert store.rows == 3
    for row, found in enumerate(store.finished()):
        for mine, other in zip(found, strip(row), strict=True):
            np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(store.shared(), shared(2))


def last_line_lost(folder: Path) -> None:
    journal = folder / JOURNAL
    journal.write_bytes(re.sub(rb"[^\n]+\n$", bytes(20) + b"\n", journal.read_bytes()))


def row_lost(folder: Path) -> None:
    (folder / "row-000001").unlink()


@pytest.mark.parametrize("lose", [last_line_lost, row_lost])
def test_a_job_that_lost_something_begins_again(lose: Callable[[Path], None], folder: Path) -> None:
    lose(folder)

    store = StripStore(folder, PLAN)
    assert store.rows == 0
    assert store.shared() is None
    store.put(strip(0))
    store.commit(0, shared(0))
    again = StripStore(folder, PLAN)
    assert again.rows == 1
    np.testing.assert_array_equal(again.shared(), shared(0))


@pytest.mark.parametrize("at", [0, 20, 60, -1])
def test_a_damaged_strip_is_named(at: int, folder: Path) -> None:
    file = folder / "row-000001"
    content = bytearray(file.read_bytes())
    content[at] ^= 4
    file.write_bytes(content)

    with pytest.raises(InputError, match="row-000001: cannot be read: it is damaged"):
        list(StripStore(folder, PLAN).finished())


def test_an_empty_strip_is_damaged_too(folder: Path) -> None:
    (folder / "row-000001").write_bytes(b"")

    with pytest.raises(InputError, match="row-000001: cannot be read: it is damaged"):
        list(StripStore(folder, PLAN).finished())
