"""Journals outlive their process, and know whose they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from geoseg.errors import UsageError
from geoseg.io.journal import Journal, stamp

PLAN = {"scenes": ["a.tif", "b.tif"], "size": 64}


def test_what_was_added_is_there_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", PLAN)
    journal.add("a 0", [[1, 0.3333333333333333], [2, 1.0]])
    journal.add("a 32", [])
    again = Journal(tmp_path / "journal", dict(reversed(PLAN.items())))
    assert again.done == {"a 0": [[1, 0.3333333333333333], [2, 1.0]], "a 32": []}


def test_a_torn_line_was_not_written(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path, PLAN)
    journal.add("first", 1)
    journal.add("second", 2)
    path.write_text(path.read_text()[:-4])
    again = Journal(path, PLAN)
    assert again.done == {"first": 1}
    again.add("second", 3)
    assert Journal(path, PLAN).done == {"first": 1, "second": 3}


def test_a_header_that_was_torn_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text('{"scen')
    assert Journal(tmp_path / "journal", PLAN).done == {}
    Journal(tmp_path / "journal", PLAN).add("x", 1)
    assert Journal(tmp_path / "journal", PLAN).done == {"x": 1}


@pytest.mark.parametrize("odd", [bytes(30), b"\xff\xfe", b"{}", b"[1, 2, 3]", b"[1, 2]", b"7"])
def test_what_follows_an_unreadable_line_was_not_written(tmp_path: Path, odd: bytes) -> None:
    path = tmp_path / "journal"
    journal = Journal(path, PLAN)
    journal.add("first", 1)
    with path.open("ab") as file:
        file.write(odd + b"\n")
    journal.add("second", 2)

    again = Journal(path, PLAN)
    assert again.done == {"first": 1}
    again.add("second", 3)
    assert Journal(path, PLAN).done == {"first": 1, "second": 3}


def test_another_plan_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "journal", PLAN)
    with pytest.raises(UsageError, match="different scenes or settings"):
        Journal(tmp_path / "journal", PLAN | {"size": 128})


def test_a_stamp_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "scene.tif"
    path.write_bytes(b"one")
    first = stamp(str(path))
    path.write_bytes(b"other")
    assert stamp(str(path)) != first
    assert stamp("https://example.org/scene.tif") == (0, 0)
