"""Which folders hold map tiles, and of which place each is."""

from __future__ import annotations

from pathlib import Path

import pytest

from geoseg.io.scene_names import expand
from geoseg.io.xyz import find_tiles, is_tile_folder


def folder(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()
    return path


@pytest.mark.parametrize(
    "names",
    [
        ("19/309/177.png", "19/310/178.JPG", "19/notes.txt", "index.html"),
        ("19-309-177.png", "19-310-178.tif", "notes.txt"),
        ("OAM-309-177-19.png", "OAM-310-178-19.png"),
    ],
)
def test_tiles_by_their_names(tmp_path: Path, names: tuple[str, ...]) -> None:
    found = find_tiles(folder(tmp_path, *names))
    assert is_tile_folder(tmp_path) and expand([str(tmp_path)]) == (str(tmp_path),)
    files = {(309, 177): tmp_path / names[0], (310, 178): tmp_path / names[1]}
    assert (found.zoom, found.files, found.others) == (19, files, ())


@pytest.mark.parametrize(
    "names",
    [
        ("ortho.tif", "19/309/177.png"),  # scenes lie in it
        ("19-309-177.png", "ortho.png"),
        ("2026-11-25.tif",),  # no zoom level
        ("3-8-0.png",),  # beyond the columns of its zoom
        ("images/309/177.png", "19/a/177.png", "19/309/b.png"),
        ("notes.txt",),
    ],
)
def test_other_folders_hold_no_tiles(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert not is_tile_folder(folder(tmp_path, *names))


def test_the_deepest_zoom_or_the_one_that_is_named(tmp_path: Path) -> None:
    folder(tmp_path, "17/3/4.png", "18/6/9.png", "16/1/2.png")
    found = find_tiles(tmp_path)
    assert (found.zoom, found.others, list(found.files)) == (18, (16, 17), [(6, 9)])
    named = find_tiles(tmp_path / "17")
    assert (named.zoom, named.others, list(named.files)) == (17, (), [(3, 4)])


def test_rows_from_the_south_as_gdal2tiles_counts_them(tmp_path: Path) -> None:
    folder(tmp_path, "17/3/4.png", "tilemapresource.xml")
    for path in (tmp_path, tmp_path / "17"):
        assert list(find_tiles(path).files) == [(3, 2**17 - 5)]
