"""Shapefiles that lack some of their files, or whose files do not belong together."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import shapely

from tests.faults.case import Case
from tests.faults.corpus.layers import BOX, BURN, LEFT, TOP, footprints_of, layer

SECOND = shapely.box(LEFT + 15, TOP - 9, LEFT + 21, TOP - 2)
LINE = BURN.format("odd.shp")
CLASSES = LINE + " --class-field kind"


def without(*suffixes: str, part: float = 1) -> Callable[[Path], None]:
    """Two footprints in a Shapefile that lacks some of its files, of whose .shp ``part`` is there."""

    def make(folder: Path) -> None:
        layer("odd.shp", BOX, SECOND, kind=["a", "b"])(folder)
        for suffix in suffixes:
            (folder / "odd.shp").with_suffix(suffix).unlink()
        whole = (folder / "odd.shp").read_bytes()
        (folder / "odd.shp").write_bytes(whole[: int(len(whole) * part)])

    return make


def changed(suffix: str, change: Callable[[bytes], bytes], *lacking: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        without(*lacking)(folder)
        path = (folder / "odd.shp").with_suffix(suffix)
        path.write_bytes(change(path.read_bytes()))

    return make


def grown(content: bytes) -> bytes:
    """A .shp whose second record was written again, moved to where the first lies, at the end."""
    first, second = content[100:236], content[236:372]
    assert (first[:4], second[:4]) == (b"\0\0\0\1", b"\0\0\0\2")
    new = content + b"\0\0\0\2" + first[4:]
    return new[:24] + (len(new) // 2).to_bytes(4, "big") + new[28:]


def packed(*suffixes: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        without()(folder)
        with zipfile.ZipFile(folder / "odd.zip", "w") as archive:
            for suffix in (".shp", *suffixes):
                archive.write((folder / "odd.shp").with_suffix(suffix), f"in/odd{suffix}")

    return make


def in_capitals(folder: Path) -> None:
    without()(folder)
    for path in folder.glob("odd.*"):
        path.rename(path.with_suffix(path.suffix.upper()))


CASES = [
    Case(
        "shapefile_without_shx", LINE, 0, r"no odd\.shx .*made", without(".shx"), footprints_of(2)
    ),
    Case(
        "shapefile_without_shx_of_classes",
        CLASSES,
        0,
        r"no odd\.shx .*made",
        without(".shx"),
        footprints_of(2),
    ),
    Case("shapefile_without_shx_info", "info odd.shp", 0, r"no odd\.shx", without(".shx")),
    Case("shapefile_without_shx_cut", LINE, 3, r"odd\.shp: ", without(".shx", part=0.8)),
    Case(
        "shapefile_without_shx_damaged",
        LINE,
        3,
        r"odd\.shp: .*do not follow",
        changed(".shp", lambda held: held[:104] + b"\x7f" + held[105:], ".shx"),
    ),
    Case(
        "shapefile_without_shx_numbered_oddly",
        LINE,
        3,
        r"odd\.shp: .*do not follow",
        changed(".shp", lambda held: held[:103] + b"\x07" + held[104:], ".shx"),
    ),
    Case(
        "shapefile_without_shx_edited",
        LINE,
        0,
        r"no odd\.shx",
        changed(".shp", grown, ".shx"),
        footprints_of(2),
    ),
    Case("shapefile_without_dbf", LINE, 0, r"no odd\.dbf .*no attributes", without(".dbf")),
    Case("shapefile_without_dbf_of_classes", CLASSES, 4, "no column kind", without(".dbf")),
    Case("shapefile_without_prj", LINE, 4, r"has no CRS \(its odd\.prj is not", without(".prj")),
    Case("shapefile_without_cpg", LINE, 0, "", without(".cpg"), footprints_of(2)),
    Case(
        "shapefile_alone",
        LINE,
        4,
        r"odd\.shp: has no CRS",
        without(".shx", ".dbf", ".prj", ".cpg"),
    ),
    Case("shapefile_in_capitals", BURN.format("odd.SHP"), 0, "", in_capitals, footprints_of(2)),
    *(
        Case(
            f"shapefile_dbf_{name}_{how}",
            line,
            3,
            rf"odd\.shp: its odd\.dbf {says}",
            changed(".dbf", make),
        )
        for name, says, make in (
            ("cut", "is cut short", lambda held: held[:-40]),
            ("of_nothing", "has 0 rows for 2", lambda held: b""),
            ("of_another", "has 1 rows for 2", lambda held: held[:4] + b"\1" + held[5:]),
        )
        for how, line in (("with", CLASSES), ("unused", LINE))
    ),
    *(
        Case(
            f"shapefile_shx_{name}",
            LINE,
            0,
            r"odd\.shp: odd\.shx does not fit it",
            changed(".shx", make),
            footprints_of(2),
        )
        for name, make in (
            ("cut", lambda held: held[:-4]),
            ("of_nothing", lambda held: b""),
            ("elsewhere", lambda held: held[:100] + b"\x7f\xff\xff\xff" + held[104:]),
            ("between", lambda held: held[:103] + b"\x40" + held[104:]),
        )
    ),
    Case(
        "shapefile_of_points_without_shx",
        BURN.format("odd.shp"),
        4,
        "holds a Point",
        lambda folder: (
            layer("odd.shp", shapely.Point(LEFT, TOP))(folder),
            (folder / "odd.shx").unlink(),
        ),
    ),
    Case(
        "shapefile_of_nothing_without_shx",
        LINE,
        0,
        r"no odd\.shx",
        lambda folder: (layer("odd.shp")(folder), (folder / "odd.shx").unlink()),
        footprints_of(0),
    ),
    Case("shapefile_prj_of_words", LINE, 4, r"odd\.shp", changed(".prj", lambda held: b"nowhere")),
    Case("shapefile_prj_of_bytes", LINE, 4, r"odd\.shp", changed(".prj", lambda held: b"\xff\0")),
    Case("zip_of_a_shapefile", BURN.format("odd.zip"), 0, "", packed(".shx", ".dbf", ".prj")),
    Case(
        "zip_of_a_shapefile_without_shx",
        BURN.format("odd.zip"),
        0,
        r"odd\.shp: has no odd\.shx",
        packed(".dbf", ".prj"),
        footprints_of(2),
    ),
    Case(
        "zip_of_a_shapefile_without_prj",
        BURN.format("odd.zip"),
        4,
        r"odd\.zip: has no CRS",
        packed(".shx", ".dbf"),
    ),
]
