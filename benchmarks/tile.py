"""`geoseg tile` against gdal_retile.py and solaris' tiler, and without compression against moving
the same bytes.

python benchmarks/tile.py --size 8192 --rounds 3
python benchmarks/tile.py --size 20000 --only none
python benchmarks/tile.py --only deflate --busy

The scene is the sample scene repeated, RGB, cut into chips of 512 x 512. It is compressed as its
chips are: solaris takes the compression of a scene for its chips. Every figure is that of a whole
process, in turn A B A B; with --busy another program keeps one core busy meanwhile. Without
gdal_retile.py (`apt install python3-gdal gdal-bin`) or solaris 0.4.0 ours is measured alone.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import rasterio.shutil
from memory import make_scene
from pairs import GEOSEG, Way, alternate, solaris, table, tools

SOLARIS = """
tiler = solaris.tile.raster_tile.RasterTiler(dest_dir=sys.argv[2], src_tile_size=(512, 512))
tiler.tile(sys.argv[1])
"""
# Reads the scene's file and writes its bytes to as many files as there are chips
BYTES = """
import sys
from pathlib import Path
scene, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
folder.mkdir()
share = -(-Path(scene).stat().st_size // count)
with open(scene, "rb", buffering=0) as file:
    for number in range(count):
        (folder / str(number)).write_bytes(file.read(share))
"""
# The least that a tiler in Python can do: windows read, georeferenced TIFFs written, no validity,
# no index
WINDOWS = """
import sys
from pathlib import Path
import rasterio
from rasterio.windows import Window
folder = Path(sys.argv[2])
folder.mkdir()
with rasterio.Env(GDAL_CACHEMAX=64 * 2**20), rasterio.open(sys.argv[1]) as scene:
    for row in range(0, scene.height, 512):
        for col in range(0, scene.width, 512):
            window = Window(col, row, 512, 512)
            profile = {"height": 512, "width": 512, "count": 3, "dtype": "uint8", "crs": scene.crs, "driver": "GTiff"}
            with rasterio.open(folder / f"{row}_{col}.tif", "w", transform=scene.window_transform(window), **profile) as chip:
                chip.write(scene.read(window=window))
"""


def ours(scene: Path, output: Path, compression: str, *more: str) -> Way:
    return Way(
        [
            *GEOSEG,
            "tile",
            scene,
            "-o",
            output,
            "--size",
            "512",
            "--co",
            f"COMPRESS={compression}",
            *more,
        ],
        output,
    )


def deflate(folder: Path, scene: Path, size: int, rounds: int) -> None:
    ways = {"geoseg": ours(scene, folder / "ours", "DEFLATE")}
    goals = {"geoseg": "peak <= 320 MB", "gdal_retile.py": "<= 0.9", "solaris": "<= 0.6"}
    if gdal := tools("gdal_retile.py"):
        (theirs := folder / "theirs").mkdir()
        command = [
            gdal["gdal_retile.py"],
            "-q",
            "-ps",
            "512",
            "512",
            "-co",
            "COMPRESS=DEFLATE",
            "-targetDir",
            theirs,
            scene,
        ]
        ways["gdal_retile.py"] = Way(
            ["bash", "-c", 'mkdir "$0" && exec "$@"', theirs, *command], theirs
        )
    if way := solaris(SOLARIS, scene, folder / "solaris", output=folder / "solaris"):
        ways["solaris"] = way
    runs = alternate(ways, rounds)
    table(f"tile {size} x {size} RGB, deflate", runs, goals)
    for name, way in ways.items():
        files = [path for path in way.output.rglob("*") if path.is_file()]
        print(
            f"{name}: {len(files)} files, "
            f"{sum(path.stat().st_size for path in files) / 2**20:.0f} MB"
        )


def plain(folder: Path, scene: Path, size: int, rounds: int) -> None:
    files = (-(-size // 512)) ** 2
    ways = {
        "geoseg": ours(scene, folder / "ours", "NONE"),
        "bare loop of windows": Way(
            [sys.executable, "-c", WINDOWS, scene, folder / "windows"], folder / "windows"
        ),
        "bytes read and written": Way(
            [sys.executable, "-c", BYTES, scene, folder / "bytes", str(files)], folder / "bytes"
        ),
    }
    table(
        f"tile {size} x {size} RGB, no compression",
        alternate(ways, rounds),
        {"bytes read and written": "<= 1.3"},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["deflate", "none"])
    parser.add_argument("--busy", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name, ExitStack() as stack:
        folder = Path(name)
        make_scene(folder / "sample.tif", options.size)
        if options.busy:
            stack.callback(subprocess.Popen([sys.executable, "-c", "while True: pass"]).kill)
        for compression, compare in (("deflate", deflate), ("none", plain)):
            if options.only in (None, compression):
                scene = folder / f"{compression}.tif"
                rasterio.shutil.copy(
                    folder / "sample.tif", scene, driver="GTiff", tiled=True, compress=compression
                )
                compare(folder, scene, options.size, options.rounds)


if __name__ == "__main__":
    main()
