"""A visitor's files: what is claimed, by which name, and that it goes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import GeosegError, InputError, SafetyError
from geoseg.io.safety import picture_driver
from geoseg.web.workspace import Storage, Workspace, file_name, storage
from tests.scenes import buildings, write_scene

VRT = b'<VRTDataset rasterXSize="1" rasterYSize="1"><SRS>/etc/passwd</SRS></VRTDataset>'


@pytest.fixture
def store(tmp_path: Path) -> Storage:
    made = Storage(tmp_path.resolve() / "store")
    for folder in (made.uploads, made.work):
        folder.mkdir(parents=True)
    return made


def upload(store: Storage, name: str, content: bytes) -> Path:
    folder = store.uploads / "0123"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def test_a_scene_is_moved_under_a_plain_name(store: Storage, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "a.tif", buildings(60, 90)).read_bytes()
    mine = Workspace.create(store)
    given = upload(store, "Müller's <b>scene<b>.PNG", scene)
    mine.take_scene(str(given))
    assert mine.scene == "Muller_s_b_scene_b.tif"  # what it is, not what it is called
    assert (mine.folder / mine.scene).read_bytes() == scene
    assert not given.exists()
    other = Workspace.create(store)
    with pytest.raises(SafetyError, match="no file that was uploaded here"):
        other.take_scene(str(given))
    with pytest.raises(SafetyError):
        other.take_scene(str(mine.folder / mine.scene))
    assert re.fullmatch(r"[0-9a-f]{32}", mine.folder.name) and mine.folder != other.folder
    assert mine.folder.stat().st_mode & 0o077 == 0


def test_no_other_file_is_claimed(store: Storage, tmp_path: Path) -> None:
    mine = Workspace.create(store)
    secret = write_scene(tmp_path / "secret.tif", buildings(60, 90))
    (store.uploads / "link.tif").symlink_to(secret)
    for path in (
        str(secret),
        str(store.uploads / "link.tif"),
        f"{store.uploads}/../../secret.tif",
        f"{store.uploads}",
        f"{store.uploads}/none.tif",
        "/etc/passwd",
        "https://evil.example/a.tif",
        "/vsicurl/https://evil.example/a.tif",
        "",
    ):
        for take in (mine.take_scene, mine.take_truth):
            with pytest.raises(SafetyError, match="no file that was uploaded here"):
                take(path)
    assert secret.exists() and mine.scene is None


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.tif", VRT, "a.tif: is a VRT, which names other files"),
        ("a.tif", b"\n " + VRT, "a.tif: is a VRT"),
        ("a.vrt", VRT, "a.vrt: is a VRT"),
        ("a.tif", b"", "a.tif: is no image that this page reads"),
        ("a.tif", b"\x89HDF\r\n", "is no image"),
        ("a.png", b"GIF89a", "is no image"),
        ("a.jpg", b"PK\3\4", "is no image"),
        ("a.jp2", b"<html>", "is no image"),
        ("a.tif", b"SQLite format 3\0", "is no image"),
    ],
)
def test_files_are_known_by_their_bytes(
    store: Storage, name: str, content: bytes, error: str
) -> None:
    mine = Workspace.create(store)
    with pytest.raises((InputError, SafetyError), match=error):
        mine.take_scene(str(upload(store, name, content)))


def test_a_truth_may_be_a_layer(store: Storage, tmp_path: Path) -> None:
    mine = Workspace.create(store)
    scene = write_scene(tmp_path / "a.tif", buildings(60, 90))
    mine.take_scene(str(upload(store, "a.tif", scene.read_bytes())))
    content = b'{"type": "FeatureCollection", "features": []}'
    mine.take_truth(str(upload(store, "t.json", content)))
    assert mine.truth == "truth/t.geojson"
    mine.take_truth(str(upload(store, "t.png", scene.read_bytes())))
    assert mine.truth == "truth/t.tif" and len(list((mine.folder / "truth").iterdir())) == 1
    for bad in (VRT, b"PAR1", b"<kml>"):
        with pytest.raises(GeosegError):
            mine.take_truth(str(upload(store, "t.tif", bad)))
    with pytest.raises(InputError, match="neither a mask nor a layer") as refused:
        mine.take_truth(str(upload(store, "t.zip", b"PK\3\4")))
    assert "GeoPackage" in str(refused.value.hint)


def test_another_scene_leaves_nothing_of_the_first(store: Storage, tmp_path: Path) -> None:
    mine = Workspace.create(store)
    content = write_scene(tmp_path / "a.tif", buildings(60, 90)).read_bytes()
    mine.take_scene(str(upload(store, "one.tif", content)))
    key = mine.key
    Path(mine.new_outputs()["gpkg"]).write_bytes(b"1")
    mine.take_scene(str(upload(store, "two.tif", content)))
    assert [path.name for path in mine.folder.rglob("*") if path.is_file()] == ["two.tif"]
    assert mine.key != key and mine.outputs == {} and not mine.found
    outputs = mine.new_outputs()
    Path(outputs["gpkg"]).write_bytes(b"1")
    assert Path(mine.new_outputs()["gpkg"]) != Path(outputs["gpkg"])
    assert not Path(outputs["gpkg"]).exists()
    mine.remove()
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_what_a_killed_step_left_unfinished_goes(store: Storage, tmp_path: Path) -> None:
    mine = Workspace.create(store)
    content = write_scene(tmp_path / "a.tif", buildings(60, 90)).read_bytes()
    mine.take_scene(str(upload(store, "one.tif", content)))
    outputs = [mine.folder / mine.probability, Path(mine.new_outputs()["gpkg"])]
    for output in outputs:
        code = f"from geoseg.io.drafts import *; draft_of(Path({str(output)!r})).touch()"
        subprocess.run([sys.executable, "-c", code], check=True)
        output.touch()
        assert len(list(output.parent.iterdir())) == 2
    mine.forget_drafts()
    assert [list(output.parent.iterdir()) for output in outputs] == [[o] for o in outputs]


@given(st.text(max_size=90))
def test_any_name_becomes_a_plain_one(name: str) -> None:
    plain = file_name(Path("/uploads") / name.replace("\0", ""), ".tif")
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,60}\.tif", plain)


def test_four_drivers_open_scenes() -> None:
    heads = {b"II*\0": "GTiff", b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG"}
    heads |= {b"\0\0\0\x0cjP  ": "JP2OpenJPEG", b"<VRTDataset": None, b"RIFF": None}
    assert {head: picture_driver(head + b"rest") for head in heads} == heads


def test_the_storage_is_private_and_goes() -> None:
    with storage() as store:
        (store.work / "a.tif").write_bytes(b"12")
        assert store.used() == 2
        assert store.root.stat().st_mode & 0o077 == 0
    assert not store.root.exists()
