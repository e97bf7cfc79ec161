"""Files a little wrong: seeds, and what may happen to their bytes."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any
from zipfile import ZipFile

import shapely

from geoseg.specs import ModelSpec
from tests.faults.case import good_files
from tests.faults.corpus.broken import LAYOUTS, layout
from tests.faults.corpus.layers import BOX, HEAD, table

# Numbers at which sizes, offsets and counts go wrong
ODD = (0, 1, 2, 3, 7, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
KINDS = ("flip", "byte", "word", "long", "cut", "drop", "repeat", "swap")


@dataclass(frozen=True)
class Mutation:
    """One change: ``at`` and ``other`` are parts, 0 to 1, of the bytes that are changed."""

    kind: str
    at: float
    other: float
    value: int

    def apply(self, content: bytes, reach: int) -> bytes:
        """``content`` with the change in its first ``reach`` bytes."""
        end = min(reach, len(content))
        if not end:
            return content
        at = min(int(self.at * end), end - 1)
        length = 1 + int(self.other * 16)
        number = ODD[self.value % len(ODD)]
        changes: dict[str, Callable[[], bytes]] = {
            "flip": lambda: bytes([content[at] ^ 1 << self.value % 8]),
            "byte": lambda: bytes([self.value % 256]),
            "word": lambda: struct.pack("<H", number & 0xFFFF),
            "long": lambda: struct.pack("<I", number),
        }
        if self.kind in changes:
            new = changes[self.kind]()
            return content[:at] + new + content[at + len(new) :]
        if self.kind == "cut":
            return content[:at]
        if self.kind == "drop":
            return content[:at] + content[at + length :]
        if self.kind == "repeat":
            return content[:at] + content[at : at + length] * 2 + content[at + length :]
        other = min(int(self.other * end), end - 1)
        swapped = bytearray(content)
        swapped[at], swapped[other] = swapped[other], swapped[at]
        return bytes(swapped)


def drawn(random: Random) -> list[Mutation]:
    """One to four changes."""
    return [
        Mutation(random.choice(KINDS), random.random(), random.random(), random.randrange(1 << 16))
        for _ in range(random.choice((1, 1, 1, 2, 3, 4)))
    ]


@dataclass(frozen=True)
class Seed:
    """A good file, in whose first ``reach`` bytes things change, and the ``lines`` that read it."""

    name: str
    content: bytes
    reach: int
    lines: tuple[str, ...]

    def write(self, folder: Path, mutations: list[Mutation]) -> None:
        content = self.content
        for mutation in mutations:
            content = mutation.apply(content, self.reach)
        path = folder / self.name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


SCENE = ("info {}", "tile {} -o new --size 64", "predict {} -o new.tif -m model.onnx")
LAYER = ("info {}", "rasterize {} --like scene.tif -o new.tif")
MODELS = ("info {}", "predict scene.tif -o new.tif -m {}")


def tiff_seeds(folder: Path) -> list[Seed]:
    """A scene in each layout; the header is what precedes or follows its pixels."""
    seeds = []
    for name, options in LAYOUTS.items():
        path = folder / f"{name}.tif"
        layout(path, **options)
        seeds.append(Seed(f"odd/{name}.tif", path.read_bytes(), 700, SCENE))
    return seeds


def other_seeds(folder: Path) -> list[Seed]:
    """Footprints, models and a chip index."""
    from geoseg.cli.main import run

    good_files(folder)
    seeds = []
    for suffix in ("gpkg", "geojson", "fgb", "shp"):
        table(BOX, BOX.buffer(2), a=[1, 2]).to_file(folder / f"seed.{suffix}")
        content = (folder / f"seed.{suffix}").read_bytes()
        seeds.append(Seed(f"odd/a.{suffix}", content, len(content), LAYER))
    table(BOX).to_crs(4326).to_file(folder / "seed.kml", driver="KML")
    table(BOX).to_file(folder / "seed.gml", driver="GML")
    with ZipFile(folder / "seed.zip", "w") as archive:
        for part in ("shp", "shx", "dbf", "prj"):
            archive.write(folder / f"seed.{part}", f"a.{part}")
    for suffix in ("kml", "gml", "zip"):
        content = (folder / f"seed.{suffix}").read_bytes()
        seeds.append(Seed(f"odd/a.{suffix}", content, len(content), LAYER))
    table(BOX).to_parquet(folder / "seed.parquet")
    content = (folder / "seed.parquet").read_bytes()
    seeds.append(Seed("odd/a.parquet", content, len(content), LAYER))
    rows = f'{HEAD}scene,1,"{shapely.box(3, 5, 9, 20).wkt}","{shapely.box(3, 5, 9, 20).wkt}"\n'
    seeds.append(Seed("odd/a.csv", rows.encode(), 4000, LAYER))
    content = (folder / "model.onnx").read_bytes()
    seeds.append(Seed("odd/a.onnx", content, len(content), MODELS))
    header: dict[str, Any] = {"__metadata__": {"geoseg": json.dumps(asdict(ModelSpec("cnn")))}}
    header["a"] = {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}
    held = json.dumps(header).encode()
    seeds.append(
        Seed("odd/a.safetensors", struct.pack("<Q", len(held)) + held + bytes(36), 4000, MODELS)
    )
    assert run(["tile", str(folder / "scene.tif"), "-o", str(folder / "chips"), "-q"]) == 0
    content = (folder / "chips" / "index.parquet").read_bytes()
    seeds.append(Seed("odd/index.parquet", content, len(content), ("info odd",)))
    return seeds
