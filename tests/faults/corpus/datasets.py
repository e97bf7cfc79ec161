"""Published data sets whose labels are damaged, or are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

from tests.faults.case import MAP, MASK, PICTURE, Case
from tests.faults.corpus.layers import HEAD
from tests.faults.corpus.numbers import write

PART = np.s_[:, :64, :80]
LABELS = MASK[None][PART]
BURNT = '"POLYGON ((1 1,20 1,20 20,1 1))"'
ROWS = "".join(f"AOI_2_Vegas_img{number},0,{BURNT},{BURNT}\n" for number in range(3))
FOLDER = "prepare folder odd -o new/"
SPACENET = "prepare spacenet2 odd -o new/"


def folder(change: Callable[[Path], Any]) -> Callable[[Path], None]:
    """odd/images and odd/masks of three pictures, changed."""

    def make(at: Path) -> None:
        for kind, image in (("images", PICTURE[PART]), ("masks", LABELS.astype("uint8"))):
            (at / "odd" / kind).mkdir(parents=True)
            for number, name in enumerate("abc"):
                place = MAP.transform * Affine.translation(200 * number, 0)
                write(at / "odd" / kind, image, name=f"{name}.tif", transform=place)
        change(at / "odd")

    return make


def mask(image: np.ndarray) -> Callable[[Path], None]:
    return folder(lambda at: write(at, image, name="masks/a.tif"))


def table(content: bytes) -> Callable[[Path], None]:
    """An area of SpaceNet 2 of three images, whose footprints are the CSV ``content``."""

    def make(at: Path) -> None:
        area = at / "odd" / "AOI_2_Vegas_Train"
        for name in ("RGB-PanSharpen", "summaryData"):
            (area / name).mkdir(parents=True)
        for number in range(3):
            name = f"RGB-PanSharpen/RGB-PanSharpen_AOI_2_Vegas_img{number}.tif"
            write(area, PICTURE[PART].astype("uint16") * 4, name=name)
        (area / "summaryData" / "buildings.csv").write_bytes(content)

    return make


def cut(name: str, length: int) -> Callable[[Path], None]:
    return folder(lambda at: (at / name).write_bytes((at / name).read_bytes()[:length]))


NAMED = r"odd/masks/a\.tif: "
CSV = r"buildings\.csv: cannot be read as CSV"
CASES = [
    Case("dataset_as_it_is", FOLDER, make=folder(lambda at: None)),
    Case("dataset_table", SPACENET, make=table((HEAD + ROWS).encode())),
    *(
        Case(f"dataset_mask_{name}", FOLDER, code, NAMED + says, make)
        for name, code, says, make in (
            ("of_halves", 4, "holds 0.5, classes", mask(LABELS.astype("float32") * 0.5)),
            ("beyond_one", 4, "holds 1.5, classes", mask(LABELS.astype("float32") * 1.5)),
            ("below_zero", 4, "contains more", mask(-LABELS.astype("int16"))),
            ("of_thousands", 4, "contains more", mask(LABELS.astype("int32") * 70_000)),
            ("of_two_bands", 4, "has 2 bands", mask(np.repeat(LABELS, 2, 0).astype("uint8"))),
            ("complex", 4, "holds complex64", mask(LABELS.astype("complex64"))),
            ("a_picture", 4, "contains more", mask(PICTURE[PART])),
            ("cut", 3, "cannot be read", cut("masks/a.tif", 400)),
            ("of_nothing", 3, "is not a raster", cut("masks/a.tif", 0)),
        )
    ),
    Case("dataset_mask_of_nan", FOLDER, make=mask(np.where(LABELS, np.nan, 0).astype("float32"))),
    Case("dataset_image_cut", FOLDER, 3, r"odd/images/a\.tif", cut("images/a.tif", 4000)),
    Case(
        "dataset_mask_gone",
        FOLDER,
        3,
        "labels in masks/ for a",
        folder(lambda at: (at / "masks/a.tif").unlink()),
    ),
    *(
        Case(f"dataset_table_{name}", SPACENET, 3, CSV, table(content))
        for name, content in {
            "of_bytes": b"\xff\xfe\0",
            "in_utf_16": (HEAD + ROWS).encode("utf-16"),
            "in_latin_1": (HEAD + ROWS).replace("Geo", "Géo").encode("latin-1"),
        }.items()
    ),
    *(
        Case(f"dataset_table_{name}", SPACENET, 3, "missing: footprints", table(content))
        for name, content in {
            "of_nothing": b"",
            "of_other_columns": b"a,b\n1,2\n",
            "of_semicolons": (HEAD + ROWS).replace(",", ";").encode(),
        }.items()
    ),
]
