"""Outputs of every kind on a disk that fills up, at many sizes of what is free on it.

    python tests/faults/full_disk.py --sizes 20

The disk is a tmpfs in a mount namespace of this process (Linux, `unshare`), which the system
removes with it. It holds an output of an earlier run and a file that leaves just so much room for
the new one. Where that is too little: exit 6, one line that names the output, no draft, and the old
output byte for byte. Where it suffices, the new one is that of a roomy disk.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.fuzz import Worker

ROOT = Path(__file__).resolve().parents[2]
PAGE = 4096
DISK = 96 * 2**20
# Times what an output has: some formats write as much again beside it, and remove it in the end
ROOM = 3


@dataclass(frozen=True)
class Kind:
    """An output by name, and the line that writes it; ``{in}`` is the folder of the inputs.

    ``other`` makes the output differ from that of an earlier run without it.
    """

    name: str
    line: str
    other: str = "--min-area 3"


EXTRACT = "extract {in}/scene.tif -m {in}/model.onnx"
POLYGONIZE = "polygonize {in}/mask.tif"
EVALUATE = "evaluate {in}/prediction.gpkg {in}/footprints.gpkg"
KINDS = {
    "GeoPackage": Kind("out.gpkg", EXTRACT),
    "GeoJSON": Kind("out.geojson", POLYGONIZE),
    "FlatGeobuf": Kind("out.fgb", POLYGONIZE),
    "GeoParquet": Kind("out.parquet", POLYGONIZE),
    "GeoParquet by map tile": Kind("tiles", f"{POLYGONIZE} -f parquet-tiles"),
    "Shapefile": Kind("out.shp", POLYGONIZE),
    "PMTiles": Kind("out.pmtiles", POLYGONIZE),
    "mask": Kind("out.tif", "rasterize {in}/footprints.gpkg --like {in}/scene.tif", "--value 3"),
    "probabilities": Kind("out.tif", "predict {in}/scene.tif -m {in}/model.onnx", "--overlap 9"),
    "mosaic": Kind("out.tif", "stitch {in}/scene.tif", "--co COMPRESS=LZW"),
    "chips": Kind("chips", "tile {in}/scene.tif", "--size 200"),
    "picture": Kind("out.png", "preview {in}/scene.tif", "--size 300"),
    "model": Kind("out.onnx", "export bundled", "--tile-size 768"),
    "layers of matches": Kind("out.gpkg", f"{EVALUATE} --layers", "--iou 0.6"),
    "page": Kind("out.html", f"{EVALUATE} --report", "--iou 0.6"),
}


def inputs(folder: Path) -> None:
    """A scene, its mask, footprints and a model."""
    from geoseg.cli.main import run
    from geoseg.io.raster.write import write_array
    from geoseg.specs import ModelSpec
    from tests.scenes import buildings, grid, red_model, write_scene

    mask = buildings(420, 590)
    write_scene(folder / "scene.tif", mask)
    write_array(folder / "mask.tif", mask.astype("uint8"), grid(*mask.shape))
    red_model(folder / "model.onnx", ModelSpec("red", margin=0, min_area=0.5))
    for name, least in {"footprints": "1", "prediction": "9"}.items():
        line = f"polygonize {folder}/mask.tif -o {folder}/{name}.gpkg -q --min-area {least}"
        assert run(line.split()) == 0


class Disk:
    """A folder on which ``leave`` sets how many bytes are free."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / ".filler"

    def leave(self, count: int) -> None:
        self._filler.unlink(missing_ok=True)
        room = os.statvfs(self.folder)
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - count)

    def clear(self) -> None:
        self._filler.unlink(missing_ok=True)

    def state(self) -> dict[str, bytes]:
        """Every file but the filler, and every folder, by name."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else b""
            for path in self.folder.rglob("*")
            if path != self._filler
        }


def tried(worker: Worker, kind: Kind, disk: Disk, data: Path, sizes: int) -> Counter[str]:
    """What came of writing ``kind`` with 0 bytes free, up to somewhat more than it takes."""
    from geoseg.io.atomic import remove

    # options whose value is the output stand at the end of a line
    takes = "" if kind.line.endswith(("--layers", "--report")) else "-o "
    before = f"{kind.line.replace('{in}', str(data))} {takes}{kind.name} --overwrite"
    line = f"{before} {kind.other}"

    def write(line: str) -> dict[str, bytes]:
        """The disk with what ``line`` gives where there is room enough."""
        disk.clear()
        for path in disk.folder.iterdir():
            remove(path)
        code, err = worker.run(disk.folder, line.split())
        assert code == 0, (line, err)
        return disk.state()

    counts: Counter[str] = Counter()
    new = write(line)
    now = old = write(before)
    assert old != new, f"{line}: is as without its last option"
    taken = sum(len(content) for content in new.values())
    for size in range(sizes):
        if now != old:
            old = write(before)
        disk.leave(int(taken * ROOM * size / sizes) // PAGE * PAGE)
        code, err = worker.run(disk.folder, line.split())
        now = disk.state()
        counts[_judged(kind, code, err, now, old, new)] += 1
    return counts


def _judged(
    kind: Kind,
    code: int | str,
    err: str,
    now: dict[str, bytes],
    old: dict[str, bytes],
    new: dict[str, bytes],
) -> str:
    if code == 0:
        return (
            "written whole"
            if now == new
            else f"wrong: exit 0, but differs in {differing(now, new)}"
        )
    errors = [line for line in err.splitlines() if line.startswith("Error: ")]
    others = [line for line in err.splitlines() if not line.startswith(("Error: ", "Warning: "))]
    if code != 6 or len(errors) != 1 or others:
        return f"wrong: exit {code}: {err.strip()[-400:]}"
    if not re.search(rf"{re.escape(kind.name)}.*full", errors[0]):
        return f"wrong: does not name the output and the disk: {errors[0]}"
    if now != old:
        return f"wrong: left or lost {differing(now, old)}"
    return "exit 6, the old output whole, no draft"


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, default=20)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), help="some of them by name")
    options = parser.parse_args()
    if "GEOSEG_FULL_DISK" not in os.environ:
        again = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, *sys.argv]
        environment = os.environ | {"GEOSEG_FULL_DISK": "1", "SOURCE_DATE_EPOCH": "1700000000"}
        return subprocess.run(again, env=environment, check=False).returncode
    from tests.faults.fuzz import Worker

    wrong = 0
    worker = Worker()
    with tempfile.TemporaryDirectory() as made:
        data, mounted = Path(made, "in"), Path(made, "disk")
        data.mkdir()
        mounted.mkdir()
        inputs(data)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(mounted)]
        subprocess.run(mount, check=True)
        try:
            for name in options.kinds:
                for what, count in sorted(
                    tried(worker, KINDS[name], Disk(mounted), data, options.sizes).items()
                ):
                    print(f"{count:5}  {name}: {what}", flush=True)
                    wrong += count * what.startswith("wrong")
        finally:
            worker.stop()
            subprocess.run(["umount", str(mounted)], check=True)
    print(f"{wrong:5}  wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
