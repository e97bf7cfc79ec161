import errno
from pathlib import Path

import pytest

from geoseg.errors import OutputError
from geoseg.io.atomic import SIDECARS, atomic, atomic_folder, check_output, remove


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "mask.tif"
    with atomic(path) as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".tif" and temporary != path
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole" and names(tmp_path) == ["mask.tif"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, OSError])
def test_an_exception_leaves_nothing(tmp_path, error):
    with pytest.raises(error), atomic(tmp_path / "mask.tif") as temporary:
        temporary.write_text("half")
        for suffix in SIDECARS:
            temporary.with_name(temporary.name + suffix).write_text("beside")
        raise error
    assert names(tmp_path) == []


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "mask.tif"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic(path, overwrite=True) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    path.with_name("mask.tif.aux.xml").write_text("statistics of the old one")
    path.with_name("mask.tif.ovr").write_text("overviews of the old one")
    with atomic(path, overwrite=True) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and names(tmp_path) == ["mask.tif"]


def test_what_cannot_be_written(tmp_path):
    (tmp_path / "mask.tif").write_text("old")
    (tmp_path / "folder.tif").mkdir()
    for path, message in (
        (tmp_path / "mask.tif", r"mask\.tif: exists already \(use `overwrite`"),
        (tmp_path / "folder.tif", r"folder\.tif: is a folder \(name a file"),
        (tmp_path / "none" / "mask.tif", "the folder .*none does not exist"),
    ):
        with pytest.raises(OutputError, match=message), atomic(path) as temporary:
            temporary.write_text("x")
    with (
        pytest.raises(OutputError, match=r"new\.tif: cannot be written: denied"),
        atomic(tmp_path / "new.tif") as temporary,
    ):
        raise PermissionError(errno.EACCES, "denied", str(temporary))
    with pytest.raises(PermissionError), atomic(tmp_path / "new.tif"):
        raise PermissionError(errno.EACCES, "denied", "another file")
    assert check_output(tmp_path / "mask.tif", overwrite=True) == tmp_path / "mask.tif"


@pytest.mark.parametrize("make", [atomic, atomic_folder])
def test_a_full_disk_is_said(tmp_path, make):
    with (
        pytest.raises(OutputError, match="out: the disk is full") as caught,
        make(tmp_path / "out"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.exit_code == 6 and names(tmp_path) == []


def test_a_folder_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "chips"
    path.mkdir()
    with atomic_folder(path) as temporary:
        (temporary / "images").mkdir()
        (temporary / "images" / "one.tif").write_text("1")
        assert names(path) == []
    assert names(path) == ["images"] and names(tmp_path) == ["chips"]


def test_an_exception_leaves_no_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "chips") as temporary:
        (temporary / "one.tif").write_text("1")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_the_old_folder_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "chips"
    path.mkdir()
    (path / "index").write_text("old")
    with pytest.raises(OutputError, match="exists already"), atomic_folder(path):
        pass
    with pytest.raises(RuntimeError), atomic_folder(path, overwrite=True):
        raise RuntimeError
    assert (path / "index").read_text() == "old" and names(tmp_path) == ["chips"]
    with atomic_folder(path, overwrite=True, marker="index") as temporary:
        (temporary / "index").write_text("new")
        assert (path / "index").read_text() == "old"
    assert (path / "index").read_text() == "new" and names(tmp_path) == ["chips"]


def test_the_old_folder_comes_back_where_the_new_one_cannot_take_its_place(tmp_path):
    path = tmp_path / "chips"
    path.mkdir()
    (path / "index").write_text("old")
    with pytest.raises(FileNotFoundError), atomic_folder(path, overwrite=True) as temporary:
        temporary.rmdir()
    assert (path / "index").read_text() == "old" and names(tmp_path) == ["chips"]


def test_a_folder_of_something_else_is_never_replaced(tmp_path, monkeypatch):
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "letter.txt").write_text("dear")
    monkeypatch.chdir(tmp_path)
    for path in ("documents", ".", tmp_path / "documents"):
        with (
            pytest.raises(OutputError, match=r"holds no index\.parquet"),
            atomic_folder(path, True, marker="index.parquet"),
        ):
            pass
    assert (tmp_path / "documents" / "letter.txt").read_text() == "dear"
    with (
        pytest.raises(OutputError, match="is no folder"),
        atomic_folder(tmp_path / "documents" / "letter.txt", overwrite=True),
    ):
        pass
    with (
        pytest.raises(OutputError, match="does not exist"),
        atomic_folder(tmp_path / "none" / "chips"),
    ):
        pass


def test_removing_a_link_leaves_what_it_names(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    remove(tmp_path / "link")
    assert names(tmp_path) == ["real"]
