from pathlib import Path

import pytest

from geoseg.errors import InputError, UsageError
from geoseg.io.config import read_toml
from geoseg.io.scene_names import expand, redact_url, scene_name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "b.tif",
        "a.TIF",
        "c.png",
        ".hidden.tif",
        "notes.txt",
        "north/d.tif",
        "odd[1].tif",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_its_rasters_sorted(folder: Path) -> None:
    assert expand([str(folder)]) == tuple(
        str(folder / name) for name in ("a.TIF", "b.tif", "c.png", "odd[1].tif")
    )


def test_a_glob_reaches_into_folders(folder: Path) -> None:
    assert expand(["**/[bd].tif"]) == ("b.tif", "north/d.tif")


def test_brackets_of_a_file_are_no_glob(folder: Path) -> None:
    assert expand(["odd[1].tif"]) == ("odd[1].tif",)


def test_a_list_holds_what_one_could_type(folder: Path) -> None:
    (folder / "list.txt").write_text("# scenes\n\nb.tif\n  north\nhttps://example.org/*.tif\n")
    assert expand(["c.png", "@list.txt", "b.tif"]) == (
        "c.png",
        "b.tif",
        "north/d.tif",
        "https://example.org/*.tif",
    )


def test_a_folder_with_a_chip_index_holds_its_chips(folder: Path) -> None:
    for name in ("images", "masks"):
        (folder / "north" / name).mkdir()
        (folder / "north" / name / "r0_c0.tif").touch()
    (folder / "north/index.parquet").touch()
    assert expand(["north"]) == ("north/images/r0_c0.tif",)


def test_paths_and_addresses_stay_as_typed() -> None:
    typed = (
        "missing.tif",
        "https://example.org/a.tif?sig=1",
        "s3://bucket/a.tif",
        "http://example.org/[a].tif",
    )
    assert expand(typed) == typed


@pytest.mark.parametrize("name", ["*.jp2", "empty", "@missing.txt", "@nested.txt", "@binary.txt"])
def test_what_holds_nothing_is_an_input_error(folder: Path, name: str) -> None:
    (folder / "empty").mkdir()
    (folder / "nested.txt").write_text("@list.txt\n")
    (folder / "binary.txt").write_bytes(b"\xff\xfe\x00II")
    with pytest.raises(InputError, match=name.lstrip("@").replace("*", r"\*")):
        expand([name])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (
            "https://user:word@host.org/a%20b.tif?X-Amz-Signature=ab/c.d#x",
            "https://host.org/a%20b.tif",
        ),
        ("s3://bucket/key.tif", "s3://bucket/key.tif"),
        ("what?/is@here.tif", "what?/is@here.tif"),
    ],
)
def test_what_may_be_secret_in_an_address_is_not_public(name, shown):
    assert redact_url(name) == shown


def test_a_scene_is_called_by_its_file() -> None:
    assert scene_name("a/b.c.tif") == "b.c"
    assert scene_name("https://host.org/a/b.tif?signature=c/d.e") == "b"


def test_toml(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("size = 256\n[tile]\nsplit = [0.5, 0.3, 0.2]\n")
    assert read_toml(path) == {"size": 256, "tile": {"split": [0.5, 0.3, 0.2]}}
    path.write_text("size =\n")
    with pytest.raises(UsageError, match=r"settings\.toml: is not TOML"):
        read_toml(path)
    with pytest.raises(InputError, match="does not exist"):
        read_toml(tmp_path / "missing.toml")
