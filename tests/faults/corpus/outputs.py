"""Outputs that are something else already, inputs themselves, or have odd names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.case import HOLLOW, MODEL, Case

# What each verb writes, as if the work could be done: a model that cannot be loaded shows that it
# is refused before
WRITING = {
    "extract": f"extract scene.tif -o {{}} -f gpkg {HOLLOW}",
    "predict": f"predict scene.tif -o {{}} {HOLLOW}",
    "polygonize": "polygonize mask.tif -o {} -f gpkg",
    "rasterize": "rasterize footprints.geojson --like scene.tif -o {}",
    "stitch": "stitch scene.tif -o {}",
    "preview": "preview scene.tif -o {}",
    "tile": "tile scene.tif -o {}",
}
SUFFIX = {"extract": ".gpkg", "polygonize": ".gpkg", "preview": ".png"}


def pipe(name: str) -> Callable[[Path], None]:
    return lambda folder: os.mkfifo(folder / name)


def folder_called(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name / "kept").mkdir(parents=True)


def link(name: str, to: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).symlink_to(to)


def hard_link(folder: Path) -> None:
    os.link(folder / "scene.tif", folder / "taken.tif")


def written(name: str) -> Callable[[Path, Any], None]:
    def check(folder: Path, shown: dict[str, Any]) -> None:
        assert shown["outputs"] and os.path.lexists(folder / name)

    return check


def verbs(
    kind: str, make: Callable[[str], Callable[[Path], None]], code: int, says: str, more: str = ""
) -> list[Case]:
    cases = []
    for verb, line in WRITING.items():
        name = f"taken{SUFFIX.get(verb, '.tif')}"
        if kind.startswith("pipe") and verb == "tile":
            says = "{}: exists and is no folder"
        if kind.startswith("folder_over") and verb in ("extract", "predict"):
            continue  # one file a scene goes into it
        if verb == "tile" and kind in ("folder", "folder_overwritten"):
            continue  # a folder is what it wants
        cases.append(
            Case(f"{kind}_{verb}", line.format(name) + more, code, says.format(name), make(name))
        )
    return cases


LONG = "n" * 247  # with its extension 251 bytes, and what temporary names add is too long
ODD_NAMES = {
    "of_255_bytes": "new" + "ü" * 123 + "x",
    "with_spaces_and_quotes": "new 'a' \"b\" `c` $HOME;&|",
    "with_a_newline": "new\nline",
    "with_an_escape": "new\x1b[31m",
    "not_utf_8": os.fsdecode(b"new\xff\xfe"),
    "with_a_percent": "new%20%s{}",
    "starting_with_a_dash": "./new--output",
    "of_another_script": "new建筑物",
    "turning_right_to_left": "new\u202efig",
    "with_a_star": "new*[a]?",
}


def odd(name: str) -> list[Case]:
    stem = ODD_NAMES[name]
    lines = {
        "polygonize": "polygonize mask.tif -o {0} -f gpkg",
        "rasterize": "rasterize footprints.geojson --like scene.tif -o {0}",
        "stitch": "stitch scene.tif -o {0}",
    }
    made = []
    for verb, line in lines.items():
        output = stem + SUFFIX.get(verb, ".tif")
        made.append(Named(f"output_{name}_{verb}", line.split(" "), output))
    return made


class Named(Case):
    """A case whose output's name may hold spaces."""

    def __init__(self, name: str, words: list[str], output: str) -> None:
        super().__init__(name, " ".join(words), check=written(output))
        object.__setattr__(self, "_words", [output if word == "{0}" else word for word in words])

    @property
    def arguments(self) -> list[str]:
        return [*self._words, "--json"]  # type: ignore[attr-defined]


def input_named(stem: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "scene.tif").rename(folder / f"{stem}.tif")


