"""Many scenes, one of them bad; lists and folders of scenes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from geoseg.io.vector.read import read_footprints
from tests.faults.case import HOLLOW, MODEL, Case


def scenes(*names: str, bad: tuple[str, ...] = ()) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for name in (*names, *bad):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / "scene.tif", folder / name)
        for name in bad:
            (folder / name).write_bytes((folder / name).read_bytes()[:300])

    return make


def text(name: str, content: str | bytes, *names: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        scenes(*names)(folder)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return make


def names_of(*names: str) -> Callable[[Path, Any], None]:
    def check(folder: Path, _: Any) -> None:
        assert sorted(path.name for path in (folder / "new").iterdir()) == sorted(names)

    return check


def failed(*names: str) -> Callable[[Path, Any], None]:
    def check(_: Path, shown: dict[str, Any]) -> None:
        assert sorted(shown["failed"]) == sorted(names)

    return check


def called(*names: str) -> Callable[[Path, Any], None]:
    def check(folder: Path, _: Any) -> None:
        assert sorted(set(read_footprints(folder / "new.gpkg").columns["scene"])) == sorted(names)

    return check


THREE = scenes("s/a.tif", "s/c.tif", bad=("s/b.tif",))
SKIP = f"extract s -o {{}} --on-error skip {MODEL}"
CASES = [
    Case("one_bad_stops", f"extract s -o new.gpkg {MODEL}", 3, r"s/b\.tif: ", THREE),
    Case("one_bad_skipped", SKIP.format("new.gpkg"), 9, r"s/b\.tif: ", THREE, failed("s/b.tif")),
    Case(
        "one_bad_skipped_into_folder",
        SKIP.format("new/"),
        9,
        r"s/b\.tif: ",
        THREE,
        names_of("a.gpkg", "c.gpkg"),
    ),
    Case(
        "all_bad_skipped",
        SKIP.format("new.gpkg"),
        9,
        r"b\.tif",
        scenes(bad=("s/a.tif", "s/b.tif")),
        failed("s/a.tif", "s/b.tif"),
    ),
    Case(
        "one_absent_skipped",
        f"extract scene.tif none.tif -o new.gpkg --on-error skip {MODEL}",
        9,
        r"none\.tif: does not exist",
    ),
    Case(
        "same_stem_in_two_folders",
        f"extract a/s.tif b/s.tif -o new/ {MODEL}",
        make=scenes("a/s.tif", "b/s.tif"),
        check=names_of("s.gpkg", "s_2.gpkg"),
    ),
    Case(
        "same_stem_by_case",
        f"extract a/S.tif b/s.tif -o new/ {MODEL}",
        make=scenes("a/S.tif", "b/s.tif"),
        check=names_of("S.gpkg", "s_2.gpkg"),
    ),
    Case(
        "same_stem_predict",
        f"predict a/s.tif b/s.tif -o new/ {MODEL}",
        make=scenes("a/s.tif", "b/s.tif"),
        check=names_of("s.tif", "s_2.tif"),
    ),
    Case(
        "same_stem_of_three",
        f"predict a/s.tif b/s.tif c/s_2.tif -o new/ {MODEL}",
        make=scenes("a/s.tif", "b/s.tif", "c/s_2.tif"),
        check=names_of("s.tif", "s_2.tif", "s_2_2.tif"),
    ),
    Case("named_twice", f"extract scene.tif scene.tif -o new.gpkg {MODEL}", check=called("scene")),
    Case(
        "several_into_a_file",
        f"predict s -o new.tif {HOLLOW}",
        2,
        r"new\.tif: several scenes go into a folder",
        scenes("s/a.tif", "s/b.tif"),
    ),
    Case(
        "several_with_one_probability",
        f"extract s -o new.gpkg --save-prob new.tif {HOLLOW}",
        2,
        "--save-prob",
        scenes("s/a.tif", "s/b.tif"),
    ),
    Case(
        "folder_of_nothing",
        f"extract s -o new.gpkg {HOLLOW}",
        3,
        "s: holds no scenes",
        lambda folder: (folder / "s").mkdir(),
    ),
    Case(
        "folder_of_hidden_files",
        f"extract s -o new.gpkg {HOLLOW}",
        3,
        "s: holds no scenes",
        scenes("s/.a.tif"),
    ),
    Case(
        "glob_of_nothing", f"extract no*.tif -o new.gpkg {HOLLOW}", 3, r"no\*\.tif: matches no file"
    ),
    Case(
        "list_of_nothing",
        f"extract @list.txt -o new.gpkg {HOLLOW}",
        3,
        r"list\.txt",
        text("list.txt", "# nothing\n"),
    ),
    Case("list_absent", f"extract @list.txt -o new.gpkg {HOLLOW}", 3, r"list\.txt: does not exist"),
    Case(
        "list_of_bytes",
        f"extract @list.txt -o new.gpkg {HOLLOW}",
        3,
        r"list\.txt: cannot be read as text",
        text("list.txt", b"\xff\xfe\0s"),
    ),
    Case(
        "list_of_itself",
        f"extract @list.txt -o new.gpkg {HOLLOW}",
        3,
        r"list\.txt: names another list",
        text("list.txt", "@list.txt\n"),
    ),
    Case(
        "list_with_a_nul",
        f"extract @list.txt -o new.gpkg {HOLLOW}",
        3,
        r"list\.txt|a b\.tif",
        text("list.txt", "a\0b.tif\n"),
    ),
    Case(
        "list_of_windows",
        f"extract @list.txt -o new.gpkg {MODEL}",
        make=text("list.txt", "\ufeffscene.tif\r\n\r\n# end\r\n"),
        check=called("scene"),
    ),
    Case(
        "list_of_long_names",
        f"extract @list.txt -o new.gpkg {HOLLOW}",
        3,
        "nnn",
        text("list.txt", "n" * 5000),
    ),
    Case(
        "list_is_a_folder",
        f"extract @s -o new.gpkg {HOLLOW}",
        3,
        "s: cannot be read as text",
        lambda folder: (folder / "s").mkdir(),
    ),
    Case("no_scene_named_empty", f"extract  -o new.gpkg {HOLLOW}", 2, "no name"),
    Case("tile_one_bad", "tile s -o new --size 64", 3, r"s/b\.tif: ", THREE),
    Case("tile_other_bands", "tile scene.tif mask.tif -o new", 4, r"mask\.tif: has 1 bands?"),
    Case("stitch_other_bands", "stitch scene.tif mask.tif -o new.tif", 4, r"mask\.tif"),
    Case("stitch_one_bad", "stitch s/a.tif s/b.tif -o new.tif", 3, r"s/b\.tif: ", THREE),
]
