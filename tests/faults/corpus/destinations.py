"""More outputs that cannot be, and more lists and folders of scenes."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.case import HOLLOW, MODEL, Case
from tests.faults.corpus.batches import scenes, text
from tests.faults.corpus.outputs import folder_called, link, pipe, written

EXTRACT = f"extract scene.tif -o {{}} {HOLLOW}"
PREDICT = f"predict scene.tif -o {{}} {HOLLOW}"
BURN = "rasterize footprints.geojson --like scene.tif -o {}"
TRACE = "polygonize mask.tif -o {}"
EVALUATE = "evaluate mask.tif mask.tif"
# What no verb can write as a file, whichever it is
NOWHERE = {
    "empty": ("", 6),
    "dot": (".", 6),
    "dots": ("..", 6),
    "root": ("/", 6),
    "null": ("/dev/null", 6),
    "stdout": ("/dev/stdout", 6),
}
VERBS = {
    "extract": EXTRACT + " -f gpkg",
    "predict": PREDICT,
    "rasterize": BURN,
    "polygonize": TRACE + " -f gpkg",
    "stitch": "stitch scene.tif -o {}",
    "export": "export model.onnx -o {}",
}


def socket_called(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        here = Path.cwd()
        os.chdir(folder)
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(name)
        os.chdir(here)

    return make


def links(folder: Path) -> None:
    """Scenes by links: to one, to nothing, to the folder itself."""
    (folder / "s").mkdir()
    (folder / "s/a.tif").symlink_to(folder / "scene.tif")
    (folder / "s/b.tif").symlink_to(folder / "nothing.tif")
    (folder / "s/again").symlink_to(folder / "s")


def mixed(folder: Path) -> None:
    """A folder of a scene, what belongs to it, and what is no scene."""
    scenes("s/a.tif", "s/.b.tif")(folder)
    for name in ("a.tif.aux.xml", "a.tfw", "notes.txt", "Thumbs.db", "a.tif.ovr.tmp"):
        (folder / "s" / name).write_text("x")


def names(shown: dict[str, Any]) -> list[str]:
    return sorted(Path(each).name for each in shown["outputs"])


def outputs(*expected: str) -> Callable[[Path, dict[str, Any]], None]:
    def check(_: Path, shown: dict[str, Any]) -> None:
        assert names(shown) == sorted(expected), shown["outputs"]

    return check


CASES = [
    *(
        Case(f"nowhere_{name}_{verb}", line.format(where), code, "", check=None)
        for name, (where, code) in NOWHERE.items()
        for verb, line in VERBS.items()
        # into a folder one file a scene is written; a file may be called -
        if not (verb in ("extract", "predict") and code == 6 and "dev" not in where)
    ),
    *(
        Case(f"socket_{verb}", line.format("taken.tif"), 6, "taken", socket_called("taken.tif"))
        for verb, line in VERBS.items()
    ),
    Case("slash_rasterize", BURN.format("new/"), 2, "new"),
    Case("slash_polygonize", TRACE.format("new/"), 2, "new"),
    Case("slash_of_a_file_extract", EXTRACT.format("scene.tif/"), 6, r"scene\.tif"),
    Case("slash_of_a_file_tile", "tile scene.tif -o mask.tif/", 6, r"mask\.tif"),
    Case("extension_in_capitals", TRACE.format("new.GPKG"), check=written("new.GPKG")),
    Case("extension_in_capitals_tif", BURN.format("new.TIF"), check=written("new.TIF")),
    Case("extension_alone", TRACE.format(".gpkg"), 2, r"\.gpkg"),
    Case("extension_with_a_space", TRACE.format("new.gpkg ").replace("  ", " "), 2, ""),
    Case("format_against_extension", TRACE.format("new.shp") + " -f gpkg", 0, ""),
    Case(
        "prob_into_a_pipe",
        EXTRACT.format("new.gpkg") + " --save-prob taken.tif",
        6,
        "taken",
        pipe("taken.tif"),
    ),
    Case("prob_into_nowhere", EXTRACT.format("new.gpkg") + " --save-prob none/new.tif", 6, "none"),
    Case("prob_called_png", EXTRACT.format("new.gpkg") + " --save-prob new.docx", 2, r"new\.docx"),
    Case("report_into_a_folder", EVALUATE + " --report taken", 6, "taken", folder_called("taken")),
    Case("report_into_nowhere", EVALUATE + " --report none/new.html", 6, "none"),
    Case(
        "report_over_an_input",
        EVALUATE + " --report mask.tif --overwrite",
        2,
        r"mask\.tif: is an input",
    ),
    Case(
        "layers_into_a_pipe",
        "evaluate footprints.geojson footprints.geojson --layers taken.gpkg",
        6,
        "taken",
        pipe("taken.gpkg"),
    ),
    Case(
        "layers_over_an_input",
        "evaluate footprints.geojson footprints.geojson --layers footprints.geojson --overwrite",
        2,
        "is an input",
    ),
    Case("export_over_its_model", "export model.onnx -o model.onnx --overwrite", 2, "is an input"),
    Case("export_of_no_kind", "export model.onnx -o new.docx", 2, r"new\.docx"),
    Case(
        "list_is_the_output",
        f"extract @list.gpkg -o list.gpkg --overwrite {HOLLOW}",
        2,
        "is an input",
        text("list.gpkg", "scene.tif\n"),
    ),
    Case(
        "config_is_the_output",
        TRACE.format("new.toml") + " -f gpkg --config new.toml --overwrite",
        2,
        r"new\.toml",
        text("new.toml", "[polygonize]\n"),
    ),
    Case(
        "folder_linked_to",
        "tile scene.tif -o taken",
        6,
        "taken",
        lambda f: ((f / "d").mkdir(), (f / "d/a").write_text("a"), link("taken", "d")(f)),
    ),
    Case(
        "scenes_by_links",
        f"extract s -o new/ --on-error skip {MODEL}",
        9,
        r"b\.tif",
        links,
        outputs("a.gpkg"),
    ),
    Case("scenes_among_others", f"extract s -o new/ {MODEL}", 0, "", mixed, outputs("a.gpkg")),
    Case(
        "scenes_by_two_stars",
        f"extract **/a.tif -o new/ {MODEL}",
        0,
        "",
        scenes("s/a.tif", "s/t/a.tif"),
    ),
    Case(
        "scenes_of_brackets",
        f"extract s/[ab].tif -o new/ {MODEL}",
        0,
        "",
        scenes("s/a.tif", "s/b.tif"),
        outputs("a.gpkg", "b.gpkg"),
    ),
    Case(
        "scene_called_like_a_pattern",
        f"extract s[1].tif -o new.gpkg {MODEL}",
        0,
        "",
        scenes("s[1].tif"),
    ),
    Case(
        "list_of_missing_skipped",
        f"extract @list.txt -o new/ --on-error skip {MODEL}",
        9,
        r"none\.tif",
        text("list.txt", "none.tif\nscene.tif\n"),
        outputs("scene.gpkg"),
    ),
    Case(
        "list_names_a_folder",
        f"extract @list.txt -o new/ {MODEL}",
        0,
        "",
        lambda f: (scenes("s/a.tif")(f), (f / "list.txt").write_text("s\n")),
    ),
    Case("list_of_a_device", f"extract @/dev/zero -o new.gpkg {HOLLOW}", 3, "/dev/zero"),
    Case(
        "on_error_of_words",
        f"extract scene.tif -o new.gpkg --on-error ignore {HOLLOW}",
        2,
        "--on-error",
    ),
    Case(
        "area_of_another_kind",
        f"extract scene.tif -o new.gpkg --aoi list.txt {HOLLOW}",
        3,
        r"list\.txt",
        text("list.txt", "hello"),
    ),
    Case(
        "config_of_another_verb",
        "tile scene.tif -o new --config c.toml",
        2,
        "",
        text("c.toml", "[tile]\nthreshold = 1\n"),
    ),
    Case(
        "config_deep",
        "tile scene.tif -o new --config c.toml",
        2,
        r"c\.toml",
        text("c.toml", "a = " + "[" * 5000 + "]" * 5000),
    ),
    Case(
        "config_of_bytes",
        "tile scene.tif -o new --config c.toml",
        3,
        r"c\.toml",
        text("c.toml", b"\xff\xfe[tile]"),
    ),
    *(
        Case(
            f"config_{name}",
            "tile scene.tif -o new --config c.toml",
            2,
            says,
            text("c.toml", f"{line}\n"),
        )
        for name, line, says in (
            ("infinite", "size = inf", "--size.*'inf' is not a valid integer"),
            ("of_a_date", "max-nodata = 2020-01-01", "--max-nodata.*'2020-01-01'"),
            ("of_a_time", "seed = 07:32:00", "--seed.*'07:32:00'"),
            ("of_nan", "max-nodata = nan", "--max-nodata"),
        )
    ),
    Case("truth_absent", "evaluate mask.tif none.tif", 3, r"none\.tif"),
    Case("truth_is_a_pipe", "evaluate mask.tif odd.tif", 3, r"odd\.tif", pipe("odd.tif")),
    Case("truth_is_a_model", "evaluate mask.tif model.onnx", 3, r"model\.onnx"),
    Case("chips_of_a_scene", f"evaluate --data scene.tif {MODEL}", 2, r"scene\.tif|--labels"),
    Case("train_on_a_pipe", "train odd -o new.safetensors", 3, "odd", pipe("odd")),
    Case(
        "train_on_an_empty_folder",
        "train odd -o new.safetensors",
        3,
        "odd",
        lambda f: (f / "odd").mkdir(),
    ),
    Case("train_on_a_scene_alone", "train scene.tif -o new.safetensors", 2, "labels|scene"),
    Case(
        "train_into_a_tif", "train odd -o new.tif", 2, "safetensors", lambda f: (f / "odd").mkdir()
    ),
    Case(
        "tune_on_nothing", f"tune odd -o new.onnx {MODEL}", 3, "odd", lambda f: (f / "odd").mkdir()
    ),
    Case("prepare_nothing", "prepare whu odd -o new", 3, "odd", lambda f: (f / "odd").mkdir()),
    Case("prepare_a_pipe", "prepare folder odd -o new", 3, "odd", pipe("odd")),
    Case("stitch_a_pipe", "stitch odd.tif -o new.tif", 3, r"odd\.tif", pipe("odd.tif")),
    Case("info_of_a_pipe", "info odd", 3, "odd", pipe("odd")),
    Case("info_of_a_device", "info /dev/zero", 3, "/dev/zero"),
    Case("info_of_a_folder", "info odd", 3, "odd", lambda f: (f / "odd").mkdir()),
    Case("preview_of_a_model", "preview scene.tif model.onnx -o new.png", 3, r"model\.onnx"),
    Case(
        "preview_of_a_pipe", "preview scene.tif odd.tif -o new.png", 3, r"odd\.tif", pipe("odd.tif")
    ),
    Case(
        "model_is_a_pipe",
        "predict scene.tif -o new.tif -m odd.onnx",
        3,
        r"odd\.onnx",
        pipe("odd.onnx"),
    ),
    Case("model_is_a_device", "predict scene.tif -o new.tif -m /dev/zero", 3, "/dev/zero"),
    Case(
        "model_of_a_host",
        "predict scene.tif -o new.tif -m https://example.org/a.onnx",
        3,
        "example",
    ),
]