CASES = [
    *verbs("pipe", pipe, 6, "{}: is a device or a pipe"),
    *verbs("pipe_overwritten", pipe, 6, "{}: is a device or a pipe", " --overwrite"),
    *verbs("folder_overwritten", folder_called, 6, "{}: is a folder", " --overwrite"),
    *verbs(
        "existing", lambda name: lambda folder: (folder / name).write_text("mine"), 6, "{}: exists"
    ),
    *verbs("link_to_nothing", lambda name: link(name, "nowhere"), 6, "{}: "),
    *verbs("link_in_a_circle", lambda name: link(name, name), 6, "{}: "),
    *(
        Case(f"device_{verb}", line.format("/dev/null"), 6, "/dev/null: ")
        for verb, line in WRITING.items()
        if verb in ("extract", "polygonize", "tile")
    ),
    *(
        Case(
            f"folder_missing_{verb}", line.format(f"none/new{SUFFIX.get(verb, '.tif')}"), 6, "none"
        )
        for verb, line in WRITING.items()
    ),
    *(
        Case(
            f"folder_that_takes_nothing_{verb}",
            line.replace("hollow", "model").format(f"/proc/new{SUFFIX.get(verb, '.tif')}"),
            6,
            "/proc/new",
        )
        for verb, line in WRITING.items()
    ),
    *(
        Case(
            f"name_too_long_{verb}",
            line.format(f"new{LONG}xyz{SUFFIX.get(verb, '.tif')}"),
            6,
            "too long",
        )
        for verb, line in WRITING.items()
    ),
    *(
        Case(
            f"folder_is_a_file_{verb}",
            line.format(f"scene.tif/new{SUFFIX.get(verb, '.tif')}"),
            6,
            "scene.tif",
        )
        for verb, line in WRITING.items()
    ),
    # inputs are never replaced
    Case(
        "input_itself_predict",
        f"predict scene.tif -o scene.tif --overwrite {HOLLOW}",
        2,
        r"scene\.tif: is an input",
    ),
    Case(
        "input_itself_stitch",
        "stitch scene.tif -o scene.tif --overwrite",
        2,
        r"scene\.tif: is an input",
    ),
    Case(
        "input_itself_rasterize",
        "rasterize footprints.geojson --like scene.tif -o scene.tif --overwrite",
        2,
        r"scene\.tif: is an input",
    ),
    Case(
        "input_itself_polygonize",
        "polygonize mask.tif -o mask.tif -f gpkg --overwrite",
        2,
        r"mask\.tif: is an input",
    ),
    Case(
        "input_itself_extract",
        f"extract scene.tif -o scene.tif -f gpkg --overwrite {HOLLOW}",
        2,
        r"scene\.tif: is an input",
    ),
    Case(
        "input_itself_preview",
        "preview picture.png -o picture.png --overwrite",
        2,
        r"picture\.png: is an input",
        lambda folder: _png(folder),
    ),
    Case(
        "model_itself_predict",
        "predict scene.tif -o model.tif --overwrite -m model.tif",
        2,
        r"model\.tif: is an input",
        lambda folder: (folder / "model.onnx").rename(folder / "model.tif"),
    ),
    Case(
        "area_itself_extract",
        f"extract scene.tif -o footprints.geojson --aoi footprints.geojson --overwrite {HOLLOW}",
        2,
        r"footprints\.geojson: is an input",
    ),
    Case(
        "link_to_input_predict",
        f"predict scene.tif -o taken.tif --overwrite {HOLLOW}",
        2,
        r"taken\.tif: is an input",
        link("taken.tif", "scene.tif"),
    ),
    Case(
        "link_to_input_stitch",
        "stitch scene.tif -o taken.tif --overwrite",
        2,
        r"taken\.tif: is an input",
        link("taken.tif", "scene.tif"),
    ),
    Case(
        "hard_link_to_input_stitch",
        "stitch scene.tif -o taken.tif --overwrite",
        2,
        r"taken\.tif: is an input",
        hard_link,
    ),
    Case(
        "prob_itself_extract",
        f"extract scene.tif -o new.gpkg --save-prob scene.tif --overwrite {HOLLOW}",
        2,
        r"scene\.tif: is an input",
    ),
    Case(
        "two_outputs_of_one_name",
        f"extract scene.tif -o new.tif -f gpkg --save-prob new.tif {HOLLOW}",
        2,
        r"new\.tif",
    ),
    # another kind than the name says
    Case("kind_jpg_predict", f"predict scene.tif -o new.jpg {HOLLOW}", 2, r"new\.jpg: is no \.tif"),
    Case("kind_none_predict", f"predict scene.tif -o new {HOLLOW}", 2, r"new: is no \.tif"),
    Case(
        "kind_tif_extract",
        f"extract scene.tif -o new.tif {HOLLOW}",
        2,
        r"new\.tif: its extension names no vector format",
    ),
    Case("kind_unknown_extract", f"extract scene.tif -o new.gpkg -f dwg {HOLLOW}", 2, "dwg"),
    Case(
        "append_to_text",
        f"extract scene.tif -o taken.gpkg --append {HOLLOW}",
        4,
        r"taken\.gpkg: is no GeoPackage",
        lambda folder: (folder / "taken.gpkg").write_text("mine"),
    ),
    Case(
        "append_to_geojson",
        f"extract scene.tif -o footprints.geojson --append {HOLLOW}",
        4,
        r"footprints\.geojson: is no GeoPackage",
    ),
    Case(
        "chips_over_other_things",
        "tile scene.tif -o taken --overwrite",
        6,
        r"taken: is not replaced",
        folder_called("taken"),
    ),
    *(case for name in ODD_NAMES for case in odd(name)),
    *(
        Case(
            f"input_{name}", f"tile {ODD_NAMES[name]}.tif -o new", make=input_named(ODD_NAMES[name])
        )
        for name in ODD_NAMES
        if " " not in ODD_NAMES[name] and not name.startswith("starting")
    ),
    Case(
        "folder_made_by_its_slash",
        f"predict scene.tif -o new/ {MODEL}",
        check=written("new/scene.tif"),
    ),
    Case(
        "folder_made_by_its_slash_extract",
        f"extract scene.tif -o new/ {MODEL}",
        check=written("new/scene.gpkg"),
    ),
]


def _png(folder: Path) -> None:
    from geoseg.io.raster.write import write_array
    from tests.faults.case import PICTURE

    write_array(folder / "picture.png", PICTURE)
