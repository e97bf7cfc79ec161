"""Folders of chips whose index says what cannot be, or whose files are not those that it names."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from geoseg.cli.main import run
from tests.faults.case import MASK, PICTURE, Case
from tests.faults.corpus.numbers import write

Change = Callable[[pa.Table, dict[str, Any]], pa.Table]


def chips(change: Change | None = None, then: Callable[[Path], Any] | None = None) -> Any:
    """odd/ of some chips with masks; ``change`` of its table and of what is known of all chips, and
    ``then`` of its files.
    """

    def make(folder: Path) -> None:
        line = "tile scene.tif -o odd --labels mask.tif --size 48 --split 0.5,0.25,0.25"
        with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
            assert run([*line.split(), "--block-size", "1", "-q"]) == 0
        if change:
            path = folder / "odd" / "index.parquet"
            table = pq.read_table(path)
            metadata = dict(table.schema.metadata)
            about = json.loads(metadata[b"geoseg"])
            table = change(table, about)
            metadata[b"geoseg"] = json.dumps(about).encode()
            pq.write_table(table.replace_schema_metadata(metadata), path)
        if then:
            then(folder / "odd")

    return make


def column(name: str, *values: Any, kind: pa.DataType | None = None) -> Any:
    """``values`` in the first rows of a column, in place of text."""

    def change(table: pa.Table, _: dict[str, Any]) -> pa.Table:
        held = [*values, *table[name].to_pylist()[len(values) :]][: len(table)]
        return table.set_column(table.schema.get_field_index(name), name, pa.array(held, kind))

    return chips(change)


def all_of(name: str, value: Any, kind: pa.DataType | None = None) -> Any:
    return column(name, *[value] * 9, kind=kind)


def not_utf8(name: str) -> Any:
    def change(table: pa.Table, _: dict[str, Any]) -> pa.Table:
        held = pa.array([b"a\xff"] * len(table), pa.binary()).view(pa.string())
        return table.set_column(table.schema.get_field_index(name), name, held)

    return chips(change)


def about(**changes: Any) -> Any:
    def change(table: pa.Table, known: dict[str, Any]) -> pa.Table:
        known.update(changes)
        return table

    return chips(change)


def first(folder: str, image: np.ndarray) -> Any:
    """The first chip of ``folder`` replaced by ``image``."""

    def then(made: Path) -> None:
        write(made, image, name=f"{folder}/{min((made / folder).iterdir()).name}")

    return chips(then=then)


def integers_of_106_bits(made: Path) -> None:
    """In the schema that Arrow keeps in base64: 0x40 bits of an integer as 0x6a."""
    path = made / "index.parquet"
    content = path.read_bytes()
    assert content.count(b"AAAABQAAAA") == 1
    path.write_bytes(content.replace(b"AAAABQAAAA", b"AAAABqAAAA"))


INDEX = r"odd/index\.parquet: "
MASKS = r"odd/masks/\S+\.tif: "
VERBS = {
    "info": "info odd",
    "evaluate": "evaluate --data odd -m model.onnx --split all",
    "tune": "tune odd -m model.onnx -o new.onnx --split all",
    "train": "train odd -o new.safetensors --epochs 1 --arch unet",
}
TEXT = INDEX + "its column {} holds what is no text"
UNREADABLE = INDEX + "cannot be read as a chip index"
BROKEN = {
    "image_absent": (TEXT.format("image"), column("image", None)),
    "image_a_list": (TEXT.format("image"), all_of("image", ["images/a.tif"])),
    "image_a_number": (TEXT.format("image"), all_of("image", 7)),
    "image_of_bytes": (TEXT.format("image"), all_of("image", b"images/a.tif", pa.binary())),
    "image_not_utf8": (UNREADABLE, not_utf8("image")),
    "scene_not_utf8": (UNREADABLE, not_utf8("scene")),
    "split_not_utf8": (UNREADABLE, not_utf8("split")),
    "mask_a_number": (TEXT.format("mask"), all_of("mask", 7)),
    "scene_absent": (TEXT.format("scene"), column("scene", None)),
    "id_a_number": (TEXT.format("id"), all_of("id", 7)),
    "split_a_number": (TEXT.format("split"), all_of("split", 7)),
    "outline_absent": (INDEX + "its column geometry", column("geometry", None, kind=pa.binary())),
    "outline_of_noise": (UNREADABLE, column("geometry", b"noise", kind=pa.binary())),
    "outline_a_point": (
        INDEX + "its column geometry",
        column("geometry", shapely.Point(1, 2).wkb, kind=pa.binary()),
    ),
    "no_bands": (UNREADABLE, about(bands=0)),
    "bands_of_words": (UNREADABLE, about(bands="three")),
    "type_unknown": (UNREADABLE, about(dtype="float99")),
    "type_complex": (UNREADABLE, about(dtype="complex64")),
    "gsd_negative": (UNREADABLE, about(gsd=-1)),
    "gsd_nan": (UNREADABLE, about(gsd=float("nan"))),
    "no_classes": (UNREADABLE, about(classes=[])),
    "classes_twice": (UNREADABLE, about(classes=["a", "a"])),
    "classes_of_numbers": (UNREADABLE, about(classes=[1, 2])),
    "hundreds_of_classes": (UNREADABLE, about(classes=[f"c{number}" for number in range(300)])),
    "stretch_short": (UNREADABLE, about(stretch={"low": [0], "high": [1]})),
    "percentiles_short": (UNREADABLE, about(percentiles=[5])),
    "integers_too_wide": (UNREADABLE, chips(then=integers_of_106_bits)),
    "source_band_zero": (UNREADABLE, about(source_bands=[0, 1, 2])),
}
SCORED = ("evaluate", "tune")

CASES = [
    *(
        Case(f"chips_{name}_{verb}", line, 3, says, make)
        for name, (says, make) in BROKEN.items()
        for verb, line in VERBS.items()
    ),
    *(
        Case(f"chips_{name}_{verb}", VERBS[verb], code, says, make)
        for name, code, says, make in (
            ("as_they_are", 0, "", chips()),
            ("without_rows", 4, "split is empty", chips(lambda table, _: table.slice(0, 0))),
            ("without_a_mask", 4, "some chips have no mask", column("mask", None)),
            ("image_missing", 3, r"odd/images/no\.tif: ", column("image", "images/no.tif")),
            ("image_a_folder", 3, "odd: is a folder", column("image", ".")),
            ("mask_missing", 3, r"odd/masks/no\.tif: ", column("mask", "masks/no.tif")),
            ("image_of_one_band", 4, "has 1 band", first("images", PICTURE[:1, :48, :48])),
            (
                "mask_smaller",
                4,
                MASKS + "is not of the size",
                first("masks", MASK[None, :20, :30].astype("uint8")),
            ),
            (
                "mask_of_other_classes",
                4,
                MASKS + "holds the class 77",
                first("masks", MASK[None, :48, :48].astype("uint8") * 77),
            ),
            (
                "mask_below_zero",
                4,
                MASKS + "holds the class -1",
                first("masks", -MASK[None, :48, :48].astype("int16")),
            ),
            ("mask_a_picture", 4, MASKS + "holds", first("masks", PICTURE[:, :48, :48])),
        )
        for verb in SCORED
    ),
]
