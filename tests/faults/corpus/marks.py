"""Numbers that mark pixels without data in rasters that do not declare them, and some that do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from geoseg.io.raster.scene import read_array
from tests.faults.case import MASK, MODEL, PICTURE, Case
from tests.faults.corpus.numbers import CURVED, HOLES, LINE, found_outside_of, stored, write

# A margin, as scenes that were turned to north have
MARGIN = np.add.outer(np.arange(MASK.shape[0]), np.arange(MASK.shape[1])) < 40
# Where no window of the sample lies that is looked at when a scene is opened
WIDE = np.tile(CURVED.astype("float32"), (1, 1, 3))
WIDE[:, :, 130:160] = -9999
IMAGES = {
    "float32_counts": CURVED.astype("float32"),
    "float32_to_1": PICTURE.astype("float32") / 255,
    "float64_to_255": PICTURE.astype("float64"),
    "int16_counts": CURVED.astype("int16"),
    "int32_to_255": PICTURE.astype("int32"),
}
MARKS = {
    "9999": -9999,
    "32768": -32768,
    "99999": -99999,
    "lowest_float": np.finfo("float32").min,
    "largest_float": np.finfo("float32").max,
    "1e20": 1e20,
    "netcdf": 9.969209968386869e36,
}
SAYS = "is taken as nodata, which it does not declare"


def marked(name: str, mark: float, where: np.ndarray = MARGIN) -> Any:
    image = IMAGES[name]
    return stored(np.where(where, np.asarray(mark, image.dtype), image))


def pairs() -> list[tuple[str, str]]:
    """Each image with each mark that its type holds."""
    return [
        (image, mark)
        for image, held in IMAGES.items()
        for mark, value in MARKS.items()
        if held.dtype.kind == "f" or np.iinfo(held.dtype).min <= value <= np.iinfo(held.dtype).max
    ]


def declared(folder: Path, _: Any) -> None:
    """Chips hold what the scene does, and declare the mark."""
    for chip in (folder / "new").rglob("images/*.tif"):
        image, valid, _ = read_array(chip)
        assert not (image == -9999).any()
        np.testing.assert_array_equal(valid, image.any(axis=0))


def ground(folder: Path) -> None:
    """Heights beside which -9999 is one among others."""
    heights = np.where(MARGIN, -9999, PICTURE[0].astype("float32") * 60 - 9600)
    write(folder, np.repeat(heights[None].astype("float32"), 3, 0))


CASES = [
    *(
        Case(
            f"mark_{mark}_of_{image}",
            LINE,
            0,
            SAYS,
            marked(image, MARKS[mark]),
            found_outside_of(MARGIN),
        )
        for image, mark in pairs()
    ),
    Case("mark_of_a_hole", LINE, 0, SAYS, marked("float32_counts", -9999, HOLES)),
    Case(
        "mark_between_samples",
        LINE,
        0,
        r"counts -9999, which lies far from all other values, as data \(--nodata declares",
        stored(WIDE),
    ),
    Case(
        "mark_beside_another",
        f"{LINE} --nodata -99999",
        0,
        r"counts -9999, .*its --nodata is another",
        marked("float32_counts", -9999),
    ),
    Case(
        "mark_declared",
        f"{LINE} --nodata -9999",
        0,
        "",
        marked("float32_to_1", -9999),
        found_outside_of(MARGIN),
    ),
    Case(
        "mark_that_is_data",
        f"{LINE} --nodata nan",
        0,
        "",
        marked("float64_to_255", -9999),
    ),
    Case("mark_among_heights", "info odd.tif", 0, "^$", ground),
    Case(
        "mark_tiled",
        "tile odd.tif -o new --size 48",
        0,
        SAYS,
        marked("float32_counts", -9999),
        declared,
    ),
    Case("mark_previewed", "preview odd.tif -o new.png", 0, SAYS, marked("float32_counts", -9999)),
    Case(
        "mark_extracted",
        f"extract odd.tif -o new.gpkg --save-prob new.tif {MODEL}",
        0,
        SAYS,
        marked("int16_counts", -9999),
        found_outside_of(MARGIN),
    ),
    Case(
        "mark_resampled",
        f"predict odd.tif -o new.tif --gsd 0.5 {MODEL}",
        0,
        SAYS,
        marked("float32_counts", -9999),
    ),
    Case(
        "mark_alone",
        f"extract odd.tif -o new.gpkg {MODEL}",
        0,
        "no pixel holds data",
        marked("float32_counts", -9999, np.ones_like(MASK)),
    ),
    Case(
        "mark_in_one_band",
        LINE,
        make=stored(
            np.stack([CURVED[0], CURVED[1], np.where(HOLES, -9999, CURVED[2])]).astype("float32")
        ),
    ),
    *(
        Case(
            f"mark_in_{kind}_{verb}",
            line,
            4,
            r"odd\.tif: holds .*declare the value below 0 as nodata",
            stored(np.where(MARGIN, -9999, MASK)[None].astype(dtype)),
        )
        for kind, dtype in (("labels", "int16"), ("probabilities", "float32"))
        for verb, line in (
            ("polygonize", "polygonize odd.tif -o new.gpkg"),
            ("evaluate", "evaluate odd.tif mask.tif"),
        )
    ),
    *(
        Case(
            f"mark_in_{kind}_declared",
            "polygonize odd.tif -o new.gpkg --nodata -9999",
            0,
            "",
            stored(np.where(MARGIN, -9999, MASK)[None].astype(dtype)),
        )
        for kind, dtype in (("labels", "int16"), ("probabilities", "float32"))
    ),
]
