"""Drafts have names that file systems allow, and those of dead runs are removed by the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from geoseg.errors import OutputError
from geoseg.io.atomic import atomic, atomic_folder, discard_drafts
from geoseg.io.drafts import LONGEST, abandoned, draft_of

KILLED = """
import os, signal, sys
from pathlib import Path
from geoseg.io.atomic import atomic, atomic_folder
path = Path(sys.argv[1])
kind = atomic_folder if path.suffix == "" else atomic
with kind(path, True) as draft:
    if path.suffix:
        draft.write_text("half")
        draft.with_name(draft.name + "-journal").write_text("half")
    else:
        (draft / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["out.gpkg", "chips"])
def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with (atomic_folder if name == "chips" else atomic)(path) as draft:
        (draft / "old").write_text("old") if name == "chips" else draft.write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == (2 if name == "chips" else 3)
    with (atomic_folder if name == "chips" else atomic)(path, True) as draft:
        (draft / "new").write_text("new") if name == "chips" else draft.write_text("new")
    assert names(tmp_path) == [name]


def test_drafts_of_the_living_and_of_others_stay(tmp_path: Path) -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        own = draft_of(tmp_path / "out.gpkg")
        living = own.with_name(own.name.replace(str(os.getpid()), str(sleeper.pid)))
        elsewhere = own.with_name(".out.partial-ffffff-999999999.gpkg")
        other = own.with_name(own.name.replace(".out.", ".outer.").replace(str(os.getpid()), "9"))
        for path in (living, elsewhere, other):
            path.write_text("draft")
        assert list(abandoned(tmp_path / "out.gpkg")) == []
    finally:
        sleeper.kill()
        sleeper.wait()
    time.sleep(0)
    assert list(abandoned(tmp_path / "out.gpkg")) == [living]


@pytest.mark.parametrize("stem", ["a" * 250, "ü" * 125, "short"])
def test_the_longest_names_have_drafts(tmp_path: Path, stem: str) -> None:
    path = tmp_path / f"{stem}.tif"
    with atomic(path) as draft:
        assert len(os.fsencode(draft.name)) <= LONGEST
        draft.with_name(draft.name + ".warped.tif.tmp").write_text("beside it")
        draft.write_text("whole")
    assert path.read_text() == "whole" and names(tmp_path) == [path.name]


def test_a_pipe_is_no_output(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    with (
        pytest.raises(OutputError, match=r"pipe\.tif: is a device or a pipe"),
        atomic(tmp_path / "pipe.tif", True),
    ):
        pass
    assert names(tmp_path) == ["pipe.tif"]


def test_drafts_are_discarded_to_which_threads_still_add(tmp_path: Path) -> None:
    def add() -> None:
        for number in range(100_000):
            try:
                (folder / "images" / f"{number}.tif").touch()
            except OSError:  # there is nothing to add to any more
                return
            time.sleep(0.0002)

    with pytest.raises(OutputError), atomic_folder(tmp_path / "chips") as folder:
        (folder / "images").mkdir()
        writers = [threading.Thread(target=add) for _ in range(3)]
        for writer in writers:
            writer.start()
        time.sleep(0.2)
        discard_drafts()
        for writer in writers:
            writer.join()
        assert list(tmp_path.iterdir()) == []
        raise OutputError("ended")
